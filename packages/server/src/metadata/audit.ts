import { CorruptionError } from '../errors.ts';
import type { KvRow, KvView } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { readApplied } from './applied.ts';
import { RunningDigest, zeroDigest } from './digest.ts';
import { tables } from './machine/keys.ts';

/** What came of holding a state against its digest. */
export interface StateAudit {
  /** The log position of the state that was looked at. */
  readonly position: number;
  readonly rows: number;
  /** Why the rows are not those that were committed; undefined where they are. */
  readonly damage: string | undefined;
}

/**
 * Holds every row of a shard against the digest that was committed with them: pages of the KV carry no checksums, and no row of it is
 * read otherwise before somebody asks for it. That a row has changed is seen, not which one.
 * Yields the number of rows so far after each page of them, for a rest: one state is looked at, whatever is committed meanwhile. The
 * iteration must end within `limits.stateSnapshotMs`.
 * @throws StoreError ServiceUnavailable when it takes longer
 */
export function* auditState(kv: KvView): Generator<number, StateAudit, undefined> {
  const snapshot = kv.snapshot(limits.stateSnapshotMs);
  let position = 0;
  let rows = 0;
  try {
    const applied = readApplied(snapshot);
    position = applied.position;
    const digest = new RunningDigest(zeroDigest);
    const end = Buffer.from([0xff]);
    for (let start: Buffer | undefined = Buffer.from([tables.meta + 1]); start; ) {
      let last: KvRow | undefined;
      for (const row of snapshot.range({ start, end, limit: limits.jobPage })) {
        digest.change(row.key, undefined, row.value);
        rows++;
        last = row;
      }
      start = last && Buffer.concat([last.key, Buffer.alloc(1)]);
      yield rows;
    }
    const damage = digest.value().equals(applied.digest) ? undefined : notCommitted;
    return { position, rows, damage };
  } catch (error) {
    if (error instanceof CorruptionError) return { position, rows, damage: error.message };
    throw error;
  } finally {
    snapshot.release();
  }
}

/** What a state is said to have whose digest is another than that of its rows. */
export const notCommitted = 'some of its rows are not what was written: a page of the file has changed by itself';
