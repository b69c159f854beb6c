import { hash } from 'node:crypto';
import { ByteReader, ByteWriter, crc32c } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import type { Position } from '../types.ts';

/*
 * The bytes of the embedded log (docs/formats/log.md). Integers are little endian; u64 hold whole numbers below 2^53.
 *
 * A segment is a file of fixed size: a head of 4096 bytes, records one after the other, and a rest that means nothing (zeros, or what
 * an earlier use of the file left there).
 *
 *   head    0        8       12      16           32         40            56      64          72         80      84        512
 *           ├────────┼───────┼───────┼────────────┼──────────┼─────────────┼───────┼───────────┼──────────┼───────┼─────────┼──────┤
 *           │ magic  │format │ zero  │ identity   │ first    │ hash before │ epoch │ first of  │ end of   │CRC32C │ zeros   │ seal │
 *           │ 8      │ u32   │ u32   │ of the log │ position │ first       │ u64   │ previous  │ previous │ u32   │         │      │
 *           │        │       │       │ 16         │ u64      │ 16          │       │ u64       │ u64      │       │         │      │
 *
 *   seal    512      516        524     540      548         says that the entry at `position` was durable; written at a clean close, so
 *           ├────────┼──────────┼───────┼────────┼───────┤   that a last record which goes bad later is damage and not a torn tail, and
 *           │ CRC32C │ position │ hash  │ offset │ zeros │   that the next open need not read what lies before it. `offset` is that of
 *           │ u32    │ u64      │ 16    │ u64    │       │   the entry's record; the seals of earlier versions end before it
 *
 *   record  0        4       8       12       16         24      32        40        48              64
 *           ├────────┼───────┼───────┼────────┼──────────┼───────┼─────────┼─────────┼───────────────┼─────────┤
 *           │ CRC32C │ magic │format │ length │ position │ epoch │ durable │ session │ previous hash │ payload │
 *           │ u32    │ u32   │ u32   │ u32    │ u64      │ u64   │ u64     │ 8       │ 16            │ length  │
 *
 * CRCs cover the log's identity and then every byte after themselves (of the head and the seal: up to their end). The identity is random
 * and told to nobody, so no payload can pass for a record. The hash of an entry is the first 16 bytes of the SHA-256 of its record;
 * since the record holds the previous hash, it speaks for the whole log before it. The first entry's previous hash comes from the identity.
 *
 * `durable` is the position that was durable when the record was written, and `session` a random number drawn at each open: see recovery.ts.
 */

export const headBytes = 4096;
export const recordHeadBytes = 64;
const hashBytes = 16;
const headMagic = Buffer.from('DSOMLOG\n');
const recordMagic = 0x52474f4c; // "LOGR"
const format = 1;
const headUsed = 84;
const sealAt = 512;
const sealBytes = 36;
const oldSealBytes = 28;

/** What the head of a segment says. */
export interface SegmentHead {
  readonly identity: Buffer;
  readonly first: Position;
  /** Hash of the entry before the first. */
  readonly before: Buffer;
  /** Epoch in which the segment was begun. */
  readonly epoch: number;
  /** First position of the segment before, 0 when this one was the first of the log. */
  readonly previousFirst: Position;
  /** Offset of the end of the last record in the segment before. */
  readonly previousEnd: number;
}

/** The fields of a record's head. */
export interface RecordHead {
  readonly length: number;
  readonly position: Position;
  readonly epoch: number;
  readonly durable: Position;
}

export const identitySeed = (identity: Buffer): number => crc32c(identity);

export function firstHash(identity: Buffer): Buffer {
  return hash('sha256', Buffer.concat([headMagic, identity]), 'buffer').subarray(0, hashBytes);
}

/** The whole head block, without a seal. */
export function encodeHead(head: SegmentHead): Buffer {
  const writer = new ByteWriter(headUsed).raw(headMagic).u32(format).u32(0).raw(head.identity).u64(head.first);
  const body = writer.raw(head.before).u64(head.epoch).u64(head.previousFirst).u64(head.previousEnd).finish();
  const block = Buffer.alloc(headBytes);
  body.copy(block);
  block.writeUInt32LE(crc32c(body, identitySeed(head.identity)), headUsed - 4);
  return block;
}

/** Throws CorruptionError when `block` is not the head of a segment. */
export function decodeHead(block: Buffer): SegmentHead {
  const reader = new ByteReader(block);
  if (!reader.raw(8).equals(headMagic)) throw new CorruptionError('its head has no magic number');
  const version = reader.u32();
  if (version !== format) throw new CorruptionError(`its format is ${version}, this program reads ${format}`);
  reader.u32();
  const identity = reader.raw(16);
  const head = {
    identity,
    first: reader.u64(),
    before: reader.raw(hashBytes),
    epoch: reader.u64(),
    previousFirst: reader.u64(),
    previousEnd: reader.u64(),
  };
  if (reader.u32() !== crc32c(block.subarray(0, headUsed - 4), identitySeed(identity))) {
    throw new CorruptionError('the checksum of its head is wrong');
  }
  return head;
}

/** That an entry was durable, and where its record is. */
export interface Seal {
  readonly position: Position;
  readonly hash: Buffer;
  /** Undefined in seals of earlier versions. */
  readonly offset: number | undefined;
}

/** A seal, to be written at the offset given with it. */
export function encodeSeal(
  seed: number,
  position: Position,
  last: Buffer,
  offset: number,
): { readonly bytes: Buffer; readonly at: number } {
  const body = new ByteWriter(sealBytes).u64(position).raw(last).u64(offset).finish();
  return { bytes: Buffer.concat([new ByteWriter(4).u32(crc32c(body, seed)).finish(), body]), at: sealAt };
}

/** The seal of a head block, if it has one. */
export function sealOf(seed: number, block: Buffer): Seal | undefined {
  const crc = block.readUInt32LE(sealAt);
  for (const bytes of [sealBytes, oldSealBytes]) {
    const body = block.subarray(sealAt + 4, sealAt + bytes);
    if (crc !== crc32c(body, seed)) continue;
    const reader = new ByteReader(body);
    const seal = { position: reader.u64(), hash: Buffer.from(reader.raw(hashBytes)) };
    return { ...seal, offset: bytes === sealBytes ? reader.u64() : undefined };
  }
  return undefined;
}

/** What is the same in all records of one open log. */
export interface Session {
  readonly seed: number;
  readonly epoch: number;
  /** 8 random bytes. */
  readonly session: Buffer;
}

function putU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value >>> 0, at);
  target.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

const getU64 = (source: Buffer, at: number): number => source.readUInt32LE(at) + source.readUInt32LE(at + 4) * 2 ** 32;

/** Writes one record at the start of `target`, which is exactly as long. @returns the hash of the entry */
export function putRecord(
  target: Buffer,
  payload: Uint8Array,
  position: Position,
  durable: Position,
  previous: Buffer,
  session: Session,
): Buffer {
  target.writeUInt32LE(recordMagic, 4);
  target.writeUInt32LE(format, 8);
  target.writeUInt32LE(payload.length, 12);
  putU64(target, position, 16);
  putU64(target, session.epoch, 24);
  putU64(target, durable, 32);
  session.session.copy(target, 40);
  previous.copy(target, 48);
  target.set(payload, recordHeadBytes);
  target.writeUInt32LE(crc32c(target.subarray(4), session.seed), 0);
  return recordHash(target);
}

export function recordHash(record: Buffer): Buffer {
  return hash('sha256', record, 'buffer').subarray(0, hashBytes);
}

/** Reads the head of a record; undefined when there is none. Says nothing about its checksum. */
export function recordHeadAt(bytes: Buffer, at: number): RecordHead | undefined {
  if (bytes.length - at < recordHeadBytes) return undefined;
  if (bytes.readUInt32LE(at + 4) !== recordMagic || bytes.readUInt32LE(at + 8) !== format) return undefined;
  return {
    length: bytes.readUInt32LE(at + 12),
    position: getU64(bytes, at + 16),
    epoch: getU64(bytes, at + 24),
    durable: getU64(bytes, at + 32),
  };
}

/** The hash of the entry before the record at `at`, as it says itself. */
export const previousHashAt = (bytes: Buffer, at: number): Buffer =>
  Buffer.from(bytes.subarray(at + 48, at + recordHeadBytes));

/** Whether the record of `length` payload bytes at `at` goes on from the entry with the hash `previous`. */
export function follows(bytes: Buffer, at: number, previous: Buffer): boolean {
  return bytes.compare(previous, 0, hashBytes, at + 48, at + recordHeadBytes) === 0;
}

/** @param record all of its bytes */
export function intact(record: Buffer, seed: number): boolean {
  return record.readUInt32LE(0) === crc32c(record.subarray(4), seed);
}

/** The bytes to look for when searching for records; they stand 4 bytes after the start of one. */
export const recordMark: Buffer = new ByteWriter(8).u32(recordMagic).u32(format).finish();
