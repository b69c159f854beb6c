import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { bucketOf, checkKey, type Decision, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { keys } from './keys.ts';
import type { BucketId, ObjectVersion } from './records.ts';
import { dueOf, isFaster, midnightAfter, type Restore } from './restores.ts';
import { encodeVersion, type VersionRow } from './versions.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;
type Place = { readonly bucket: BucketId; readonly key: Buffer };

const noted = (restore: Restore, sequence: number, { bucket, key }: Place): Effect => ({
  type: 'restore.due',
  dueMs: dueOf(restore),
  sequence,
  place: { bucket, key },
});

const unnoted = (dueMs: number, sequence: number): Effect => ({
  type: 'restore.due',
  dueMs,
  sequence,
  place: undefined,
});

/** The version as it goes on under another sequence, with the restore that it had, and the note of it. */
export function keepRestore(
  version: ObjectVersion,
  { restore }: ObjectVersion,
  place: Place,
): { readonly version: ObjectVersion; readonly notes: readonly Effect[] } {
  if (!restore) return { version, notes: [] };
  return { version: { ...version, restore }, notes: [noted(restore, version.sequence, place)] };
}

/** What a version becomes, where it is. */
function become(
  place: Place,
  row: VersionRow,
  { restore: before, ...version }: ObjectVersion,
  restore: Restore | undefined,
): { readonly version: ObjectVersion; readonly effects: Effect[] } {
  const next: ObjectVersion = { ...version, ...(restore && { restore }) };
  const { bucket, key } = place;
  const effects: Effect[] = [
    { type: 'version.update', bucket, key, row: encodeVersion(next, row.mayHaveOlder) },
    ...(before ? [unnoted(dueOf(before), version.sequence)] : []),
    ...(restore ? [noted(restore, version.sequence, place)] : []),
  ];
  return { version: next, effects };
}

/** @throws StoreError RestoreAlreadyInProgress */
function asked(command: Of<'object.restore'>, before: Restore | undefined, now: number): Restore {
  const { days, tier, delayMs, dayMs } = command;
  if (before?.state === 'restored') return { state: 'restored', untilMs: midnightAfter(now, days, dayMs) };
  const readyMs = now + delayMs;
  if (!before) return { state: 'ongoing', tier, readyMs, days };
  if (days !== before.days || !isFaster(tier, before.tier)) throw new StoreError('RestoreAlreadyInProgress');
  return { state: 'ongoing', tier, readyMs: Math.min(readyMs, before.readyMs), days };
}

export function decideRestore(view: View, command: Of<'object.restore'>, stamp: Stamp): Decision {
  const { bucket, key, version: selector } = command;
  bucketOf(view, bucket);
  checkKey(key);
  const row = view.find(bucket, key, selector);
  if (!row) throw new StoreError(selector === undefined ? 'NoSuchKey' : 'NoSuchVersion');
  const before = row.record();
  if (before.kind !== 'object' || before.storageClass !== command.storageClass)
    throw new StoreError('ConditionalRequestConflict', {
      message: 'The object was replaced while its restore was asked for. Try again.',
    });
  const { version, effects } = become(command, row, before, asked(command, before.restore, stamp.now));
  return { effects, reply: { type: 'version', version, replacedNull: false } };
}

/** What comes after a restore that is due; undefined: it is over. */
const after = (restore: Restore, now: number, dayMs: number): Restore | undefined =>
  restore.state === 'ongoing' ? { state: 'restored', untilMs: midnightAfter(now, restore.days, dayMs) } : undefined;

/** undefined: it is no object, or cannot be read. That one cannot be read keeps no other waiting. */
function objectOf(row: VersionRow | undefined): ObjectVersion | undefined {
  try {
    const record = row?.record();
    return record?.kind === 'object' ? record : undefined;
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    return undefined;
  }
}

export function decideAdvance(view: View, { items, dayMs }: Of<'restore.advance'>, stamp: Stamp): Decision {
  const effects: Effect[] = [];
  for (const { dueMs, sequence, bucket, key } of items.slice(0, limits.restoreBatch)) {
    if (dueMs > stamp.now || view.rows.get(keys.restore(dueMs, sequence)) === undefined) continue;
    const newest = view.newest(bucket, key);
    const row = newest?.sequence === sequence ? newest : newest && view.older(newest.guk, sequence);
    const version = objectOf(row);
    if (!row || !version?.restore || dueOf(version.restore) !== dueMs) effects.push(unnoted(dueMs, sequence));
    else effects.push(...become({ bucket, key }, row, version, after(version.restore, stamp.now, dayMs)).effects);
  }
  return { effects, reply: { type: 'done' } };
}
