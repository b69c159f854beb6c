/* What came to a store with the newer checksums: written by one version, read by a later one. */
import { createHash } from 'node:crypto';
import { xxh3, xxh64 } from '@node-rs/xxhash';
import { pathOf } from '../src/request.ts';
import { doing } from './whole.ts';

const MiB = 1024 * 1024;
const bucket = 'sums';
const bigEndian = (value: bigint, bytes: number) => Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex');
const algorithms = {
  SHA512: (bytes: Buffer) => createHash('sha512').update(bytes).digest(),
  MD5: (bytes: Buffer) => createHash('md5').update(bytes).digest(),
  XXHASH64: (bytes: Buffer) => bigEndian(xxh64(bytes), 8),
  XXHASH3: (bytes: Buffer) => bigEndian(xxh3.xxh64(bytes), 8),
  XXHASH128: (bytes: Buffer) => bigEndian(xxh3.xxh128(bytes), 16),
} as const;

/** Of each algorithm a small object, a large one, one of parts, its copy, and an open upload. */
export async function fillChecksums(endpoint: string): Promise<void> {
  const must = doing(endpoint);
  await must('PUT', `/${bucket}`);
  for (const [name, digest] of Object.entries(algorithms)) {
    const field = `x-amz-checksum-${name.toLowerCase()}`;
    const put = async (key: string, body: Buffer, query: Record<string, string> = {}) =>
      String(
        (
          await must('PUT', pathOf(bucket, key), {
            query,
            body,
            headers: { [field]: digest(body).toString('base64') },
          })
        ).headers['etag'],
      );
    const begin = async (key: string) => {
      const headers = { 'x-amz-checksum-algorithm': name };
      return String((await must('POST', pathOf(bucket, key), { query: { uploads: '' }, headers })).element('UploadId'));
    };
    await put(`small ${name}`, Buffer.from(`summed by ${name}`));
    await put(`large ${name}`, Buffer.alloc(100_000, `summed by ${name} `));
    const uploadId = await begin(`parts ${name}`);
    const etags: string[] = [];
    for (const [at, body] of [Buffer.alloc(5 * MiB, name), Buffer.from('the end')].entries())
      etags.push(await put(`parts ${name}`, body, { partNumber: String(at + 1), uploadId }));
    const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    await must('POST', pathOf(bucket, `parts ${name}`), { query: { uploadId }, body });
    const headers = { 'x-amz-copy-source': `/${bucket}/parts%20${name}` };
    await must('PUT', pathOf(bucket, `copy ${name}`), { headers });
    const open = await begin(`open ${name}`);
    await put(`open ${name}`, Buffer.alloc(70_000, name), { partNumber: '1', uploadId: open });
  }
}
