import { createHash, createHmac } from 'node:crypto';
import net from 'node:net';
import { percent } from './request.ts';
import { credentials } from './server.ts';

/** Sends bytes as they are and resolves to everything that came back until the other side closed, or `quietMs` passed without a byte. */
export function exchangeRaw(port: number, bytes: string | Buffer, quietMs = 1500): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const done = () => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(quietMs, done);
    socket.on('data', (piece) => (text += piece.toString('latin1')));
    socket.on('close', done).on('error', done);
    socket.on('connect', () => socket.write(bytes));
  });
}

/** Status codes of all answers in a raw exchange. */
export const statuses = (text: string): number[] =>
  [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((match) => Number(match[1]));

const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();

/** A presigned URL (Signature Version 4 in the query), with whatever the caller wants to be wrong about it. */
export function presign(
  endpoint: string,
  method: string,
  path: string,
  options: {
    readonly expires?: number;
    readonly skewMs?: number;
    readonly query?: Readonly<Record<string, string>>;
    readonly signed?: Readonly<Record<string, string>>;
  } = {},
): string {
  const { host } = new URL(endpoint);
  const time = new Date(Date.now() + (options.skewMs ?? 0)).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const headers: Record<string, string> = { host, ...options.signed };
  const names = Object.keys(headers).sort();
  const query = {
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${credentials.accessKeyId}/${scope}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(options.expires ?? 300),
    'X-Amz-SignedHeaders': names.join(';'),
    ...options.query,
  };
  const text = Object.entries(query)
    .map(([name, value]) => `${percent(name)}=${percent(value)}`)
    .sort()
    .join('&');
  const canonical = [
    method,
    path,
    text,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    'UNSIGNED-PAYLOAD',
  ].join('\n');
  const key = scope
    .split('/')
    .reduce<Buffer | string>((made, part) => hmac(made, part), `AWS4${credentials.secretAccessKey}`) as Buffer;
  const signature = hmac(
    key,
    ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n'),
  ).toString('hex');
  return `${endpoint}${path}?${text}&X-Amz-Signature=${signature}`;
}
