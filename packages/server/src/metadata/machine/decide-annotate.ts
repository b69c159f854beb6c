import { StoreError } from '../../errors.ts';
import type { Command } from '../types.ts';
import { insertion, placeFor } from './decide-objects.ts';
import { keepRestore } from './decide-restore.ts';
import { bucketOf, checkKey, type Decision, newVersion, type Stamp } from './deciding.ts';
import { described } from './descriptions.ts';
import { checkExpectation } from './expectations.ts';
import { checkGuard } from './guards.ts';
import { checkAhead, checkLocking, checkRetentionChange, checkUnlocked } from './locks.ts';
import type { ObjectVersion } from './records.ts';
import { encodeVersion, isOutside, type VersionRow } from './versions.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;
type Annotate = Extract<Command, { type: 'object.annotate' }>;

/** A marker says nothing that could change. */
function objectOf(row: VersionRow | undefined, version: Annotate['version']): ObjectVersion {
  if (!row) throw new StoreError(version === undefined ? 'NoSuchKey' : 'NoSuchVersion');
  const found = row.record();
  if (found.kind === 'object') return found;
  throw new StoreError(version === undefined ? 'NoSuchKey' : 'MethodNotAllowed', { detail: { DeleteMarker: 'true' } });
}

/** A policy or list that is given up is left out. */
function changedBy(before: ObjectVersion, change: Annotate['change']): ObjectVersion {
  const { policy: _, acl: __, restore, ...others } = before;
  const next = { ...others, ...described(before, change) };
  // That it can be read for a while was said of the class that it had.
  return restore && next.storageClass === before.storageClass ? { ...next, restore } : next;
}

/**
 * The change is worked out here, over the version as it is now: so two of the same moment are both kept, without trying again.
 */
export function decideAnnotate(view: View, command: Annotate, stamp: Stamp): Decision {
  const { bucket, key, change } = command;
  if (command.renew !== undefined) {
    const place = placeFor(view, stamp, { ...command, owner: command.renew });
    const before = objectOf(place.newest, undefined);
    const changed = changedBy(before, change);
    const { retention: _, legalHold: __, ...draft } = changed;
    const made = newVersion(view, stamp, bucket, place.identity, draft, before.manifest);
    const { version, notes } = keepRestore(made, changed, command);
    const shares = isOutside(before.manifest);
    const effect = insertion(command, place, version, shares ? 'share' : 'new', shares ? before.manifest.pieces : 0);
    return { effects: [effect, ...notes], reply: { type: 'version', version, replacedNull: place.replacedNull } };
  }
  bucketOf(view, bucket);
  checkKey(key);
  const newest = view.newest(bucket, key);
  const row = newest && view.select(newest, command.version);
  checkGuard(command.guard, row, command.version === undefined ? 'NoSuchKey' : 'NoSuchVersion');
  checkExpectation(view, command.expected, newest, row, stamp);
  const before = objectOf(row, command.version);
  if (command.expected && change.storageClass !== undefined && before.restore)
    throw new StoreError('PreconditionFailed', {
      message: 'The object is restored for now: the lifecycle moves it when that is over.',
      detail: { Condition: 'lifecycle' },
    });
  // Tags, and how bytes are kept, are no part of what is locked.
  if (row && (change.headers || change.metadata)) checkUnlocked(row, stamp, false);
  const version = changedBy(before, change);
  const older = row?.mayHaveOlder === true;
  const effect = { type: 'version.update', bucket, key, row: encodeVersion(version, older) } as const;
  return { effects: [effect], reply: { type: 'version', version, replacedNull: false } };
}

/** Changes what a version is locked by, where it is. */
export function decideLock(view: View, command: Of<'object.lock'>, stamp: Stamp): Decision {
  const { bucket, key, version: selector, change, bypasses } = command;
  bucketOf(view, bucket);
  checkKey(key);
  checkLocking(view, bucket);
  const row = view.find(bucket, key, selector);
  const before = objectOf(row, selector);
  if (change.retention !== undefined) {
    checkAhead(change.retention ?? undefined, stamp);
    checkRetentionChange(before.retention, change.retention, stamp, bypasses);
  }
  const { retention: _, ...others } = before;
  const retention = change.retention === undefined ? before.retention : (change.retention ?? undefined);
  const legalHold = change.legalHold ?? before.legalHold;
  const version: ObjectVersion = {
    ...others,
    ...(retention && { retention }),
    ...(legalHold !== undefined && { legalHold }),
  };
  const effect = { type: 'version.update', bucket, key, row: encodeVersion(version, row!.mayHaveOlder) } as const;
  return { effects: [effect], reply: { type: 'version', version, replacedNull: false } };
}

/** The words of AWS (https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html). */
const lockedEncryption =
  "The encryption type for the specified object can't be updated because that object is protected by S3 Object Lock. If the object has a governance-mode retention period or a legal hold, you must first remove the Object Lock status on the object before you issue your UpdateObjectEncryption request. You can't use the UpdateObjectEncryption operation with objects that have an Object Lock compliance mode retention period applied to them.";

/**
 * Keeps the key of a version wrapped by another key, where it is: no byte is sealed anew, and other versions that share them keep their own wrapping.
 * @throws StoreError AccessDenied where the version is locked; ConditionalRequestConflict where its key is not kept as it was when it was opened
 */
export function decideRewrap(view: View, command: Of<'object.rewrap'>, stamp: Stamp): Decision {
  const { bucket, key, version: selector, wrappedKey, encryption } = command;
  bucketOf(view, bucket);
  checkKey(key);
  const row = view.find(bucket, key, selector);
  const before = objectOf(row, selector);
  try {
    checkUnlocked(row!, stamp, false);
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    throw new StoreError('AccessDenied', { message: lockedEncryption, cause });
  }
  if (!command.before.equals(before.wrappedKey)) throw new StoreError('ConditionalRequestConflict');
  const version: ObjectVersion = { ...before, wrappedKey, encryption };
  const effect = { type: 'version.update', bucket, key, row: encodeVersion(version, row!.mayHaveOlder) } as const;
  return { effects: [effect], reply: { type: 'version', version, replacedNull: false } };
}
