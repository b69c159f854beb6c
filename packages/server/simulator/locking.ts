import type { StoreError } from '../src/errors.ts';
import { type LockedVersion, lockAsked, lockedUntilMs } from './locks.ts';
import type { Operation } from './scenario.ts';
import { type Outcome, type Session, scopeOf } from './session.ts';

/* What clients do to versions of the bucket that locks, by their ids. */

/** One that nobody is known to have deleted, where there is any. */
function pickVersion({ parts }: Session, { bucket, key }: Operation): LockedVersion | undefined {
  const versions = (parts.history.locked.get(`${bucket}/${key}`) ?? []).filter(({ mayGo }) => !mayGo);
  return versions.length > 0 ? parts.dice.pick(versions) : undefined;
}

/** Deletes a version for good, whether it is locked or not. */
export async function removeVersion(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const version = pickVersion(session, operation);
  if (!version) return { kind: 'unknown' };
  const { coverage } = session.parts;
  const bypasses = operation.with['bypass'] === 'yes';
  const governed = version.mode === 'GOVERNANCE' && !version.held && bypasses && !version.mayGo;
  const ended = version.remove(bypasses);
  const item = { key: Buffer.from(operation.key), versionId: version.id, guard: undefined };
  const outcome = await session.ask(
    (objects) => objects.delete(operation.bucket, 'o', [item], bypasses),
    scopeOf(operation),
  );
  const error =
    outcome.kind === 'refused' ? outcome.error : outcome.kind === 'done' ? outcome.result[0]?.error : undefined;
  if (outcome.kind === 'unknown') {
    ended(undefined);
    return outcome;
  }
  ended(error !== undefined);
  if (error?.code === 'AccessDenied') coverage.hit('a locked version was not deleted');
  if (!error && governed) coverage.hit('governance gave way to who bypasses it');
  return outcome;
}

/** Changes what a version is locked by: more, or less. */
export async function relock(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const version = pickVersion(session, operation);
  if (!version) return { kind: 'unknown' };
  const { to, bypass } = operation.with;
  const bypasses = bypass === 'yes';
  const { mode } = lockAsked(to);
  const change =
    to === 'hold' || to === 'release'
      ? { legalHold: to === 'hold' }
      : { retention: mode ? { mode, untilMs: lockedUntilMs } : null };
  /** What nothing may do to it, as far as is known when it begins and still when it ends. */
  const isBarred = (): boolean =>
    !version.mayGo &&
    ((version.mode === 'COMPLIANCE' && (to === 'unlock' || to === 'governance')) ||
      (version.mode === 'GOVERNANCE' && to === 'unlock' && !bypasses));
  const barred = isBarred();
  const loosened =
    to === 'release' ? version.loosen('held') : to === 'unlock' && !barred ? version.loosen('mode') : undefined;
  const tightened = to === 'hold' ? version.tighten('held') : mode && version.tighten(mode);
  const which = { bucket: operation.bucket, key: Buffer.from(operation.key), versionId: version.id };
  const outcome = await session.ask((objects) => objects.setLock(which, change, bypasses), scopeOf(operation));
  if (outcome.kind === 'unknown') return outcome;
  loosened?.();
  if (outcome.kind === 'refused') {
    checkThere(version, outcome.error);
    return outcome;
  }
  if (barred && isBarred())
    throw new Error(`version ${version.id} is locked by ${version.mode}, and was unlocked: ${to}`);
  tightened?.();
  if (to === 'release') session.parts.coverage.hit('a legal hold was taken away');
  return outcome;
}

/** @throws Error when a version that is locked is not there */
function checkThere(version: LockedVersion, error: StoreError): void {
  if (version.stays(false) && ['NoSuchVersion', 'NoSuchKey'].includes(error.code))
    throw new Error(`version ${version.id} is locked, and is not there: ${error.code}`);
}
