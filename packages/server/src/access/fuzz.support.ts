import { MacKey } from '../codec/index.ts';
import { canonicalPath } from './percent.ts';
import { exampleMs, framed, presigned, region, signedByHeader, signingKey, stamp } from './signer.support.ts';
import { parseTarget } from './target.ts';
import type { PayloadForm, SignedRequest } from './types.ts';

/* Requests and bodies to be spoiled, and what of them must not change. For tests. */

/** Requests that are accepted. */
export const originals: readonly SignedRequest[] = [
  signedByHeader({
    method: 'GET',
    path: '/b/a key/ä',
    query: [
      ['versionId', '3'],
      ['partNumber', ''],
    ],
  }),
  signedByHeader({
    method: 'PUT',
    path: '/bucket/k',
    payload: 'UNSIGNED-PAYLOAD',
    headers: { 'x-amz-acl': 'private', 'x-amz-meta-a': 'b  c' },
  }),
  presigned({ method: 'GET', path: '/b/k', query: [['response-content-type', 'text/plain']] }),
  presigned({ method: 'PUT', path: '/b/k', headers: { 'x-amz-meta-a': 'b' } }),
];

export const urlOf = ({ rawPath, rawQuery }: Pick<SignedRequest, 'rawPath' | 'rawQuery'>): string =>
  rawQuery === '' ? rawPath : `${rawPath}?${rawQuery}`;

/** What a request asks for, as handlers see it. */
export function meaning(request: SignedRequest): string {
  const { bucket, key, query } = parseTarget(urlOf(request), request.headers['host'] as string, []);
  const headers = Object.entries(request.headers).filter(([name]) => name.startsWith('x-amz-') || name === 'host');
  const values = headers.map(
    ([name, value]) =>
      `${name}:${String(value)
        .replace(/ +/g, ' ')
        .replace(/^[ \t]+|[ \t]+$/g, '')}`,
  );
  const parameters = query.canonical('X-Amz-Signature');
  return JSON.stringify([
    request.method,
    bucket,
    key.toString('hex'),
    canonicalPath(request.rawPath),
    parameters,
    values.sort(),
  ]);
}

const time = stamp(exampleMs);
const seed = 'ab'.repeat(32);
const signing = {
  signingKey: new MacKey(signingKey(time.slice(0, 8))),
  scope: `${time.slice(0, 8)}/${region}/s3/aws4_request`,
  timestamp: time,
  seedSignature: seed,
};

/** An aws-chunked body of two chunks, signed and not, with a trailer. */
const chunks = [Buffer.alloc(8192, 'ab'), Buffer.from('the last chunk')];
export const plain = Buffer.concat(chunks);
export const trailers = [['x-amz-checksum-crc32', 'AAAAAA==']] as const;
export const announced = 'x-amz-checksum-crc32';
export const signedForm: PayloadForm = { kind: 'chunked', signing, trailer: true };
export const unsignedForm: PayloadForm = { kind: 'chunked', signing: undefined, trailer: true };
export const signedBody = framed(chunks, { signed: true, seed, trailers });
export const unsignedBody = framed(chunks, { signed: false, seed, trailers });

/** One small signed chunk, without a trailer. */
export const shortPlain = chunks[1] as Buffer;
export const shortForm: PayloadForm = { kind: 'chunked', signing, trailer: false };
export const shortBody = framed([shortPlain], { signed: true, seed });
