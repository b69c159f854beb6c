import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { partSizeFor } from '@dsom/sdk';

export const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** MD5 of a file, or of some of its bytes, in hexadecimal. */
async function md5OfFile(file: string, start = 0, end = Number.POSITIVE_INFINITY): Promise<string> {
  const hash = createHash('md5');
  if (end > start)
    for await (const chunk of createReadStream(file, { start, end: end - 1, highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const plain = /^[0-9a-f]{32}$/;
const composite = /^([0-9a-f]{32})-(\d+)$/;

/**
 * Whether a file has the bytes that an ETag tells of; undefined when the ETag does not tell (parts of an unknown size).
 * @param partSize the part size that uploads of this program use
 */
export async function matchesEtag(
  file: string,
  size: number,
  etag: string,
  partSize: number | undefined,
): Promise<boolean | undefined> {
  if (plain.test(etag)) return (await md5OfFile(file)) === etag;
  const match = composite.exec(etag);
  const part = partSizeFor(size, partSize);
  if (!match || Number(match[2]) !== Math.max(1, Math.ceil(size / part))) return undefined;
  const whole = createHash('md5');
  for (let start = 0; start < size; start += part)
    whole.update(Buffer.from(await md5OfFile(file, start, Math.min(size, start + part)), 'hex'));
  return whole.digest('hex') === match[1];
}

/** Whether an ETag is the MD5 of the whole content. */
export const isPlainMd5 = (etag: string): boolean => plain.test(etag);
