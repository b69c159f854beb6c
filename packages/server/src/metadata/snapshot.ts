import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { type Kv, type KvChange, type KvOptions, type KvRow, type KvView, replaceKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { type Applied, appliedKey, decodeApplied, encodeApplied, readApplied, restoringKey } from './applied.ts';
import { notCommitted } from './audit.ts';
import { RunningDigest, zeroDigest } from './digest.ts';
import { ReplicaError } from './failure.ts';
import { ended } from './machine/fields.ts';
import { tables } from './machine/keys.ts';

/*
 * The whole state as a stream of chunks, each with a checksum that also covers every chunk before it, so that none can be lost, doubled
 * or changed in order. At the end stand the number of rows and the state digest: a snapshot that is restored is proven whole.
 *
 *   chunk: payload length u32 LE · kind u8 · payload · CRC32C u32 LE over kind and payload, seeded with that of the chunk before
 *   kind 1 (first): "DSOMSNAP", format u8, applied position · kind 2: rows, each key and value with their lengths · kind 3 (last): rows u64
 */

const MAGIC = Buffer.from('DSOMSNAP');
const FORMAT = 1;
const HEAD = 1;
const ROWS = 2;
const END = 3;
const FRAME = 9;
/** Rows are bounded by the log entry that wrote them. */
const CHUNK_MAX = limits.snapshotChunkBytes + limits.entryBytes;

class Framer {
  #seed = 0;

  frame(kind: number, payload: Buffer): Buffer {
    const out = Buffer.allocUnsafe(payload.length + FRAME);
    out.writeUInt32LE(payload.length, 0);
    out[4] = kind;
    out.set(payload, 5);
    this.#seed = crc32c(out.subarray(4, 5 + payload.length), this.#seed);
    out.writeUInt32LE(this.#seed, 5 + payload.length);
    return out;
  }

  /** @param framed kind, payload and checksum */
  check(framed: Buffer): { readonly kind: number; readonly payload: Buffer } {
    const end = framed.length - 4;
    this.#seed = crc32c(framed.subarray(0, end), this.#seed);
    if (framed.readUInt32LE(end) !== this.#seed) throw new CorruptionError('a chunk of the snapshot is damaged');
    return { kind: framed[0]!, payload: framed.subarray(1, end) };
  }
}

/**
 * Every row of the state at one moment. The iteration must end within `limits.stateSnapshotMs`.
 * @throws CorruptionError at its end when the rows are not those that were committed: what was given is no state then
 */
export function* writeSnapshot(kv: KvView): Generator<Buffer, void, undefined> {
  const snapshot = kv.snapshot(limits.stateSnapshotMs);
  try {
    const framer = new Framer();
    const applied = readApplied(snapshot);
    yield framer.frame(HEAD, new ByteWriter(64).raw(MAGIC).u8(FORMAT).bytes(encodeApplied(applied)).finish());
    const digest = new RunningDigest(zeroDigest);
    let rows = 0;
    let out = new ByteWriter(limits.snapshotChunkBytes);
    const range = { start: Buffer.from([tables.meta + 1]), end: Buffer.from([0xff]) };
    for (const { key, value } of snapshot.range(range)) {
      out.bytes(key).bytes(value);
      digest.change(key, undefined, value);
      rows++;
      if (out.length < limits.snapshotChunkBytes) continue;
      yield framer.frame(ROWS, out.finish());
      out = new ByteWriter(limits.snapshotChunkBytes);
    }
    if (out.length > 0) yield framer.frame(ROWS, out.finish());
    // It would take the place of a good one, and be refused when it is needed.
    if (!digest.value().equals(applied.digest)) throw new CorruptionError(`no snapshot of the state: ${notCommitted}`);
    yield framer.frame(END, new ByteWriter(8).u64(rows).finish());
  } finally {
    snapshot.release();
  }
}

/** Chunks as they were framed, from a stream that is cut anywhere. */
async function* chunksOf(stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  for await (const bytes of stream) {
    held = held.length === 0 ? Buffer.from(bytes) : Buffer.concat([held, bytes]);
    while (held.length >= FRAME) {
      const length = held.readUInt32LE(0);
      if (length > CHUNK_MAX) throw new CorruptionError('a chunk of the snapshot is longer than any can be');
      if (held.length < length + FRAME) break;
      yield held.subarray(4, length + FRAME);
      held = held.subarray(length + FRAME);
    }
  }
  if (held.length > 0) throw new CorruptionError('the snapshot ends within a chunk');
}

function headOf(payload: Buffer): Applied {
  const from = new ByteReader(payload);
  if (!from.raw(MAGIC.length).equals(MAGIC)) throw new CorruptionError('this is no snapshot');
  const format = from.u8();
  if (format !== FORMAT) throw new CorruptionError(`the snapshot has unknown format ${format}`);
  const applied = from.bytes();
  return decodeApplied(ended(from, applied));
}

/** Bytes of a snapshot's beginning that {@link snapshotPosition} needs at most. */
export const snapshotHeadBytes = 128;

/** The position of the state, from the first bytes of a snapshot. @throws CorruptionError when they are damaged, or no snapshot's */
export function snapshotPosition(beginning: Buffer): number {
  const length = beginning.length < FRAME ? Number.POSITIVE_INFINITY : beginning.readUInt32LE(0);
  if (length + FRAME > beginning.length) throw new CorruptionError('this is no snapshot');
  const { kind, payload } = new Framer().check(beginning.subarray(4, length + FRAME));
  if (kind !== HEAD) throw new CorruptionError('this is no snapshot');
  return headOf(payload).position;
}

function* rowsOf(payload: Buffer): Generator<KvRow> {
  const from = new ByteReader(payload);
  while (from.remaining > 0) {
    const row = { key: from.bytes(), value: from.bytes() };
    if (row.key.length === 0 || row.key[0] === tables.meta)
      throw new CorruptionError('the snapshot holds a row of no table');
    yield row;
  }
}

/** @param onRows is given the rows of a chunk. @throws CorruptionError at damage, and when rows or digest are not those that the snapshot promises */
async function readSnapshot(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  onRows: (changes: KvChange[]) => void,
): Promise<Applied> {
  const framer = new Framer();
  const digest = new RunningDigest(zeroDigest);
  let applied: Applied | undefined;
  let rows = 0;
  let promised: number | undefined;
  for await (const framed of chunksOf(stream)) {
    const { kind, payload } = framer.check(framed);
    if (promised !== undefined) throw new CorruptionError('the snapshot goes on behind its end');
    if ((applied === undefined) !== (kind === HEAD))
      throw new CorruptionError('the snapshot does not begin with its head');
    if (kind === HEAD) applied = headOf(payload);
    else if (kind === ROWS) {
      const changes: KvChange[] = [];
      for (const { key, value } of rowsOf(payload)) {
        digest.change(key, undefined, value);
        changes.push([key, value]);
      }
      rows += changes.length;
      onRows(changes);
    } else if (kind === END) {
      const from = new ByteReader(payload);
      const count = from.u64();
      promised = ended(from, count);
    } else throw new CorruptionError(`the snapshot holds a chunk of unknown kind ${kind}`);
  }
  if (!applied || promised === undefined) throw new CorruptionError('the snapshot ends early');
  if (rows !== promised || !digest.value().equals(applied.digest)) {
    throw new CorruptionError('the snapshot does not hold the state that it promises');
  }
  return applied;
}

/** Whether {@link restoreSnapshot} would take it. @throws CorruptionError as that would */
export async function checkSnapshot(stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  await readSnapshot(stream, () => {});
}

/**
 * Fills an empty KV. It is a state only once this resolves; a KV in which it was broken off is refused until it is done again (into an
 * empty one).
 * @throws CorruptionError at damage, and when rows or digest are not those that the snapshot promises
 */
export async function restoreSnapshot(
  kv: Kv,
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<{ readonly position: number }> {
  const [row] = kv.range({ start: Buffer.from([0]), end: Buffer.from([0xff]), limit: 1 });
  invariant(row === undefined, 'a snapshot is restored into an empty KV');
  kv.commit([[restoringKey, Buffer.from([1])]]);
  const applied = await readSnapshot(stream, (changes) => kv.commit(changes));
  kv.commit([
    [appliedKey, encodeApplied(applied)],
    [restoringKey, undefined],
  ]);
  await kv.checkpoint();
  return { position: applied.position };
}

export interface InstallOptions extends KvOptions {
  /** A snapshot of another replica, as it comes. */
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Position that the state must have at least, so that the log still has what comes next: its tail less one. */
  readonly atLeast: number;
  /** Closes the replica and the KV that are there, once the new state is whole; until then they can serve what they have. */
  readonly retire?: () => Promise<void>;
}

/**
 * Puts the state of another replica in the place of the KV in a directory, for a replica that went another way or is behind its log. Durable when
 * it resolves; open the KV, then the replica.
 * @throws CorruptionError at a damaged snapshot; ReplicaError `behind` when it is older than `atLeast`: take a newer one. The KV that was there stays
 */
export function installSnapshot(options: InstallOptions): Promise<{ readonly position: number }> {
  const { chunks, atLeast, retire, ...where } = options;
  const fill = async (kv: Kv) => {
    const restored = await restoreSnapshot(kv, chunks);
    if (restored.position >= atLeast) return restored;
    const why = `the snapshot is of position ${restored.position}, and position ${atLeast} is needed: take a newer one`;
    throw new ReplicaError('behind', why);
  };
  return replaceKv(where, fill, retire);
}
