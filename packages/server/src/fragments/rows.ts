import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Bits, countBits } from './bitmap.ts';
import { blockBytes, type Geometry, isPlausible, roundUp } from './geometry.ts';
import { checksumCount, leastChecksumBytes } from './header.ts';
import type { Extent, FragmentId, FragmentRecord } from './types.ts';

/*
 * Rows of the fragment index (docs/formats/fragments.md). Every value ends with the CRC32C of its key and what stands before, because
 * the pages of the KV carry none: a damaged row is found, never believed.
 */

const tables = { fragments: 1, bitmaps: 2, slabs: 3, tombstones: 4, stamp: 5, mark: 6, held: 7 } as const;
const format = 1;
export const idBytes = 16;

/** A whole row of a format that this program does not know: another version wrote it, so it is no damage to be repaired. */
export class UnknownRow extends CorruptionError {}

/** @throws CorruptionError when the row was not written as it stands */
function checked(key: Buffer, value: Buffer, what: () => string): Buffer {
  const end = value.length - 4;
  if (end < 1 || value.readUInt32LE(end) !== crc32c(value.subarray(0, end), crc32c(key))) {
    throw new CorruptionError(`the index row of ${what()} is damaged`);
  }
  if (value[0] !== format) throw new UnknownRow(`the index row of ${what()} has format ${value[0]}, which is unknown`);
  return value.subarray(1, end);
}

function sealed(key: Buffer, writer: ByteWriter): Buffer {
  const body = writer.finish();
  return new ByteWriter(body.length + 4)
    .raw(body)
    .u32(crc32c(body, crc32c(key)))
    .finish();
}

export function fragmentKey(id: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(1 + id.length);
  key[0] = tables.fragments;
  key.set(id, 1);
  return key;
}

/** First byte of the keys of fragments. */
export const fragmentsTable: number = tables.fragments;

/** End of the table of fragments. */
export const fragmentsEnd: Buffer = Buffer.from([tables.fragments + 1]);

export function fragmentIdOf(key: Buffer): FragmentId {
  return key.subarray(1);
}

export function encodeFragment(key: Buffer, record: FragmentRecord): Buffer {
  const writer = new ByteWriter(32 + 4 * record.checksums.length)
    .u8(format)
    .varint(record.extent.address / blockBytes)
    .varint(record.headerBytes)
    .varint(record.length)
    .varint(record.checksumBytes);
  for (const checksum of record.checksums) writer.u32(checksum);
  return sealed(key, writer);
}

/** A fragment's row, decoded as far as a read needs it. */
export interface FragmentRow {
  readonly address: number;
  readonly extentBytes: number;
  readonly headerBytes: number;
  readonly length: number;
  readonly checksumBytes: number;
  /** CRC32C of each block, four bytes little-endian each. */
  readonly checksums: Buffer;
}

/** @throws CorruptionError */
export function decodeFragment(geometry: Geometry, key: Buffer, value: Buffer): FragmentRow {
  const what = (): string => `fragment ${key.toString('hex', 1)}`;
  const reader = new ByteReader(checked(key, value, what));
  const address = reader.varint() * blockBytes;
  const headerBytes = reader.varint();
  const length = reader.varint();
  const checksumBytes = reader.varint();
  const extentBytes = roundUp(headerBytes + length);
  const sane =
    key.length === 1 + idBytes &&
    checksumBytes >= leastChecksumBytes &&
    length <= limits.fragmentBytes &&
    isPlausible(geometry, address, extentBytes);
  if (!sane || reader.remaining !== 4 * checksumCount(length, checksumBytes)) {
    throw new CorruptionError(`the index row of ${what()} makes no sense`);
  }
  return { address, extentBytes, headerBytes, length, checksumBytes, checksums: reader.raw(reader.remaining) };
}

export function bitmapKey(slab: number, region: number): Buffer {
  const key = Buffer.allocUnsafe(7);
  key[0] = tables.bitmaps;
  key.writeUInt32BE(slab, 1);
  key.writeUInt16BE(region, 5);
  return key;
}

/** A region with no block used has no row; one with all blocks used keeps no bits. */
export function encodeBitmap(key: Buffer, bits: Bits, blocks: number, used: number): Buffer | undefined {
  if (used === 0) return undefined;
  const writer = new ByteWriter(bits.length + 8).u8(format);
  return sealed(key, used === blocks ? writer : writer.raw(bits));
}

/** @param used blocks in use, as the row of the slab says @throws CorruptionError */
export function decodeBitmap(key: Buffer, value: Buffer | undefined, blocks: number, used: number): Bits {
  const what = (): string => `bitmap ${key.toString('hex', 1)}`;
  const bits = new Uint8Array(Math.ceil(blocks / 8));
  if (value) {
    const body = checked(key, value, what);
    if (body.length === 0) bits.fill(0xff);
    else if (body.length === bits.length) bits.set(body);
    else throw new CorruptionError(`the index row of ${what()} has a wrong length`);
  }
  if (countBits(bits, 0, blocks) !== used)
    throw new CorruptionError(`the index row of ${what()} does not fit the row of its slab`);
  return bits;
}

/** What is kept of a whole slab. */
export interface SlabRow {
  readonly slab: number;
  readonly fragments: number;
  /** Blocks from here on were never handed out. */
  readonly touched: number;
  /** Blocks in use, for each region. */
  readonly used: Uint16Array;
}

export const slabRows = { start: Buffer.from([tables.slabs]), end: Buffer.from([tables.slabs + 1]) } as const;

export function slabKey(slab: number): Buffer {
  const key = Buffer.allocUnsafe(5);
  key[0] = tables.slabs;
  key.writeUInt32BE(slab, 1);
  return key;
}

/** The number of the slab that a key names, or undefined when no slab can have such a key: nothing else may be concluded from it. */
export function slabOf(key: Buffer): number | undefined {
  if (key.length !== 5) return undefined;
  const slab = key.readUInt32BE(1);
  return slab < limits.slabs ? slab : undefined;
}

export function encodeSlab(key: Buffer, row: SlabRow): Buffer {
  const writer = new ByteWriter(16 + 3 * row.used.length).u8(format).varint(row.fragments).varint(row.touched);
  for (const used of row.used) writer.varint(used);
  return sealed(key, writer);
}

/** @throws CorruptionError */
export function decodeSlab(geometry: Geometry, key: Buffer, value: Buffer): SlabRow {
  const what = (): string => `slab ${key.toString('hex', 1)}`;
  const reader = new ByteReader(checked(key, value, what));
  const fragments = reader.varint();
  const touched = reader.varint();
  const used = Uint16Array.from({ length: geometry.regions }, () => Math.min(reader.varint(), 0xffff));
  const fits = used.every((blocks, region) => blocks <= regionLength(geometry, region));
  const slab = slabOf(key);
  if (slab === undefined || reader.remaining > 0 || touched > geometry.slabBlocks || !fits) {
    throw new CorruptionError(`the index row of ${what()} makes no sense`);
  }
  return { slab, fragments, touched, used };
}

export function regionLength(geometry: Geometry, region: number): number {
  return Math.min(geometry.regionBlocks, geometry.slabBlocks - region * geometry.regionBlocks);
}

/**
 * A tombstone marks a header in an open window whose fragment is gone: the walk after a crash must not bring it back.
 * The row says all in its key.
 */
export function tombstoneKey(nonce: Uint8Array, address: number): Buffer {
  const key = Buffer.allocUnsafe(17);
  key[0] = tables.tombstones;
  key.set(nonce, 1);
  key.writeBigUInt64BE(BigInt(address), 9);
  return key;
}

/** The address in the key of a tombstone, or undefined when no tombstone has such a key. */
export function tombstoneAddress(key: Buffer): number | undefined {
  return key.length === 17 ? Number(key.readBigUInt64BE(9)) : undefined;
}

export function tombstoneRange(nonce?: Uint8Array): { start: Buffer; end: Buffer } {
  if (!nonce) return { start: Buffer.from([tables.tombstones]), end: Buffer.from([tables.tombstones + 1]) };
  return {
    start: tombstoneKey(nonce, 0),
    end: Buffer.concat([tombstoneKey(nonce, 0).subarray(0, 9), Buffer.alloc(9, 0xff)]),
  };
}

export const tombstone: Buffer = Buffer.from([format]);

/** The only row of its table: says to which device the index belongs. */
export const stampKey: Buffer = Buffer.from([tables.stamp]);

export function encodeStamp(device: string): Buffer {
  return sealed(stampKey, new ByteWriter(64).u8(format).string(device));
}

/** @returns the identity of the device @throws CorruptionError */
export function decodeStamp(value: Buffer): string {
  return new ByteReader(checked(stampKey, value, () => 'the device')).string();
}

/** The only row of its table: how many times windows were taken off the list on the device, up to the checkpoint that holds this row. */
export const markKey: Buffer = Buffer.from([tables.mark]);

export function encodeMark(mark: number): Buffer {
  return sealed(markKey, new ByteWriter(16).u8(format).varint(mark));
}

/** 0 without a row. @throws CorruptionError */
export function decodeMark(value: Buffer | undefined): number {
  return value ? new ByteReader(checked(markKey, value, () => 'the mark')).varint() : 0;
}

/** Space that is kept out of use because what lies there could not be read: a row for each extent, with its address as key. */
export const heldRows = { start: Buffer.from([tables.held]), end: Buffer.from([tables.held + 1]) } as const;

export function heldKey(address: number): Buffer {
  const key = Buffer.allocUnsafe(9);
  key[0] = tables.held;
  key.writeBigUInt64BE(BigInt(address), 1);
  return key;
}

export function encodeHeld(key: Buffer, length: number): Buffer {
  return sealed(key, new ByteWriter(16).u8(format).varint(length / blockBytes));
}

/** @throws CorruptionError */
export function decodeHeld(geometry: Geometry, key: Buffer, value: Buffer): Extent {
  const what = (): string => `held space ${key.toString('hex', 1)}`;
  const length = new ByteReader(checked(key, value, what)).varint() * blockBytes;
  const address = key.length === 9 ? Number(key.readBigUInt64BE(1)) : Number.NaN;
  if (!isPlausible(geometry, address, length)) throw new CorruptionError(`the index row of ${what()} makes no sense`);
  return { address, length };
}
