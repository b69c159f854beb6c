import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { dataFile, pageBytes } from './environment.ts';

/*
 * Checkpoints: how a KV that never syncs its commits still opens whole after any crash.
 *
 * LMDB writes a commit into pages that the state before does not use, then one of two meta pages (0 and 1, in turn) that points to the
 * new root. Without syncs the disk may keep any part of that, in any order, so after a crash the newest meta pages are worth nothing.
 * But LMDB never writes to a page that a state held by a read transaction needs. So:
 *
 *   1. hold a read transaction at the newest state N, and copy both meta pages while they say N;
 *   2. sync the data file: every page of N is on disk now, whatever later commits add meanwhile;
 *   3. write the copied meta pages to a side file, sync it, rename it over `checkpoint`, sync the directory;
 *   4. only now let go of the read transaction of the checkpoint before.
 *
 * At every moment the side file names a state whose pages are all on disk and protected. Opening writes its meta pages back over pages
 * 0 and 1, and LMDB finds itself at N; what was committed later is forgotten, and whoever owns the KV replays it from his log. This is
 * done at every start, after a clean stop too (close makes a checkpoint): one way of recovery, taken every day.
 *
 * Rejected: LMDB's own sync per commit (one more flush for each group, beside the log's); copying the file (its size, each time);
 * trusting the newer meta page after `kill -9` alone (right for the process, wrong for the machine, and a second way of recovery).
 *
 * Why it holds (mdb.c as shipped with the package): `mdb_find_oldest` caps reuse of freed pages at the oldest `mr_txnid` in the reader
 * table, which includes readers of this process; pages freed by transaction T are taken only when T is older than that. `NUM_METAS` is 2;
 * the third, half-page meta exists only with MDB_OVERLAPPINGSYNC, which noSync turns off. The first commits after an open are safe too:
 * the owner takes its read transaction before it commits.
 *
 * The side file (docs/formats/kv-checkpoint.md), integers little endian:
 *
 *   0        8        12        16            24                    24 + 2 × page      28 + 2 × page
 *   ├────────┼────────┼─────────┼─────────────┼─────────────────────┼──────────────────┤
 *   │ magic  │ format │ page    │ transaction │ pages 0 and 1       │ CRC32C of all    │
 *   │ 8      │ u32    │ size u32│ u64         │ 2 × page            │ before, u32      │
 */

const checkpointFile = 'checkpoint';
const nextFile = 'checkpoint.next';
const magic = Buffer.from('DSOMKVCP');
const format = 1;
const metaBytes = 2 * pageBytes;
const fileBytes = 24 + metaBytes + 4;

/* Where a meta page keeps its fields (mdb.c: a page header of 24 bytes, then MDB_meta), for 64-bit machines. */
const metaMagic = 0xbeefc0de;
const at = { magic: 24, lastPage: 144, transaction: 152 } as const;

/** The two meta pages of one state. */
export interface Metas {
  readonly bytes: Buffer;
  /** The page of the two that counts. */
  readonly newest: Buffer;
  /** Number of the newest commit; 0 before the first. */
  readonly transaction: number;
  /** Bytes that the data file must have. */
  readonly dataBytes: number;
}

/** @param bytes pages 0 and 1 of a data file. Throws CorruptionError when they are not meta pages */
export function parseMetas(bytes: Buffer): Metas {
  if (bytes.length !== metaBytes) throw new CorruptionError('the key-value file ends within its meta pages');
  let transaction = -1;
  let newest = bytes;
  for (const page of [0, pageBytes]) {
    if (bytes.readUInt32LE(page + at.magic) !== metaMagic) throw new CorruptionError('a meta page has no magic number');
    const found = Number(bytes.readBigUInt64LE(page + at.transaction));
    if (found <= transaction) continue;
    transaction = found;
    newest = bytes.subarray(page, page + pageBytes);
  }
  const lastPage = Number(newest.readBigUInt64LE(at.lastPage));
  return { bytes, newest, transaction, dataBytes: (lastPage + 1) * pageBytes };
}

function encode(metas: Metas): Buffer {
  const writer = new ByteWriter(fileBytes).raw(magic).u32(format).u32(pageBytes).u64(metas.transaction);
  const body = writer.raw(metas.bytes).finish();
  return Buffer.concat([body, new ByteWriter(4).u32(crc32c(body)).finish()]);
}

function decode(file: Buffer): Metas {
  const reader = new ByteReader(file);
  if (!reader.raw(magic.length).equals(magic)) throw new CorruptionError('it is not a checkpoint file');
  const version = reader.u32();
  if (version !== format) throw new CorruptionError(`its format is ${version}, this program reads ${format}`);
  const page = reader.u32();
  if (page !== pageBytes) throw new CorruptionError(`its pages have ${page} bytes, this program uses ${pageBytes}`);
  const transaction = reader.u64();
  const bytes = reader.raw(metaBytes);
  if (reader.u32() !== crc32c(file.subarray(0, fileBytes - 4))) throw new CorruptionError('its checksum is wrong');
  if (reader.remaining > 0) throw new CorruptionError('it is longer than it should be');
  const metas = parseMetas(bytes);
  if (metas.transaction !== transaction) throw new CorruptionError('its meta pages belong to another state');
  return metas;
}

/** The side file could not be written for lack of space; the one before it stands. */
export class NoRoomForCheckpoint extends Error {
  override readonly name = 'NoRoomForCheckpoint';
}

const isFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');

/**
 * Durable when it resolves, together with the names of all files in the directory.
 * @throws NoRoomForCheckpoint
 */
export async function writeCheckpoint(directory: string, metas: Metas): Promise<void> {
  const next = join(directory, nextFile);
  try {
    const file = await fs.open(next, 'w', 0o600);
    try {
      await file.writeFile(encode(metas));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isFull(error)) throw error;
    await fs.rm(next, { force: true });
    throw new NoRoomForCheckpoint(`no space for ${next}`, { cause: error });
  }
  await fs.rename(next, join(directory, checkpointFile));
  const handle = await fs.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readIfThere(path: string, length?: number): Promise<Buffer | undefined> {
  try {
    const file = await fs.open(path, 'r');
    try {
      if (length === undefined) return await file.readFile();
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * What the newest checkpoint of a KV holds.
 * @returns undefined when there is none
 * @throws CorruptionError
 */
export async function readCheckpoint(directory: string): Promise<Metas | undefined> {
  const side = await readIfThere(join(directory, checkpointFile));
  if (!side) return undefined;
  try {
    return decode(side);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CorruptionError(`the checkpoint of the key-value store in ${directory} cannot be used: ${why}`, {
      cause: error,
    });
  }
}

/**
 * Puts the data file back to its newest checkpoint. Nothing may have it open.
 * @returns false when there is none because the KV is new; the caller makes the first one before anybody writes
 */
export async function restoreCheckpoint(directory: string): Promise<boolean> {
  const data = join(directory, dataFile);
  const metas = await readCheckpoint(directory);
  if (!metas) {
    await discardUnborn(directory);
    return false;
  }
  const size = await fs.stat(data).then(
    (stat) => stat.size,
    () => undefined,
  );
  if (size === undefined) throw new CorruptionError(`${data} is missing, though a checkpoint of it exists`);
  if (size < metas.dataBytes) {
    throw new CorruptionError(`${data} has ${size} bytes, its checkpoint needs ${metas.dataBytes}`);
  }
  // Not synced: the side file stays, so a crash from here on begins again.
  const file = await fs.open(data, 'r+');
  try {
    await file.write(metas.bytes, 0, metaBytes, 0);
  } finally {
    await file.close();
  }
  return true;
}

/** A data file without a checkpoint is one whose first open was cut short, and empty; anything else has lost its checkpoint. */
async function discardUnborn(directory: string): Promise<void> {
  const data = join(directory, dataFile);
  const head = await readIfThere(data, metaBytes + 1);
  if (!head) return;
  const committed = [0, pageBytes].some(
    (page) => head.length >= page + at.transaction + 8 && head.readBigUInt64LE(page + at.transaction) > 0n,
  );
  if (committed || head.length > metaBytes)
    throw new CorruptionError(`${data} holds data, but its checkpoint file is missing`);
  await fs.rm(data);
}
