/* Bodies in chunks (aws-chunked), in all their forms and broken in every way: "Signature calculations for the authorization header: transferring payload in multiple chunks". */
import type { Answer } from '../answer.ts';
import { type Draft, hmac, pathOf, type Seed, sha256, sign } from '../client.ts';
import type { Steps } from '../steps.ts';

export interface Chunked {
  /** Whether each chunk carries a signature. */
  readonly form: 'signed' | 'unsigned';
  readonly content: string;
  /** Name and value behind the last chunk. */
  readonly trailer?: readonly [string, string];
  /** Bytes of a chunk. */
  readonly chunk?: number;
  /** Headers in place of, or besides, those that the form has; '' takes one away. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** Spoils the signature of the chunk with this number; the last, empty one has the number of chunks before it. */
  readonly badChunk?: number;
  readonly badTrailer?: boolean;
  /** Changes the finished body. */
  readonly spoil?: (body: string) => string;
}

const empty = sha256('');
const spoilt = (signature: string): string => (signature[0] === '0' ? '1' : '0') + signature.slice(1);

/** The body: sizes, signatures, chunks, and what is behind the last of them. */
function bodyOf(how: Chunked, seed: Seed): string {
  const { form, content, trailer, chunk = 65_536 } = how;
  let previous = seed.signature;
  const out: string[] = [];
  const pieces = [...(content.match(new RegExp(`[^]{1,${chunk}}`, 'g')) ?? []), ''];
  for (const [at, piece] of pieces.entries()) {
    let extension = '';
    if (form === 'signed') {
      const text = ['AWS4-HMAC-SHA256-PAYLOAD', seed.time, seed.scope, previous, empty, sha256(piece)].join('\n');
      previous = hmac(seed.key, text).toString('hex');
      extension = `;chunk-signature=${how.badChunk === at ? spoilt(previous) : previous}`;
    }
    out.push(`${Buffer.byteLength(piece).toString(16)}${extension}\r\n`);
    if (piece !== '') out.push(`${piece}\r\n`);
  }
  if (trailer) {
    out.push(`${trailer[0]}:${trailer[1]}\r\n`);
    if (form === 'signed') {
      const text = [
        'AWS4-HMAC-SHA256-TRAILER',
        seed.time,
        seed.scope,
        previous,
        sha256(`${trailer[0]}:${trailer[1]}\n`),
      ].join('\n');
      const signature = hmac(seed.key, text).toString('hex');
      out.push(`x-amz-trailer-signature:${how.badTrailer ? spoilt(signature) : signature}\r\n`);
    }
  }
  out.push('\r\n');
  return out.join('');
}

/** Value of x-amz-content-sha256. */
function payloadOf({ form, trailer }: Chunked): string {
  if (form === 'unsigned') return 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  return trailer ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' : 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
}

/** Puts an object whose body is in chunks. The content is ASCII. */
export function aws(t: Steps, bucket: string, key: string, how: Chunked): Promise<Answer> {
  const headers: Record<string, string> = {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': String(how.content.length),
    ...(how.trailer && { 'x-amz-trailer': how.trailer[0] }),
    ...how.headers,
  };
  for (const [name, value] of Object.entries(headers)) if (value === '') delete headers[name];
  const draft: Draft = {
    method: 'PUT',
    path: pathOf(bucket, key),
    query: how.query,
    headers,
    signing: { payload: payloadOf(how) },
  };
  const { sent, seed } = sign(draft, t.store, t.store.account);
  const body = bodyOf(how, seed);
  sent.body = Buffer.from(how.spoil ? how.spoil(body) : body);
  sent.headers['content-length'] = String(sent.body.length);
  return t.raw(draft, sent);
}
