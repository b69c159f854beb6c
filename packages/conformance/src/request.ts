import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import { credentials, patienceMs } from './server.ts';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** False when the connection broke before the announced end. */
  readonly complete: boolean;
  text(): string;
  /** Text of the first XML element of that name. */
  element(name: string): string | undefined;
  /** Texts of all XML elements of that name. */
  elements(name: string): string[];
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly anonymous?: boolean;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Shifts the time of the request. */
  readonly skewMs?: number;
  /** Sent as x-amz-content-sha256 instead of the body's hash. */
  readonly payloadHash?: string;
  readonly region?: string;
  /** Silence after which the request is broken off, ms; `patienceMs` when left out. */
  readonly timeoutMs?: number;
  /** Keeps connections; each request has one of its own when left out. */
  readonly agent?: http.Agent;
  /** Changes the finished request just before it is sent: for attacks. */
  readonly tamper?: (request: { method: string; path: string; headers: Record<string, string> }) => void;
}

const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');
export const percent = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const entityText = (text: string) =>
  text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (_, hex, dec, name) =>
    hex
      ? String.fromCodePoint(parseInt(hex, 16))
      : dec
        ? String.fromCodePoint(Number(dec))
        : ({ lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }[name as string] ?? ''),
  );

/** Path of a key in path style. */
export const pathOf = (bucket: string, key = ''): string =>
  `/${[bucket, ...(key === '' ? [] : key.split('/').map(percent))].join('/')}`;

/** Sends one request, signed with Signature Version 4 unless told otherwise. */
export function send(endpoint: string, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  const { accessKeyId, secretAccessKey } = { ...credentials, ...options };
  const url = new URL(endpoint);
  const body = typeof options.body === 'string' ? Buffer.from(options.body) : options.body;
  const time = new Date(Date.now() + (options.skewMs ?? 0)).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const region = options.region ?? 'us-east-1';
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = options.payloadHash ?? sha256(body ?? '');
  const query = Object.entries(options.query ?? {})
    .map(([name, value]) => `${percent(name)}=${percent(value)}`)
    .sort()
    .join('&');
  const headers: Record<string, string> = { host: url.host };
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value;
  if (!options.anonymous) {
    headers['x-amz-date'] = time;
    headers['x-amz-content-sha256'] = hash;
    const signed = Object.keys(headers).sort();
    const canonical = [
      method,
      path,
      query,
      ...signed.map((name) => `${name}:${headers[name]?.trim().replace(/ +/g, ' ')}`),
      '',
      signed.join(';'),
      hash,
    ].join('\n');
    const key = hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), 's3'), 'aws4_request');
    const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex');
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed.join(';')}, Signature=${signature}`;
  }
  if (body !== undefined || method === 'PUT' || method === 'POST')
    headers['content-length'] ??= String(body?.length ?? 0);
  const target = { method, path: query ? `${path}?${query}` : path, headers };
  options.tamper?.(target);
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: url.hostname,
        port: url.port,
        method: target.method,
        path: target.path,
        headers: target.headers,
        agent: options.agent ?? false,
      },
      (response) => {
        const pieces: Buffer[] = [];
        const finish = () => {
          const whole = Buffer.concat(pieces);
          const text = () => whole.toString();
          const elements = (name: string) =>
            [...text().matchAll(new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`, 'g'))].map((match) =>
              entityText(match[1] as string),
            );
          resolve({
            status: response.statusCode as number,
            headers: response.headers,
            body: whole,
            complete: response.complete,
            text,
            elements,
            element: (name) => elements(name)[0],
          });
        };
        response.on('data', (piece) => pieces.push(piece));
        response.on('end', finish);
        response.on('error', finish);
      },
    );
    const patience = options.timeoutMs ?? patienceMs;
    request.setTimeout(patience, () =>
      request.destroy(new Error(`no answer to ${method} ${path} within ${patience / 1000} s`)),
    );
    request.on('error', reject);
    request.end(body);
  });
}
