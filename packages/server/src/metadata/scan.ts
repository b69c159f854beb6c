import type { KvView } from '../kv/index.ts';
import { keys, parse } from './machine/keys.ts';
import type { BucketId } from './machine/records.ts';
import { VersionRow } from './machine/versions.ts';
import { View } from './machine/view.ts';

/*
 * All versions of a bucket in one shard, undecoded: for those who look at every one of them and care for few. Rows are given as they lie, keys in order,
 * the newest version of each first.
 */

/** Where a version stands among those of its key. */
export interface ScannedPlace {
  /** The newest. */
  readonly isCurrent: boolean;
  /** Of the newest: there is no other. */
  readonly isAlone: boolean;
  /** When the next newer version was made, ms since 1970; 0 for the newest. */
  readonly sinceMs: number;
  /** Objects, markers not counted, between it and the newest. */
  readonly newer: number;
}

/** Behind the version that was given last. */
export interface ScanCursor {
  readonly key: Buffer;
  /** Where more versions of the key follow: what is known of them. */
  readonly within?: {
    readonly guk: Buffer;
    readonly sequence: number;
    readonly sinceMs: number;
    readonly newer: number;
  };
}

export type ScanVisitor = (key: Buffer, row: VersionRow, place: ScannedPlace) => void;

export interface VersionScan {
  /**
   * Gives up to `limit` versions to `visit`, of one state. Rows and keys are views of what is read: copy what is kept.
   * @returns where it goes on; undefined when there are no more
   */
  versions(bucket: BucketId, after: ScanCursor | undefined, limit: number, visit: ScanVisitor): ScanCursor | undefined;
}

export type { VersionRow };

/** Over the state of one shard. */
export function versionScan(kv: KvView): VersionScan {
  return {
    versions(bucket, after, limit, visit) {
      const snapshot = kv.snapshot();
      try {
        return scan(new View(snapshot), bucket, after, limit, visit);
      } finally {
        snapshot.release();
      }
    },
  };
}

function scan(
  view: View,
  bucket: BucketId,
  after: ScanCursor | undefined,
  limit: number,
  visit: ScanVisitor,
): ScanCursor | undefined {
  let left = limit;
  /** The rest of a key, below a version of it. */
  const older = (key: Buffer, guk: Buffer, below: number, since: number, count: number): ScanCursor | undefined => {
    let sinceMs = since;
    let newer = count;
    let sequence = below;
    // Sequences of a key only grow: those below a version are its history, whatever became of the newest meanwhile.
    for (const row of view.history(guk, left + 1, below)) {
      if (left === 0) return { key: Buffer.from(key), within: { guk: Buffer.from(guk), sequence, sinceMs, newer } };
      left -= 1;
      visit(key, row, { isCurrent: false, isAlone: false, sinceMs, newer });
      sinceMs = row.modifiedMs;
      sequence = row.sequence;
      if (!row.isMarker) newer += 1;
    }
    return undefined;
  };
  if (after?.within) {
    const { guk, sequence, sinceMs, newer } = after.within;
    const cursor = older(after.key, guk, sequence, sinceMs, newer);
    if (cursor) return cursor;
  }
  const start = after ? Buffer.concat([keys.object(bucket, after.key), Buffer.alloc(1)]) : keys.object(bucket, none);
  let last = after?.key;
  for (const { key: rowKey, value } of view.rows.range({ start, end: keys.object(bucket + 1, none) })) {
    const key = parse.objectKey(rowKey);
    if (left === 0) return { key: Buffer.from(last ?? none) };
    const row = new VersionRow(value);
    left -= 1;
    const isAlone = !row.mayHaveOlder || !hasOlder(view, row);
    visit(key, row, { isCurrent: true, isAlone, sinceMs: 0, newer: 0 });
    if (!isAlone) {
      const cursor = older(key, row.guk, row.sequence, row.modifiedMs, 0);
      if (cursor) return cursor;
    }
    last = key;
  }
  return undefined;
}

function hasOlder(view: View, { guk, sequence }: VersionRow): boolean {
  for (const _ of view.history(guk, 1, sequence)) return true;
  return false;
}

const none = Buffer.alloc(0);
