import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { Arena } from '../codec/index.ts';

/*
 * How LMDB is opened: one root database of bytes to bytes.
 *
 * Pages have 8 KiB. Measured with rows of 1.4 KiB (a small object): pages of 4 KiB hold one such row when keys come in order (4.1 KiB of
 * disk each) and 1.5 otherwise (2.8 KiB); of 8 KiB, 2.1 and 2.5 KiB; of 16 KiB, 1.6 and 2.3 KiB, but then a random insert writes half as
 * much again. Rows of 350 bytes take the same room with each.
 *
 * The map is an address range only: neither memory nor disk. It is made so large that it never has to move, because readers of other
 * threads hold pointers into it.
 */

export const pageBytes = 8192;
export const dataFile = 'data.mdb';
/** Address space, bytes. */
const mapBytesDefault = 2 ** 40;
/** Read transactions of all threads together; 64 bytes each in the lock file. */
const readersMax = 4096;

/** A read transaction that stays at its state until `done`. */
export interface ReadTransaction {
  done(): void;
}

/** Options of lmdb-js that its types leave out. */
interface ReadOptions {
  readonly transaction?: ReadTransaction;
}
interface RangeOptions extends ReadOptions {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  readonly limit?: number;
  readonly reverse?: boolean;
  readonly exclusiveStart?: boolean;
  readonly inclusiveEnd?: boolean;
}
interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Pages of one tree of the file. */
export interface TreePages {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** The part of lmdb-js that is used here, typed as it is used. */
export interface Environment {
  get(key: Uint8Array, options?: ReadOptions): Buffer | undefined;
  getRange(options: RangeOptions): { iterate(): Iterator<Row> };
  put(key: Uint8Array, value: Uint8Array): unknown;
  remove(key: Uint8Array): unknown;
  transactionSync(run: () => void): void;
  useReadTransaction(): ReadTransaction;
  /** Makes the next read see the newest commit. */
  resetReadTxn(): void;
  getStats(): TreePages & {
    readonly entryCount: number;
    readonly pagesWritten: number;
    readonly lastPageNumber: number;
    readonly free: TreePages;
  };
  close(): Promise<void>;
}

const values = new Arena();

/** lmdb-js lends one buffer for all values. Copying into a shared one is cheaper than a backing store for each value and key. */
function copyOf(bytes: Uint8Array): Buffer {
  const length = bytes.length;
  const copy = values.take(length);
  Buffer.prototype.copy.call(bytes, copy, 0, 0, length);
  return copy;
}

const encoder = { encode: (value: Uint8Array) => value, decode: copyOf };

const keyEncoder = {
  writeKey(key: Uint8Array, target: Uint8Array, position: number): number {
    target.set(key, position);
    return position + key.length;
  },
  readKey(source: Buffer, start: number, end: number): Buffer {
    const copy = Buffer.allocUnsafe(end - start);
    source.copy(copy, 0, start, end);
    return copy;
  },
};

/** LMDB ends the process when it cannot have its map: where address space is limited (`ulimit -v`), ask for a part of it. */
function affordableMap(): number {
  try {
    const limit = /^Max address space +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    if (limit !== undefined) return Math.min(mapBytesDefault, Math.floor(Number(limit) / 16 / pageBytes) * pageBytes);
  } catch {
    // Not Linux.
  }
  return mapBytesDefault;
}

/** @param mapBytes address space; the file cannot grow beyond it @param readOnly only in a thread other than the owner's, while the owner has it open */
export function openEnvironment(directory: string, mapBytes: number | undefined, readOnly: boolean): Environment {
  const options = {
    path: join(directory, dataFile),
    noSubdir: true,
    // Commits reach the page cache only; checkpoints make them durable. See checkpoint.ts.
    noSync: true,
    pageSize: pageBytes,
    mapSize: mapBytes ?? affordableMap(),
    maxReaders: readersMax,
    trackMetrics: true,
    readOnly,
    encoder,
    keyEncoder,
  };
  const database: RootDatabase = open(options as unknown as Parameters<typeof open>[0]);
  return database as unknown as Environment;
}
