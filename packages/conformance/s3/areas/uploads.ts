/* Steps of uploads in parts that several areas take. */
import { randomBytes } from 'node:crypto';
import type { Answer } from '../answer.ts';
import { ok } from '../expect.ts';
import type { Steps } from '../steps.ts';

export const MiB = 1 << 20;

/** Begins an upload. @returns its id */
export async function initiate(
  t: Steps,
  bucket: string,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  return ok(await t.send('POST', bucket, key, { query: { uploads: '' }, headers })).text('UploadId') ?? '';
}

export const part = (
  t: Steps,
  bucket: string,
  key: string,
  uploadId: string,
  number: number,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => t.send('PUT', bucket, key, { query: { partNumber: String(number), uploadId }, body, headers });

/** Begins an upload and sends its first part. */
export async function uploaded(
  t: Steps,
  bucket: string,
  key: string,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ uploadId: string; etag: string }> {
  const uploadId = await initiate(t, bucket, key, headers);
  return { uploadId, etag: ok(await part(t, bucket, key, uploadId, 1, body)).etag };
}

/** @param more elements of each part besides number and ETag */
export const completion = (parts: readonly (readonly [number, string, string?])[]): string =>
  `<CompleteMultipartUpload>${parts.map(([number, etag, more = '']) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${more}</Part>`).join('')}</CompleteMultipartUpload>`;

export const complete = (
  t: Steps,
  bucket: string,
  key: string,
  uploadId: string,
  parts: readonly (readonly [number, string, string?])[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => t.send('POST', bucket, key, { query: { uploadId }, body: completion(parts), headers });

/** An object `three` of 5 MiB, 5 MiB and 100 bytes. */
export const threeParts = (t: Steps): Promise<{ bucket: string; bodies: Buffer[] }> =>
  t.shared('an object of three parts', async (keeper) => {
    const bucket = await keeper.bucket();
    const bodies = [randomBytes(5 * MiB), randomBytes(5 * MiB), randomBytes(100)];
    const uploadId = await initiate(keeper, bucket, 'three');
    const parts: [number, string][] = [];
    for (const [at, body] of bodies.entries())
      parts.push([at + 1, ok(await part(keeper, bucket, 'three', uploadId, at + 1, body)).etag]);
    ok(await complete(keeper, bucket, 'three', uploadId, parts));
    return { bucket, bodies };
  });
