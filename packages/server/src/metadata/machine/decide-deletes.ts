import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import type { Command, DeleteResult } from '../types.ts';
import { apply } from './apply.ts';
import { bucketOf, checkKey, type Decision, placeVersion, type Stamp, stateOf } from './deciding.ts';
import type { Effect, VersionRemove } from './effects.ts';
import { checkExpectation } from './expectations.ts';
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

/** @throws StoreError at a condition that does not hold; AccessDenied where it would take a locked version away */
export function deleteItem(
  view: View,
  stamp: Stamp,
  bucket: StoredBucket,
  command: Pick<Delete, 'owner' | 'bypasses'>,
  item: Item,
): Outcome {
  const { key, version } = item;
  const bypasses = command.bypasses === true;
  checkKey(key);
  checkHere(view, bucket.id, key, stamp.shard);
  const newest = view.newest(bucket.id, key);
  if (version !== undefined) {
    const row = newest && view.select(newest, version);
    checkGuard(item.guard, row, 'NoSuchVersion');
    checkExpectation(view, item.expected, newest, row, stamp);
    if (deleteVersion[row ? 'there' : 'missing'] === 'nothing') return nothing;
    checkUnlocked(row!, stamp, bypasses);
    return removal(bucket.id, key, row!);
  }
  checkGuard(item.guard, newest);
  checkExpectation(view, item.expected, newest, newest, stamp);
  const placing = deletePlacings[bucket.versioning][stateOf(newest)];
  if (placing === 'nothing') return nothing;
  if (placing === 'remove') {
    invariant(newest, 'what is removed is there');
    checkUnlocked(newest, stamp, bypasses);
    return removal(bucket.id, key, newest);
  }
  const place = placeVersion(view, stamp, bucket, newest, placing, command.owner);
  const marker: DeleteMarker = { kind: 'marker', ...place.identity };
  const row = encodeVersion(marker, place.older);
  const at = { bucket: bucket.id, key, row, replaces: place.replaces };
  return {
    effects: [{ type: 'version.insert', ...at, manifest: 'new', sharedPieces: 0 }],
    result: { version: marker, marker: true, error: undefined },
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
