import { ByteReader, ByteWriter } from '../codec/index.ts';
import type { KvReader } from '../kv/index.ts';
import { zeroDigest } from './digest.ts';
import { ended, format } from './machine/fields.ts';
import { keys } from './machine/keys.ts';

/** How far a replica is; a row of table `meta`, committed with the rows that it speaks of. */
export interface Applied {
  readonly position: number;
  readonly epoch: number;
  /** Running hash of the log up to the position, 16 bytes. */
  readonly hash: Buffer;
  /** Of the state, 16 bytes. */
  readonly digest: Buffer;
}

const FORMAT = 1;
const appliedBytes = 49;
/** Row names in table `meta`. */
export const appliedKey = keys.meta(1);
/** There while a snapshot is being restored: such a KV is no state yet. */
export const restoringKey = keys.meta(2);

const nothingApplied: Applied = { position: 0, epoch: 0, hash: Buffer.alloc(16), digest: zeroDigest };

export const encodeApplied = (applied: Applied): Buffer =>
  new ByteWriter(appliedBytes)
    .u8(FORMAT)
    .u64(applied.position)
    .u64(applied.epoch)
    .raw(applied.hash)
    .raw(applied.digest)
    .finish();

export function decodeApplied(bytes: Buffer): Applied {
  const from = new ByteReader(bytes);
  format(from, FORMAT, 'applied position');
  return ended(from, { position: from.u64(), epoch: from.u64(), hash: from.raw(16), digest: from.raw(16) });
}

/** The position alone: it is read for every request. */
export function readPosition(kv: KvReader): number {
  const row = kv.get(appliedKey);
  if (!row) return 0;
  if (row[0] !== FORMAT || row.length !== appliedBytes) return decodeApplied(row).position;
  return row.readUInt32LE(1) + row.readUInt32LE(5) * 2 ** 32;
}

export function readApplied(kv: KvReader): Applied {
  const row = kv.get(appliedKey);
  return row ? decodeApplied(row) : nothingApplied;
}
