import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { xxh3, xxh64 } from '@node-rs/xxhash';

/* The checksums of S3, computed apart from the server. */

/** CRC of 64 bits, reflected; polynomials of fewer bits are in the lower half. Halves of 32 bits, because BigInt takes a minute for a part. */
function crc(bytes: Uint8Array, high: number, low: number, bits: 32 | 64): Buffer {
  const highs = new Uint32Array(256);
  const lows = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let [h, l] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = (l >>> 1) | ((h & 1) << 31);
      h >>>= 1;
      if (odd) [h, l] = [h ^ high, l ^ low];
    }
    highs[byte] = h;
    lows[byte] = l;
  }
  let [h, l] = [bits === 64 ? 0xffffffff : 0, 0xffffffff];
  for (const byte of bytes) {
    const at = (l ^ byte) & 0xff;
    l = (((l >>> 8) | (h << 24)) ^ (lows[at] as number)) >>> 0;
    h = ((h >>> 8) ^ (highs[at] as number)) >>> 0;
  }
  const sum = Buffer.alloc(8);
  sum.writeUInt32BE(~h >>> 0, 0);
  sum.writeUInt32BE(~l >>> 0, 4);
  return bits === 64 ? sum : sum.subarray(4);
}

interface Algorithm {
  readonly name: string;
  readonly digest: (bytes: Uint8Array) => Buffer;
  /** Which of the two kinds multipart uploads may have; the first is the default. */
  readonly types: readonly ('COMPOSITE' | 'FULL_OBJECT')[];
}
const hash = (name: string) => (bytes: Uint8Array) => createHash(name).update(bytes).digest();
/** The canonical form of xxHash, as SDKs send it. */
const bigEndian = (value: bigint, bytes: number) => Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex');
export const algorithms: readonly Algorithm[] = [
  {
    name: 'CRC32',
    digest: (bytes) => Buffer.from(crc32(bytes).toString(16).padStart(8, '0'), 'hex'),
    types: ['COMPOSITE', 'FULL_OBJECT'],
  },
  { name: 'CRC32C', digest: (bytes) => crc(bytes, 0, 0x82f63b78, 32), types: ['COMPOSITE', 'FULL_OBJECT'] },
  { name: 'CRC64NVME', digest: (bytes) => crc(bytes, 0x9a6c9329, 0xac4bc9b5, 64), types: ['FULL_OBJECT'] },
  { name: 'SHA1', digest: hash('sha1'), types: ['COMPOSITE'] },
  { name: 'SHA256', digest: hash('sha256'), types: ['COMPOSITE'] },
  { name: 'SHA512', digest: hash('sha512'), types: ['COMPOSITE'] },
  { name: 'MD5', digest: hash('md5'), types: ['COMPOSITE'] },
  { name: 'XXHASH64', digest: (bytes) => bigEndian(xxh64(bytes), 8), types: ['COMPOSITE'] },
  { name: 'XXHASH3', digest: (bytes) => bigEndian(xxh3.xxh64(bytes), 8), types: ['COMPOSITE'] },
  { name: 'XXHASH128', digest: (bytes) => bigEndian(xxh3.xxh128(bytes), 16), types: ['COMPOSITE'] },
];
