import { crc32c } from '../codec/index.ts';
import { limits } from '../limits.ts';
import { type Geometry, isPlausible, roundUp } from './geometry.ts';
import type { FragmentRecord } from './types.ts';

/*
 * The header of a fragment, format 1 (docs/formats/fragments.md). Integers are little-endian.
 *
 *   0  magic "DSFR"                  u32
 *   4  format                        u32
 *   8  nonce of the window           8
 *  16  id                            16
 *  32  address of this header        u64
 *  40  length of the data            u64
 *  48  bytes of the header           u32
 *  52  bytes that a checksum covers  u32
 *  56  CRC32C of each block          u32 each
 *      zeros
 *  -4  CRC32C of all before          u32
 *
 * The length of the header is decided before the data comes, from the largest length it may have; the CRC covers the unused rest.
 */

const magic = 0x52465344;
const format = 1;
const fixedBytes = 56;
const leastHeaderBytes = fixedBytes + 4;

/** Smallest run of bytes with a checksum of its own. */
export const leastChecksumBytes = 512;
const mostHeaderBytes = leastHeaderBytes + 4 * Math.ceil(limits.fragmentBytes / leastChecksumBytes);

export function checksumCount(length: number, checksumBytes: number): number {
  return Math.ceil(length / checksumBytes);
}

export function headerBytesFor(maximum: number, checksumBytes: number): number {
  return leastHeaderBytes + 4 * checksumCount(maximum, checksumBytes);
}

/** Writes the header into the first `record.headerBytes` of `into`. */
export function encodeHeader(into: Buffer, nonce: Uint8Array, record: FragmentRecord): void {
  const { id, extent, length, headerBytes, checksumBytes, checksums } = record;
  into.writeUInt32LE(magic, 0);
  into.writeUInt32LE(format, 4);
  into.set(nonce, 8);
  into.set(id, 16);
  into.writeBigUInt64LE(BigInt(extent.address), 32);
  into.writeBigUInt64LE(BigInt(length), 40);
  into.writeUInt32LE(headerBytes, 48);
  into.writeUInt32LE(checksumBytes, 52);
  let at = fixedBytes;
  for (const checksum of checksums) at = into.writeUInt32LE(checksum, at);
  into.fill(0, at, headerBytes - 4);
  into.writeUInt32LE(crc32c(into.subarray(0, headerBytes - 4)), headerBytes - 4);
}

/** Bytes of a header that starts in this block, or undefined when none with this nonce does (without one: none at all). Nothing is checked yet. */
export function headerBytesAt(block: Buffer, nonce: Uint8Array = block.subarray(8, 16)): number | undefined {
  if (block.readUInt32LE(0) !== magic || block.compare(nonce, 0, 8, 8, 16) !== 0) return undefined;
  const bytes = block.readUInt32LE(48);
  return bytes < leastHeaderBytes || bytes > mostHeaderBytes ? undefined : bytes;
}

/** The fragment that a header describes, or undefined when the header is not whole, is not of this place, or makes no sense. */
export function decodeHeader(geometry: Geometry, header: Buffer, address: number): FragmentRecord | undefined {
  const headerBytes = header.length;
  if (header.readUInt32LE(4) !== format || crc32c(header.subarray(0, -4)) !== header.readUInt32LE(headerBytes - 4)) {
    return undefined;
  }
  const length = Number(header.readBigUInt64LE(40));
  const checksumBytes = header.readUInt32LE(52);
  const sane = length <= limits.fragmentBytes && checksumBytes >= leastChecksumBytes;
  if (!sane || Number(header.readBigUInt64LE(32)) !== address) return undefined;
  const count = checksumCount(length, checksumBytes);
  const extent = { address, length: roundUp(headerBytes + length) };
  if (leastHeaderBytes + 4 * count > headerBytes || !isPlausible(geometry, address, extent.length)) return undefined;
  const checksums = Array.from({ length: count }, (_, i) => header.readUInt32LE(fixedBytes + 4 * i));
  return { id: Buffer.from(header.subarray(16, 32)), extent, headerBytes, length, checksumBytes, checksums };
}
