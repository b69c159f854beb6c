import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { daysLater, yearsLater } from './calendar.ts';
import type { Stamp } from './deciding.ts';
import type { Effect, VersionInsert, VersionRemove } from './effects.ts';
import { ended, format } from './fields.ts';
import type { BucketId, GivenExtensions, Retention, StoredBucket } from './records.ts';
import type { VersionRow } from './versions.ts';
import type { View } from './view.ts';

/*
 * Object lock. That a bucket locks is its configuration `objectLock`, which is never taken away again and of which every shard of the bucket
 * has a copy; what a version is locked by is in its row. So the owner of a shard decides from its own rows alone, and a version is locked only in a
 * bucket that locks. What cannot be read counts as locked.
 */

/** The times of a decision. */
type Time = Pick<Stamp, 'now' | 'lockNow'>;

/** A clock that went back makes no retention shorter. */
const latest = ({ now, lockNow }: Time): number => Math.max(now, lockNow);

/** Effect `lock.clock`. */
export const lockClockCodec = {
  code: 60,
  write: (out: ByteWriter, { ms }: { readonly ms: number }) => out.varint(ms),
  read: (from: ByteReader) => ({ ms: from.varint() }),
} as const;

/** Notes how late it is, with what is logged anyway: when a shard begins to lock, and then now and then. */
export function timed(view: View, effects: readonly Effect[], { now, lockNow }: Time): readonly Effect[] {
  const logged = view.counter('lockClock');
  const begins = logged === 0 && effects.some((one) => one.type === 'configuration.write' && one.kind === 'objectLock');
  if (begins) return [...effects, { type: 'lock.clock', ms: now }];
  const isDue = logged > 0 && effects.length > 0 && lockNow - logged >= limits.lockClockNoteMs;
  return isDue ? [...effects, { type: 'lock.clock', ms: lockNow }] : effects;
}

const modes = ['GOVERNANCE', 'COMPLIANCE'] as const;
const units = ['days', 'years'] as const;

/** What new versions are retained by when they say nothing themselves. */
export interface DefaultRetention {
  readonly mode: Retention['mode'];
  readonly unit: (typeof units)[number];
  readonly count: number;
}

export interface LockConfiguration {
  readonly byDefault?: DefaultRetention;
}

/** The document of kind `objectLock`: 01, then 0, or 1 + index of the unit, mode u8, count varint. */
export function encodeLockConfiguration({ byDefault }: LockConfiguration): Buffer {
  const out = new ByteWriter(16).u8(1);
  if (!byDefault) return out.u8(0).finish();
  const { mode, unit, count } = byDefault;
  return out
    .u8(1 + units.indexOf(unit))
    .u8(modes.indexOf(mode))
    .varint(count)
    .finish();
}

/** @throws CorruptionError */
export function decodeLockConfiguration(document: Uint8Array): LockConfiguration {
  const from = new ByteReader(document);
  format(from, 1, 'object lock configuration');
  const code = from.u8();
  if (code === 0) return ended(from, {});
  const [unit, mode] = [units[code - 1], modes[from.u8()]];
  const count = from.varint();
  if (unit === undefined || mode === undefined || count < 1 || count > mostOf(unit))
    throw new CorruptionError('object lock configuration says an unknown retention');
  return ended(from, { byDefault: { mode, unit, count } });
}

const mostOf = (unit: DefaultRetention['unit']): number =>
  unit === 'days' ? limits.retentionDays : limits.retentionYears;

/** What a bucket is to say. @throws StoreError InvalidRequest when it is none that this version knows */
export function givenLockConfiguration(document: Uint8Array): LockConfiguration {
  try {
    return decodeLockConfiguration(document);
  } catch (cause) {
    if (!(cause instanceof CorruptionError)) throw cause;
    throw new StoreError('InvalidRequest', {
      message:
        'The object lock configuration is of no known form: start the version of this node on the one that leads.',
      cause,
    });
  }
}

/** @throws StoreError InvalidRetentionPeriod */
export function checkDefaultRetention({ unit, count }: DefaultRetention): void {
  if (!Number.isSafeInteger(count) || count < 1)
    throw new StoreError('InvalidRetentionPeriod', {
      message: 'Default retention period must be a positive integer value.',
    });
  if (count > mostOf(unit))
    throw new StoreError('InvalidRetentionPeriod', {
      message: `Default retention period is too large: at most ${limits.retentionDays} days or ${limits.retentionYears} years.`,
    });
}

/** Whether the bucket locks, readable or not. */
const isLocking = (view: View, bucket: BucketId): boolean => view.configuration(bucket, 'objectLock') !== undefined;

/**
 * What a bucket says of locks; undefined when it does not lock.
 * @throws StoreError AccessDenied when it cannot be read
 */
function lockConfiguration(view: View, bucket: BucketId): LockConfiguration | undefined {
  const document = view.configuration(bucket, 'objectLock');
  if (!document) return undefined;
  try {
    return decodeLockConfiguration(document);
  } catch (cause) {
    if (!(cause instanceof CorruptionError)) throw cause;
    throw new StoreError('AccessDenied', {
      message:
        'The object lock configuration of the bucket cannot be read, so nothing is added to it: put the configuration again.',
      cause,
    });
  }
}

/** @throws StoreError InvalidRequest when the bucket does not lock */
export function checkLocking(view: View, bucket: BucketId): void {
  if (isLocking(view, bucket)) return;
  throw new StoreError('InvalidRequest', { message: 'Bucket is missing Object Lock Configuration' });
}

/** What the client says itself. @throws StoreError InvalidArgument when the time is not ahead */
export function checkAhead(retention: Retention | undefined, time: Time): void {
  if (!retention || retention.untilMs > latest(time)) return;
  throw new StoreError('InvalidArgument', {
    message: 'The retain until date must be in the future!',
    detail: { ArgumentName: 'RetainUntilDate' },
  });
}

/**
 * The lock of a new version: what was said of it, or what its bucket says, from the time that the owner decides.
 * @throws StoreError InvalidRequest where it says something and the bucket does not lock; AccessDenied where the bucket's configuration cannot be read
 */
export function lockOfNew(
  view: View,
  bucket: BucketId,
  { retention, legalHold }: GivenExtensions,
  time: Time,
): Pick<GivenExtensions, 'retention' | 'legalHold'> {
  const configuration = lockConfiguration(view, bucket);
  if (!configuration) {
    if (retention || legalHold !== undefined) checkLocking(view, bucket);
    return {};
  }
  const { byDefault } = configuration;
  const until = byDefault && (byDefault.unit === 'days' ? daysLater : yearsLater)(latest(time), byDefault.count);
  const applied = retention ?? (byDefault && { mode: byDefault.mode, untilMs: until as number });
  return { ...(applied && { retention: applied }), ...(legalHold !== undefined && { legalHold }) };
}

const locked = (message = 'Access Denied because object protected by object lock.', cause?: unknown): StoreError =>
  new StoreError('AccessDenied', { message, ...(cause !== undefined && { cause }) });

/**
 * Whether a version may be taken away.
 * @param bypasses governance gives way
 * @throws StoreError AccessDenied when it is locked, or it cannot be read whether it is
 */
export function checkUnlocked(row: VersionRow, time: Time, bypasses: boolean): void {
  if (!row.mayBeLocked) return;
  let lock: Pick<GivenExtensions, 'retention' | 'legalHold'>;
  try {
    const record = row.record();
    lock = record.kind === 'object' ? record : {};
  } catch (cause) {
    if (!(cause instanceof CorruptionError)) throw cause;
    throw locked('It cannot be read whether the version is locked, so it counts as locked.', cause);
  }
  if (lock.legalHold) throw locked();
  const { retention } = lock;
  if (!retention || retention.untilMs <= time.lockNow) return;
  if (retention.mode === 'GOVERNANCE' && bypasses) return;
  if (retention.untilMs > time.now) throw locked();
  throw locked(
    'Access Denied because object protected by object lock. Its retention has ended by the clock of the server, but not by the time that its log vouches for: docs/object-lock.md says why, and what to do.',
  );
}

/**
 * The last look, whatever was decided and however: no entry takes a locked version away.
 * @throws StoreError AccessDenied
 */
export function checkNothingLocked(view: View, effects: readonly Effect[], time: Time, bypasses: boolean): void {
  let last: { readonly bucket: BucketId; readonly locks: boolean } | undefined;
  for (const effect of effects) {
    const gone =
      effect.type === 'version.remove' ? effect.sequence : effect.type === 'version.insert' ? effect.replaces : 0;
    if (gone === 0) continue;
    const { bucket, key } = effect as VersionInsert | VersionRemove;
    if (last?.bucket !== bucket) last = { bucket, locks: isLocking(view, bucket) };
    if (!last.locks) continue;
    const newest = view.newest(bucket, key);
    const row = newest?.sequence === gone ? newest : newest && view.older(newest.guk, gone);
    if (row) checkUnlocked(row, time, bypasses);
  }
}

/**
 * Whether the retention of a version may become `next`; null: it goes. What is retained may always be retained for longer in the same mode.
 * @throws StoreError AccessDenied
 */
export function checkRetentionChange(
  before: Retention | undefined,
  next: Retention | null,
  { lockNow }: Time,
  bypasses: boolean,
): void {
  if (!before || before.untilMs <= lockNow) return;
  if (next?.mode === before.mode && next.untilMs >= before.untilMs) return;
  if (before.mode === 'GOVERNANCE' && bypasses) return;
  throw locked();
}

/** @throws StoreError InvalidBucketState where the bucket locks */
export function checkVersioningChange(view: View, { id, versioning }: StoredBucket, next: string): void {
  if (next === versioning || !isLocking(view, id)) return;
  throw new StoreError('InvalidBucketState', {
    message: 'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
  });
}
