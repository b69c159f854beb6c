import { statfsSync } from 'node:fs';
import { CorruptionError, StoreError } from '../errors.ts';
import { suspectKv } from './lives.ts';

/** Codes that LMDB gives when the file contradicts itself (lmdb.h: MDB_PAGE_NOTFOUND, CORRUPTED, PANIC, VERSION_MISMATCH, INVALID, CURSOR_FULL, …; BAD_VALSIZE, for sizes are checked before). */
const damaged = new Set([-30797, -30796, -30795, -30794, -30793, -30787, -30781, -30779]);
/** MDB_BAD_TXN, which has many reasons: a node of a kind that this store never writes, or a transaction that has met damage before. */
const badTransaction = -30782;
const unknownNode = 'Invalid dupdata flag';
const readersFull = -30790;
const systemErrors = { EIO: 5, ENOSPC: 28, EDQUOT: 122 } as const;
/** A write that comes back short is reported as EIO: with less space than this left, the file system is simply full. */
const fullBelowBytes = 1024 * 1024;

function hasSpace(directory: string): boolean {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize >= fullBelowBytes;
}

/** Directories of which LMDB has said to this thread that they are damaged: no more than there are databases. */
const found = new Set<string>();

/** The file of a KV contradicts itself: what was derived from elsewhere can be made anew from there. */
export class KvDamaged extends CorruptionError {}

/** What an error of LMDB means for the store. Errors that are not LMDB's come back as they are. */
export function meaning(error: unknown, directory: string): unknown {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (typeof code !== 'number') return error;
  const isOfDamage =
    code === badTransaction && (found.has(directory) || (error as Error).message.includes(unknownNode));
  if (damaged.has(code) || isOfDamage) {
    found.add(directory);
    suspectKv(directory);
    return new KvDamaged(`the key-value file in ${directory} is damaged`, { cause: error });
  }
  if (code === readersFull) return new StoreError('SlowDown', { message: 'Too many reads at once.', cause: error });
  const full =
    code === systemErrors.ENOSPC || code === systemErrors.EDQUOT || (code === systemErrors.EIO && !hasSpace(directory));
  return full ? new StoreError('StorageFull', { cause: error }) : error;
}
