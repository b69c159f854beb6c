import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Expectation } from '../types.ts';
import type { Stamp } from './deciding.ts';
import { keys } from './keys.ts';
import { VersionRow } from './versions.ts';
import type { View } from './view.ts';

/*
 * What a lifecycle saw of a version when it decided what to do with it, checked once more where it is done: by the owner of the shard, on his newest state
 * and his own time. Between the two somebody may have written, deleted or tagged, and the clock of who looked may have been fast.
 */

/** What a lifecycle wanted to do is not to be done any more. */
export const changed = (what: string): StoreError =>
  new StoreError('PreconditionFailed', {
    message: `${what} since the lifecycle looked at it: the next pass looks again.`,
    detail: { Condition: 'lifecycle' },
  });

const sameTags = (row: VersionRow, tags: NonNullable<Expectation['tags']>): boolean => {
  const record = row.record();
  const has = record.kind === 'object' ? record.tags : [];
  return (
    has.length === tags.length && has.every(([key, value], at) => tags[at]?.[0] === key && tags[at]?.[1] === value)
  );
};

/**
 * Versions of a key above one that is not the newest, the next one first, as far as they are in history.
 * @returns when the next newer one was made, and how many objects are among those below the newest, counted up to `count`
 */
function above(view: View, newest: VersionRow, row: VersionRow, count: number) {
  let sinceMs: number | undefined;
  let newer = 0;
  const range = { start: keys.historyStart(newest.guk), end: keys.history(newest.guk, row.sequence) };
  for (const { value } of view.rows.range({ ...range, reverse: true, limit: limits.lifecycleLook })) {
    const one = new VersionRow(value);
    sinceMs ??= one.modifiedMs;
    if (!one.isMarker) newer += 1;
    if (newer >= count) break;
  }
  return { sinceMs: sinceMs ?? newest.modifiedMs, newer };
}

/**
 * @param row the version that the command is about; undefined when it is not there
 * @throws StoreError PreconditionFailed when it is not as expected any more
 */
export function checkExpectation(
  view: View,
  expected: Expectation | undefined,
  newest: VersionRow | undefined,
  row: VersionRow | undefined,
  time: Pick<Stamp, 'now' | 'lockNow'>,
): void {
  if (!expected) return;
  if (!row || !newest || row.sequence !== expected.sequence) throw changed('The version has gone');
  // As retentions: a clock that is set forward makes nothing due before its time.
  if (Math.min(time.now, time.lockNow) < expected.dueMs) throw changed('The clock of the owner is behind');
  const isNewest = newest.sequence === row.sequence;
  if (expected.place === 'noncurrent') {
    if (isNewest) throw changed('The version became the newest');
    const { sinceMs, newer } = above(view, newest, row, expected.newer);
    if (sinceMs > expected.sinceMs || newer < expected.newer) throw changed('Newer versions have gone');
  } else if (!isNewest) throw changed('A newer version came');
  if (expected.place === 'alone')
    for (const _ of view.history(newest.guk, 1)) throw changed('Another version is there');
  if (expected.tags && !sameTags(row, expected.tags)) throw changed('The tags were changed');
}
