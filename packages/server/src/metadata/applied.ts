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
/** Row names in table `meta`. */
export const appliedKey = keys.meta(1);
/** There while a snapshot is being restored: such a KV is no state yet. */
export const restoringKey = keys.meta(2);

const nothingApplied: Applied = { position: 0, epoch: 0, hash: Buffer.alloc(16), digest: zeroDigest };

export const encodeApplied = (applied: Applied): Buffer =>
  new ByteWriter(49).u8(FORMAT).u64(applied.position).u64(applied.epoch).raw(applied.hash).raw(applied.digest).finish();

export function decodeApplied(bytes: Buffer): Applied {
  const from = new ByteReader(bytes);
  format(from, FORMAT, 'applied position');
  return ended(from, { position: from.u64(), epoch: from.u64(), hash: from.raw(16), digest: from.raw(16) });
}

export function readApplied(kv: KvReader): Applied {
  const row = kv.get(appliedKey);
  return row ? decodeApplied(row) : nothingApplied;
}
