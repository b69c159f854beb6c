import { ByteReader, ByteWriter, crc32c } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import {
  firstHash,
  follows,
  hashBytes,
  identitySeed,
  intact,
  putRecord,
  recordHash,
  recordHeadAt,
  recordHeadBytes,
} from '../record.ts';
import type { LogEntry, Position } from '../types.ts';

/*
 * The bytes of the log in etcd (docs/formats/etcd-log.md). The value of a slot is a batch: a head, then the records of its entries
 * (../record.ts), one after the other.
 *
 *   head    0        4       8       12       16        24      40
 *           ├────────┼───────┼───────┼────────┼─────────┼───────┤
 *           │ CRC32C │ magic │format │ count  │ bytes   │ id    │   bytes: those of all records before, since the log began
 *           │ u32    │ u32   │ u32   │ u32    │ u64     │ 16    │   id: random, so that its writer knows it again
 *
 * The CRC covers the log's identity and then the head behind itself; records have their own.
 */

const batchHeadBytes = 40;
const batchMagic = 0x42474f4c; // "LOGB"
const format = 1;
const identityBytes = 16;

/** A place in the log between two batches, as the tail key holds it. */
export interface Place {
  /** Random, drawn when the log began. */
  readonly identity: Buffer;
  /** Position of the last entry, or of the one before the first. */
  readonly position: Position;
  /** Position of the first entry of the last batch; 0 when there is none. */
  readonly slot: Position;
  /** Running hash up to here. */
  readonly hash: Buffer;
  /** Epoch of the last entry. */
  readonly epoch: number;
  /** Bytes of all records up to here. */
  readonly bytes: number;
}

/** The batch that one slot holds. */
export interface Batch {
  readonly id: Buffer;
  readonly slot: Position;
  /** Hash of the entry before. */
  readonly previous: Buffer;
  readonly epoch: number;
  /** Bytes of all records before. */
  readonly before: number;
  /** At least one. */
  readonly entries: readonly LogEntry[];
  /** Bytes of its records. */
  readonly bytes: number;
}

/** Bytes that an entry adds to a batch. */
export const entrySize = (payload: Uint8Array): number => recordHeadBytes + payload.length;

/** The place before the first entry of a log. */
export const beginning = (identity: Buffer): Place => ({
  identity,
  position: 0,
  slot: 0,
  hash: firstHash(identity),
  epoch: 0,
  bytes: 0,
});

/** Builds the batch that goes on from `place`. @param session 8 random bytes; @param id 16 random bytes */
export function encodeBatch(
  place: Place,
  epoch: number,
  payloads: readonly Buffer[],
  session: Buffer,
  id: Buffer,
): { readonly value: Buffer; readonly batch: Batch } {
  const seed = identitySeed(place.identity);
  let bytes = 0;
  for (const payload of payloads) bytes += entrySize(payload);
  const value = Buffer.allocUnsafe(batchHeadBytes + bytes);
  const head = new ByteWriter(value.subarray(0, batchHeadBytes)).u32(0).u32(batchMagic).u32(format);
  head.u32(payloads.length).u64(place.bytes).raw(id);
  value.writeUInt32LE(crc32c(value.subarray(4, batchHeadBytes), seed), 0);
  const entries: LogEntry[] = [];
  let at = batchHeadBytes;
  let { position, hash } = place;
  for (const payload of payloads) {
    const record = value.subarray(at, at + entrySize(payload));
    hash = putRecord(record, payload, ++position, place.position, hash, { seed, epoch, session });
    entries.push({ position, epoch, hash, payload: record.subarray(recordHeadBytes) });
    at += record.length;
  }
  const slot = place.position + 1;
  return { value, batch: { id, slot, previous: place.hash, epoch, before: place.bytes, entries, bytes } };
}

/** The id of a batch, without a look at the rest; undefined when there is none. */
export const batchId = (value: Buffer): Buffer | undefined =>
  value.length < batchHeadBytes ? undefined : value.subarray(24, batchHeadBytes);

/** Reads the value of the slot at `slot`. Throws CorruptionError when it is not a whole batch of this log, written for this slot. */
export function decodeBatch(slot: Position, value: Buffer, seed: number): Batch {
  const wrong = (why: string): CorruptionError =>
    new CorruptionError(`the log's slot ${slot} in etcd is damaged: ${why}`);
  if (value.length < batchHeadBytes) throw wrong('it is too short');
  if (value.readUInt32LE(0) !== crc32c(value.subarray(4, batchHeadBytes), seed))
    throw wrong('the checksum of its head is wrong');
  const reader = new ByteReader(value.subarray(4));
  if (reader.u32() !== batchMagic) throw wrong('it has no magic number');
  const version = reader.u32();
  if (version !== format) throw wrong(`its format is ${version}, this program reads ${format}`);
  const count = reader.u32();
  const before = reader.u64();
  const id = reader.raw(16);
  const entries: LogEntry[] = [];
  let at = batchHeadBytes;
  let hash: Buffer | undefined;
  let epoch: number | undefined;
  for (let position = slot; position < slot + count; position++) {
    const head = recordHeadAt(value, at);
    if (!head) throw wrong(`entry ${position} does not begin where it must`);
    const record = value.subarray(at, at + recordHeadBytes + head.length);
    if (record.length !== recordHeadBytes + head.length) throw wrong(`entry ${position} is longer than its slot`);
    if (!intact(record, seed)) throw wrong(`the checksum of entry ${position} is wrong`);
    if (head.position !== position) throw wrong(`it holds entry ${head.position} in place of ${position}`);
    if (hash !== undefined && !follows(value, at, hash))
      throw wrong(`entry ${position} does not follow the one before`);
    if (head.epoch !== (epoch ??= head.epoch)) throw wrong(`entry ${position} is of another epoch than its batch`);
    hash = recordHash(record);
    entries.push({ position, epoch, hash, payload: record.subarray(recordHeadBytes) });
    at += record.length;
  }
  if (epoch === undefined) throw wrong('it has no entry');
  if (at !== value.length) throw wrong('it is longer than its entries');
  const previous = value.subarray(batchHeadBytes + 48, batchHeadBytes + recordHeadBytes);
  return { id, slot, previous, epoch, before, entries, bytes: at - batchHeadBytes };
}

/** The place behind a batch that goes on from `place`. Throws CorruptionError when it does not. */
export function advance(place: Place, batch: Batch): Place {
  const wrong = (why: string): CorruptionError =>
    new CorruptionError(`the log's slot ${batch.slot} in etcd does not go on from entry ${place.position}: ${why}`);
  if (batch.slot !== place.position + 1) throw wrong(`entry ${place.position + 1} is missing`);
  if (batch.epoch < place.epoch) throw wrong(`its epoch ${batch.epoch} is older than ${place.epoch}`);
  if (!batch.previous.equals(place.hash)) throw wrong('its previous hash is another');
  if (batch.before !== place.bytes) throw wrong(`it counts ${batch.before} bytes before it, not ${place.bytes}`);
  const { position, hash } = batch.entries.at(-1) as LogEntry;
  const { identity } = place;
  return { identity, position, slot: batch.slot, hash, epoch: batch.epoch, bytes: place.bytes + batch.bytes };
}

/** The value of the tail key. */
export function encodePlace(place: Place): Buffer {
  const writer = new ByteWriter(69).u8(format).raw(place.identity).u64(place.position).u64(place.slot).raw(place.hash);
  const body = writer.u64(place.epoch).u64(place.bytes).finish();
  return Buffer.concat([body, new ByteWriter(4).u32(crc32c(body)).finish()]);
}

/** Throws CorruptionError when `value` is not one that {@link encodePlace} made. */
export function decodePlace(key: string, value: Buffer): Place {
  const reader = checked(key, value);
  return {
    identity: Buffer.from(reader.raw(identityBytes)),
    position: reader.u64(),
    slot: reader.u64(),
    hash: Buffer.from(reader.raw(hashBytes)),
    epoch: reader.u64(),
    bytes: reader.u64(),
  };
}

/** Where the kept part of the log begins: position of the first entry, bytes of all records before it. */
export interface Start {
  readonly position: Position;
  readonly bytes: number;
}

/** The value of the first key. */
export function encodeStart({ position, bytes }: Start): Buffer {
  const body = new ByteWriter(17).u8(format).u64(position).u64(bytes).finish();
  return Buffer.concat([body, new ByteWriter(4).u32(crc32c(body)).finish()]);
}

export function decodeStart(key: string, value: Buffer): Start {
  const reader = checked(key, value);
  return { position: reader.u64(), bytes: reader.u64() };
}

function checked(key: string, value: Buffer): ByteReader {
  const wrong = (why: string): CorruptionError => new CorruptionError(`the key ${key} in etcd is damaged: ${why}`);
  if (value.length < 5) throw wrong('it is too short');
  if (value.readUInt32LE(value.length - 4) !== crc32c(value.subarray(0, -4))) throw wrong('its checksum is wrong');
  const reader = new ByteReader(value.subarray(0, -4));
  const version = reader.u8();
  if (version !== format) throw wrong(`its format is ${version}, this program reads ${format}`);
  return reader;
}
