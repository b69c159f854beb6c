import { hash } from 'node:crypto';
import { ByteWriter, crc32c } from '../codec/index.ts';
import type { Position } from './types.ts';

/*
 * One entry as bytes, the same in every log (docs/formats/log.md). Integers are little endian; u64 hold whole numbers below 2^53.
 *
 *   record  0        4       8       12       16         24      32        40        48              64
 *           ├────────┼───────┼───────┼────────┼──────────┼───────┼─────────┼─────────┼───────────────┼─────────┤
 *           │ CRC32C │ magic │format │ length │ position │ epoch │ durable │ session │ previous hash │ payload │
 *           │ u32    │ u32   │ u32   │ u32    │ u64      │ u64   │ u64     │ 8       │ 16            │ length  │
 *
 * The CRC covers the log's identity and then every byte after itself. The identity is random and told to nobody, so no payload can pass
 * for a record. The hash of an entry is the first 16 bytes of the SHA-256 of its record; since the record holds the previous hash, it
 * speaks for the whole log before it. The first entry's previous hash comes from the identity.
 *
 * `durable` is a position that was durable when the record was written, and `session` a random number drawn at each open: see
 * embedded/recovery.ts.
 */

export const recordHeadBytes = 64;
export const hashBytes = 16;
const recordMagic = 0x52474f4c; // "LOGR"
const format = 1;
const genesis = Buffer.from('DSOMLOG\n');

/** The fields of a record's head. */
export interface RecordHead {
  readonly length: number;
  readonly position: Position;
  readonly epoch: number;
  readonly durable: Position;
}

export const identitySeed = (identity: Buffer): number => crc32c(identity);

export function firstHash(identity: Buffer): Buffer {
  return hash('sha256', Buffer.concat([genesis, identity]), 'buffer').subarray(0, hashBytes);
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
