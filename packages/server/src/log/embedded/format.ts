import { ByteReader, ByteWriter, crc32c } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { hashBytes, identitySeed } from '../record.ts';
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
 * CRCs cover the log's identity and then every byte after themselves (of the head and the seal: up to their end). Records are those of
 * ../record.ts.
 */

export const headBytes = 4096;
const headMagic = Buffer.from('DSOMLOG\n');
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
