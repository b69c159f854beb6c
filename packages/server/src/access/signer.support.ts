import { createHash, createHmac } from 'node:crypto';
import { manualHost } from '../host/index.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import { createAuthenticator } from './authenticator.ts';
import { parseTarget } from './target.ts';
import type { Authenticator, SignedRequest } from './types.ts';

/*
 * A client that signs, for tests. Written apart from the verifier and with nothing shared, so that one mistake cannot hide in both.
 */

export const region = 'us-east-1';
export const accessKeyId = 'AKIAIOSFODNN7EXAMPLE';
export const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const emptyHash = createHash('sha256').digest('hex');
/** The moment of AWS's examples: 2013-05-24T00:00:00Z. */
export const exampleMs = Date.UTC(2013, 4, 24);

export function record(change: Partial<AccessKeyRecord> = {}): AccessKeyRecord {
  const sealedSecret = Buffer.from(`sealed:${secret}`);
  return {
    id: accessKeyId,
    sealedSecret,
    owner: 'o',
    name: 'n',
    createdMs: 0,
    role: 'readwrite',
    buckets: [],
    ...change,
  };
}

export interface Bench {
  readonly authenticator: Authenticator;
  readonly opened: () => number;
  readonly keys: Map<string, AccessKeyRecord>;
}

/** An authenticator that knows one key, at a given moment. */
export function bench(nowMs = exampleMs): Bench {
  const keys = new Map([[accessKeyId, record()]]);
  let opened = 0;
  const authenticator = createAuthenticator({
    lookup: (id) => keys.get(id),
    async openSecret(key) {
      opened++;
      return key.sealedSecret.toString().slice('sealed:'.length);
    },
    clock: manualHost(1, nowMs).clock,
    region,
  });
  return { authenticator, opened: () => opened, keys };
}

type Headers = Record<string, string>;

/** A request as the server would see it, each header in a line of its own. */
export function request(method: string, url: string, headers: Headers): SignedRequest {
  const target = parseTarget(url, headers['host'], []);
  return { method, headers, rawHeaders: Object.entries(headers).flat(), ...target };
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

export function stamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/[-:]|\.\d+/g, '');
}

export function signingKey(day: string, key = secret, inRegion = region): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${key}`, day), inRegion), 's3'), 'aws4_request');
}

interface ToSign {
  readonly method: string;
  /** Decoded path, starting with a slash. */
  readonly path: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Headers;
  readonly timeMs?: number;
  readonly payload?: string;
  readonly secret?: string;
  readonly id?: string;
  readonly region?: string;
  /** Headers left out of the signature. */
  readonly unsigned?: readonly string[];
}

function signatureOf(
  what: ToSign,
  headers: Headers,
  query: readonly (readonly [string, string])[],
  payload: string,
  time: string,
) {
  const path = what.path.split('/').map(encode).join('/');
  const names = Object.keys(headers)
    .filter((name) => !what.unsigned?.includes(name))
    .sort();
  const sorted = query.map(([name, value]) => [encode(name), encode(value)] as const).sort((a, b) => (a < b ? -1 : 1));
  const lines = names.map((name) => `${name}:${headers[name]!.replace(/ +/g, ' ').replace(/^ | $/g, '')}\n`).join('');
  const canonicalQuery = sorted.map(([name, value]) => `${name}=${value}`).join('&');
  const canonical = [what.method, path, canonicalQuery, lines, names.join(';'), payload].join('\n');
  const scope = `${time.slice(0, 8)}/${what.region ?? region}/s3/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(Buffer.from(canonical, 'latin1'))}`;
  const key = signingKey(time.slice(0, 8), what.secret, what.region);
  return {
    url: path + (canonicalQuery && `?${canonicalQuery}`),
    signature: hmac(key, text).toString('hex'),
    scope,
    names,
  };
}

/** Signs in the Authorization header. */
export function signedByHeader(what: ToSign): SignedRequest {
  const time = stamp(what.timeMs ?? exampleMs);
  const payload = what.payload ?? emptyHash;
  const headers = { host: 'store.example', 'x-amz-content-sha256': payload, 'x-amz-date': time, ...what.headers };
  const { url, signature, scope, names } = signatureOf(what, headers, what.query ?? [], payload, time);
  const credential = `${what.id ?? accessKeyId}/${scope}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return request(what.method, url, { ...headers, authorization });
}

/** Signs in the query. */
export function presigned(what: ToSign & { readonly expires?: number | string }): SignedRequest {
  const time = stamp(what.timeMs ?? exampleMs);
  const headers = { host: 'store.example', ...what.headers };
  const names = Object.keys(headers)
    .filter((name) => !what.unsigned?.includes(name))
    .sort();
  const query: (readonly [string, string])[] = [
    ...(what.query ?? []),
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${what.id ?? accessKeyId}/${time.slice(0, 8)}/${what.region ?? region}/s3/aws4_request`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(what.expires ?? 3600)],
    ['X-Amz-SignedHeaders', names.join(';')],
  ];
  const { url, signature } = signatureOf(what, headers, query, what.payload ?? 'UNSIGNED-PAYLOAD', time);
  return request(what.method, `${url}&X-Amz-Signature=${signature}`, headers);
}

export interface Framing {
  readonly signed: boolean;
  /** Trailing headers, in order; undefined for a form without a trailer. */
  readonly trailers?: readonly (readonly [string, string])[];
  /** Signature of the request. */
  readonly seed: string;
  readonly timeMs?: number;
}

/** Frames chunks as aws-chunked. */
export function framed(chunks: readonly Buffer[], framing: Framing): Buffer {
  const time = stamp(framing.timeMs ?? exampleMs);
  const key = signingKey(time.slice(0, 8));
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  let previous = framing.seed;
  const next = (kind: string, ...hashes: string[]) => {
    previous = hmac(key, [`AWS4-HMAC-SHA256-${kind}`, time, scope, previous, ...hashes].join('\n')).toString('hex');
    return previous;
  };
  const out: Buffer[] = [];
  for (const chunk of [...chunks, Buffer.alloc(0)]) {
    const extension = framing.signed ? `;chunk-signature=${next('PAYLOAD', emptyHash, sha256(chunk))}` : '';
    out.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk);
    if (chunk.length > 0) out.push(Buffer.from('\r\n'));
  }
  const trailers = framing.trailers ?? [];
  for (const [name, value] of trailers) out.push(Buffer.from(`${name}:${value}\r\n`));
  if (framing.trailers && framing.signed) {
    const text = trailers.map(([name, value]) => `${name}:${value}\n`).join('');
    out.push(Buffer.from(`x-amz-trailer-signature:${next('TRAILER', sha256(text))}\r\n`));
  }
  out.push(Buffer.from('\r\n'));
  return Buffer.concat(out);
}

/** A body that comes in pieces of the given sizes, over and over. */
export async function* inPieces(
  body: Uint8Array,
  sizes: readonly number[] = [body.length],
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < body.length; i++) {
    const end = Math.min(body.length, at + Math.max(1, sizes[i % sizes.length]!));
    yield body.subarray(at, end);
    at = end;
  }
}
