import { StoreError } from '../../errors.ts';
import type { Command, VersionDraft } from '../types.ts';
import { apply } from './apply.ts';
import { deleteItem } from './decide-deletes.ts';
import { insertion, placeFor } from './decide-objects.ts';
import { keepRestore } from './decide-restore.ts';
import { bucketOf, checkKey, type Decision, type Identity, newVersion, type Stamp } from './deciding.ts';
import { checkGuard } from './guards.ts';
import { Application } from './manifests.ts';
import { Overlay } from './overlay.ts';
import { checkHere } from './places.ts';
import type { ObjectVersion, StoredBucket } from './records.ts';
import { isOutside } from './versions.ts';
import { View } from './view.ts';

/** What a version takes along to its new name. */
export function renamedDraft(
  { versioning }: Pick<StoredBucket, 'versioning'>,
  before: ObjectVersion,
  identity: Pick<Identity, 'modifiedMs'>,
  { lockNow }: Pick<Stamp, 'lockNow'>,
): { readonly draft: VersionDraft; readonly modifiedMs: number } {
  const modifiedMs = versioning === 'off' ? before.modifiedMs : identity.modifiedMs;
  // A lock that binds goes along; one that has run out is no reason to be retained by nothing.
  const { retention, ...others } = before;
  return { draft: retention && retention.untilMs > lockNow ? before : others, modifiedMs };
}

/**
 * The newest version of one key becomes the newest of another, and is deleted where it was: in one entry, so that nobody sees both or neither. No byte is
 * touched. What the target has is replaced as by a put, and the source goes as by a delete that names no version: where versions are kept, its history stays,
 * below a marker.
 *
 * The time of the object goes along where no versions are kept. Where they are, the new version has the time at which it was made: the version below it is
 * out of use from then on, not since the source was written.
 * @throws StoreError NoSuchKey, PreconditionFailed, InvalidRequest
 */
export function decideRename(view: View, command: Extract<Command, { type: 'object.rename' }>, stamp: Stamp): Decision {
  const { key, source, owner } = command;
  const bucket = bucketOf(view, command.bucket);
  checkKey(source.key);
  if (source.key.equals(key))
    throw new StoreError('InvalidRequest', { message: 'The source and the target of a rename are the same object.' });
  checkHere(view, bucket.id, source.key, stamp.shard);
  const found = view.newest(bucket.id, source.key);
  const before = found?.record();
  if (before?.kind !== 'object') throw new StoreError('NoSuchKey', { detail: { Key: source.key.toString('utf8') } });
  checkGuard(source.guard, found);
  const place = placeFor(view, stamp, command);
  const { draft, modifiedMs } = renamedDraft(bucket, before, place.identity, stamp);
  const identity = { ...place.identity, modifiedMs, owner: before.owner };
  const made = newVersion(view, stamp, bucket.id, identity, draft, before.manifest);
  const { version, notes } = keepRestore(made, before, command);
  const shares = isOutside(before.manifest);
  const added = insertion(command, place, version, shares ? 'share' : 'new', shares ? before.manifest.pieces : 0);
  // The marker of the source has a sequence of its own, so it is decided on what the target's leaves behind.
  const scratch = new Overlay(view.rows);
  const seen = new View(scratch);
  apply(new Application(scratch, stamp.position, seen), [added]);
  const { leaves } = command;
  const goes = { owner, ...(leaves && { leaves }) };
  const gone = deleteItem(seen, stamp, bucket, goes, { key: source.key, version: undefined, guard: undefined });
  const reply = { type: 'version', version, replacedNull: place.replacedNull } as const;
  return { effects: [added, ...gone.effects, ...notes], reply };
}
