import { createCipheriv, createHash } from 'node:crypto';

/*
 * A body that says which write it is, and of which every byte follows from that: one wrong byte is seen without having kept the body.
 * Layout: the value, a line feed, then AES-128-CTR of zeros under the MD5 of the value. The value ends with the size of the whole.
 */

/** Longest value. */
const headBytes = 512;

/** @param name of the write, used once; without a line feed @param bytes of the body; the head is never cut */
export function bodyOf(name: string, bytes: number): { readonly value: string; readonly body: Buffer } {
  const value = `${name}/${bytes}`;
  return { value, body: expand(value, bytes) };
}

function expand(value: string, bytes: number): Buffer {
  const head = Buffer.from(`${value}\n`);
  if (bytes <= head.length) return head;
  const key = createHash('md5').update(value).digest();
  const fill = createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes - head.length));
  return Buffer.concat([head, fill]);
}

/** The value of a body that was read; undefined when it is none, or has a byte that does not belong to it. */
export function writtenIn(body: Buffer): string | undefined {
  const end = body.subarray(0, headBytes).indexOf('\n');
  if (end < 0) return undefined;
  const value = body.toString('latin1', 0, end);
  const bytes = Number(value.slice(value.lastIndexOf('/') + 1));
  if (!Number.isSafeInteger(bytes) || bytes > body.length + end + 1) return undefined;
  return expand(value, bytes).equals(body) ? value : undefined;
}
