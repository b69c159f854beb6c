import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

/*
 * A client of S3 that hides nothing: the target, the headers and the bytes of a request are what a case says, and every step of signing can be spoilt.
 * Signing is written from "Authenticating Requests (AWS Signature Version 4)" of the S3 documentation and shares nothing with the server's.
 */

export interface Account {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Endpoint {
  readonly url: string;
  readonly region: string;
}

/** A request before it is signed. */
export interface Draft {
  readonly method: string;
  /** Path in the form of the wire, percent-encoded. */
  readonly path: string;
  /** Names and values as text; encoded on the way. A value of '' is a subresource. */
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | string | undefined;
  readonly signing?: Signing | undefined;
}

/** How a request is signed, and what is to be wrong about it. */
export interface Signing {
  /** `header` when left out. */
  readonly form?: 'header' | 'query' | 'none';
  readonly account?: Account;
  /** Moves the time of the request, ms. */
  readonly skewMs?: number;
  /** Value of X-Amz-Expires, seconds. */
  readonly expires?: string;
  /** Value of x-amz-content-sha256 in place of the body's hash. */
  readonly payload?: string;
  readonly region?: string;
  readonly service?: string;
  readonly terminal?: string;
  /** Day of the credential scope, yyyyMMdd. */
  readonly day?: string;
  /** Headers that are sent and not signed. */
  readonly unsigned?: readonly string[];
  /** Changes the finished request. */
  readonly spoil?: (sent: Sent) => void;
}

/** What goes over the wire. */
export interface Sent {
  method: string;
  target: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** False when the connection ended before the announced length. */
  readonly complete: boolean;
}

/** What the signature of a request continues into: signed chunks begin with it. */
export interface Seed {
  readonly signature: string;
  readonly key: Buffer;
  readonly scope: string;
  readonly time: string;
}

export const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();
export const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');
export const md5 = (data: Uint8Array | string): Buffer => createHash('md5').update(data).digest();

/** Percent-encoding of the documentation's UriEncode. */
export const percent = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Path of a key in path style; slashes of the key stay. */
export const pathOf = (bucket: string, key = ''): string =>
  `/${[bucket, ...(key === '' ? [] : key.split('/').map(percent))].join('/')}`;

export const timeOf = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');

const queryText = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .map(([name, value]) => [percent(name), percent(value)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&');

const algorithm = 'AWS4-HMAC-SHA256';

/** Signs a request. @returns what is sent, and what signed chunks continue from */
export function sign(draft: Draft, endpoint: Endpoint, account: Account): { sent: Sent; seed: Seed } {
  const { form = 'header', skewMs = 0, unsigned = [], spoil } = draft.signing ?? {};
  const who = draft.signing?.account ?? account;
  const body = typeof draft.body === 'string' ? Buffer.from(draft.body) : Buffer.from(draft.body ?? '');
  const time = timeOf(Date.now() + skewMs);
  const scope = [
    draft.signing?.day ?? time.slice(0, 8),
    draft.signing?.region ?? endpoint.region,
    draft.signing?.service ?? 's3',
    draft.signing?.terminal ?? 'aws4_request',
  ];
  const headers: Record<string, string> = { host: new URL(endpoint.url).host };
  for (const [name, value] of Object.entries(draft.headers ?? {})) headers[name.toLowerCase()] = value;
  const payload = draft.signing?.payload ?? (form === 'query' ? 'UNSIGNED-PAYLOAD' : sha256(body));
  let query: Record<string, string> = { ...draft.query };
  if (form === 'header') {
    headers['x-amz-date'] ??= time;
    headers['x-amz-content-sha256'] ??= payload;
  }
  const names = Object.keys(headers)
    .filter((name) => !unsigned.includes(name))
    .sort();
  if (form === 'query') {
    query = {
      'X-Amz-Algorithm': algorithm,
      'X-Amz-Credential': [who.accessKeyId, ...scope].join('/'),
      'X-Amz-Date': time,
      'X-Amz-Expires': draft.signing?.expires ?? '300',
      'X-Amz-SignedHeaders': names.join(';'),
      ...query,
    };
  }
  const canonical = [
    draft.method,
    draft.path,
    queryText(query),
    ...names.map((name) => `${name}:${headers[name]?.trim().replace(/ +/g, ' ')}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  const key = scope.reduce<Buffer | string>((made, part) => hmac(made, part), `AWS4${who.secretAccessKey}`) as Buffer;
  const signature = hmac(key, [algorithm, time, scope.join('/'), sha256(canonical)].join('\n')).toString('hex');
  if (form === 'header')
    headers['authorization'] =
      `${algorithm} Credential=${[who.accessKeyId, ...scope].join('/')}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  const text = queryText(query) + (form === 'query' ? `&X-Amz-Signature=${signature}` : '');
  if (body.length > 0 || draft.method === 'PUT' || draft.method === 'POST')
    headers['content-length'] ??= String(body.length);
  const sent: Sent = { method: draft.method, target: text ? `${draft.path}?${text}` : draft.path, headers, body };
  spoil?.(sent);
  return { sent, seed: { signature, key, scope: scope.join('/'), time } };
}

const agents = {
  'http:': new http.Agent({ keepAlive: true, maxSockets: 64 }),
  'https:': new https.Agent({ keepAlive: true, maxSockets: 64 }),
};

/**
 * Sends a finished request. Headers go out in the order and with the names given; Node refuses what is no HTTP.
 * @throws Error when nothing is answered within `timeoutMs`
 */
export function exchange(endpoint: Endpoint, sent: Sent, timeoutMs = 60_000): Promise<Reply> {
  const url = new URL(endpoint.url);
  const protocol = url.protocol === 'https:' ? https : http;
  const agent = agents[url.protocol as keyof typeof agents];
  return new Promise((resolve, reject) => {
    const request = protocol.request(
      { host: url.hostname, port: url.port, method: sent.method, path: sent.target, headers: sent.headers, agent },
      (response) => {
        const pieces: Buffer[] = [];
        const finish = () =>
          resolve({
            status: response.statusCode as number,
            headers: response.headers,
            body: Buffer.concat(pieces),
            complete: response.complete,
          });
        response.on('data', (piece) => pieces.push(piece));
        response.on('end', finish).on('error', finish);
      },
    );
    request.setTimeout(timeoutMs, () =>
      request.destroy(new Error(`no answer to ${sent.method} ${sent.target} within ${timeoutMs / 1000} s`)),
    );
    request.on('error', reject);
    request.end(sent.body);
  });
}
