import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import type { Command, DeleteResult } from '../types.ts';
import { apply } from './apply.ts';
import { bucketOf, checkKey, type Decision, placeVersion, type Stamp, stateOf } from './deciding.ts';
import type { Effect, VersionRemove } from './effects.ts';
import { changed, checkExpectation } from './expectations.ts';
import { checkGuard } from './guards.ts';
import { checkUnlocked } from './locks.ts';
import { Application } from './manifests.ts';
import { Overlay } from './overlay.ts';
import { checkHere } from './places.ts';
import type { DeleteMarker, StoredBucket } from './records.ts';
import { deletePlacings, deleteVersion } from './transitions.ts';
import { encodeVersion, type VersionRow } from './versions.ts';
import { View } from './view.ts';

type Delete = Extract<Command, { type: 'object.delete' }>;
type Item = Delete['items'][number];

interface Outcome {
  readonly effects: readonly Effect[];
  readonly result: DeleteResult;
}

type Refusal = NonNullable<DeleteResult['error']>['code'];
const isOfItem = (code: string): code is Refusal =>
  (['PreconditionFailed', 'NoSuchKey', 'NoSuchVersion', 'AccessDenied'] satisfies Refusal[] as string[]).includes(code);

const nothing: Outcome = { effects: [], result: { version: undefined, marker: false, error: undefined } };

function removal(bucket: number, key: Buffer, row: VersionRow): Outcome {
  const { sequence, nonce, isNull, isMarker } = row;
  const effect: VersionRemove = { type: 'version.remove', bucket, key, sequence, nonce, isNull, isMarker };
  return { effects: [effect], result: { version: row.record(), marker: isMarker, error: undefined } };
}

/** Whether nothing would be left of the key without this version. */
function isAlone(view: View, newest: VersionRow, row: VersionRow): boolean {
  if (newest.sequence !== row.sequence) return false;
  for (const _ of view.history(newest.guk, 1)) return false;
  return true;
}

/** A marker takes the place of a version that is alone: the version goes, the key stays known here. */
function leave(view: View, stamp: Stamp, bucket: StoredBucket, owner: string, key: Buffer, gone: VersionRow): Outcome {
  const { identity } = placeVersion(view, stamp, bucket, undefined, 'first', owner);
  const marker: DeleteMarker = { kind: 'marker', ...identity, guk: Buffer.from(gone.guk) };
  const insert = { bucket: bucket.id, key, row: encodeVersion(marker, false), replaces: gone.sequence };
  const before = gone.record();
  return {
    effects: [{ type: 'version.insert', ...insert, manifest: 'new', sharedPieces: 0 }],
    result: { version: before, marker: before.kind === 'marker', error: undefined },
  };
}

/** @throws StoreError at a condition that does not hold; AccessDenied where it would take a locked version away */
export function deleteItem(
  view: View,
  stamp: Stamp,
  bucket: StoredBucket,
  command: Pick<Delete, 'owner' | 'bypasses' | 'leaves'>,
  item: Item,
): Outcome {
  const { key, version } = item;
  const bypasses = command.bypasses === true;
  const leaves = command.leaves === true;
  checkKey(key);
  checkHere(view, bucket.id, key, stamp.shard);
  const newest = view.newest(bucket.id, key);
  if (version !== undefined) {
    const row = newest && view.select(newest, version);
    checkGuard(item.guard, row, 'NoSuchVersion');
    checkExpectation(view, item.expected, newest, row, stamp);
    if (deleteVersion[row ? 'there' : 'missing'] === 'nothing') return nothing;
    checkUnlocked(row!, stamp, bypasses);
    if (!leaves) return removal(bucket.id, key, row!);
    // A marker that is deleted by its id is taken back: what it hid is read again. A lifecycle must not do that.
    if (row!.isMarker && item.expected) throw changed('The bucket reads what is missing elsewhere: its markers stay');
    if (row!.isMarker || !isAlone(view, newest!, row!)) return removal(bucket.id, key, row!);
    return leave(view, stamp, bucket, command.owner, key, row!);
  }
  checkGuard(item.guard, newest);
  checkExpectation(view, item.expected, newest, newest, stamp);
  // A marker is a null version as any: in a bucket that never had versioning the next write takes its place.
  const versioning = leaves && bucket.versioning === 'off' ? 'suspended' : bucket.versioning;
  const placing = deletePlacings[versioning][stateOf(newest)];
  if (placing === 'nothing') return nothing;
  if (placing === 'remove') {
    invariant(newest, 'what is removed is there');
    checkUnlocked(newest, stamp, bypasses);
    return removal(bucket.id, key, newest);
  }
  if (bucket.versioning === 'off' && newest) {
    if (newest.isMarker) return nothing;
    checkUnlocked(newest, stamp, bypasses);
    return leave(view, stamp, bucket, command.owner, key, newest);
  }
  const place = placeVersion(view, stamp, bucket, newest, placing, command.owner);
  const marker: DeleteMarker = { kind: 'marker', ...place.identity };
  const row = encodeVersion(marker, place.older);
  const at = { bucket: bucket.id, key, row, replaces: place.replaces };
  return {
    effects: [{ type: 'version.insert', ...at, manifest: 'new', sharedPieces: 0 }],
    // Where versions were never kept nobody is told of markers.
    result: bucket.versioning === 'off' ? nothing.result : { version: marker, marker: true, error: undefined },
  };
}

/** A condition that does not hold, or a lock that does, fails its item alone. */
function tryItem(view: View, stamp: Stamp, bucket: StoredBucket, command: Delete, item: Item): Outcome {
  try {
    return deleteItem(view, stamp, bucket, command, item);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { code, message } = error;
    if (!isOfItem(code)) throw error;
    return { effects: [], result: { version: undefined, marker: false, error: { code, message } } };
  }
}

export function decideDelete(view: View, command: Delete, stamp: Stamp): Decision {
  const bucket = bucketOf(view, command.bucket);
  const { items } = command;
  if (items.length === 1) {
    const { effects, result } = tryItem(view, stamp, bucket, command, items[0]!);
    return { effects, reply: { type: 'deleted', results: [result] } };
  }
  // A key may be named twice: each item is decided on what the items before it leave behind.
  const scratch = new Overlay(view.rows);
  const seen = new View(scratch);
  const application = new Application(scratch, stamp.position, seen);
  const effects: Effect[] = [];
  const results = items.map((item) => {
    const outcome = tryItem(seen, stamp, bucket, command, item);
    apply(application, outcome.effects);
    effects.push(...outcome.effects);
    return outcome.result;
  });
  return { effects, reply: { type: 'deleted', results } };
}
