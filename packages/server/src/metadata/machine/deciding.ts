import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Reply, VersionDraft } from '../types.ts';
import type { Effect } from './effects.ts';
import { extensionsOf, inherited } from './extensions.ts';
import { checkUnlocked, lockOfNew } from './locks.ts';
import { numberOf } from './numbering.ts';
import { borrowedBy, encodePieceRow, stripesOf } from './pieces.ts';
import type { OtherShards } from './quotas.ts';
import type {
  BucketId,
  BucketRecord,
  ManifestReference,
  ObjectVersion,
  Piece,
  Policy,
  StoredBucket,
} from './records.ts';
import { intentEvents, type KeyState, type Placing, writesNull } from './transitions.ts';
import { manifestIdOf, type VersionRow } from './versions.ts';
import type { View } from './view.ts';

/** What the outside gives to a decision: time and dice are inputs, so that the same decision can be made twice. */
export interface Stamp {
  /** Wall clock, ms since 1970. */
  readonly now: number;
  /** The time by which retentions run out (lock-clock.ts): behind `now` where the clock cannot be believed; ahead of it where the clock went back. */
  readonly lockNow: number;
  /** Of the entry that the effects will be in. */
  readonly position: number;
  /**
   * Where one process alone has the log, its head when the process started: intents opened up to here are of an earlier run. Else 0: an owner
   * does not know by position who is gone.
   */
  readonly started: number;
  readonly shard: number;
  /** Whether one process alone has the log: then a feature is turned on by the entry that needs it first. */
  readonly alone: boolean;
  /** What other shards have, as last heard. Absent: there are none. */
  readonly others?: OtherShards;
  /** Of the committed state below the entry. */
  readonly digest: Buffer;
  random(length: number): Buffer;
}

export interface Decision {
  readonly effects: readonly Effect[];
  readonly reply: Reply;
}

/** What answers nothing but that it is done. */
export const done = (...effects: Effect[]): Decision => ({ effects, reply: { type: 'done' } });

/** What a new version or marker knows of itself before its contents. */
export interface Identity {
  readonly guk: Buffer;
  readonly sequence: number;
  readonly nonce: Buffer;
  readonly isNull: boolean;
  readonly modifiedMs: number;
  readonly owner: string;
}

/** Where a new version goes, and who it is. */
export interface Place {
  readonly identity: Identity;
  /** Sequence of the version that it takes the place of, 0 for none. */
  readonly replaces: number;
  readonly replacedNull: boolean;
  /** Older versions of the key will exist. */
  readonly older: boolean;
}

export function bucketOf(view: View, id: BucketId): StoredBucket {
  const bucket = view.bucket(id);
  if (!bucket) throw new StoreError('NoSuchBucket');
  return bucket;
}

export const withCounts = (view: View, bucket: StoredBucket): BucketRecord => ({
  ...bucket,
  counts: view.counts(bucket.id),
});

export function checkKey(key: Buffer): void {
  if (key.length === 0) throw new StoreError('InvalidArgument', { message: 'A key has at least one byte.' });
  if (key.length > limits.keyBytes) throw new StoreError('KeyTooLongError');
}

export const stateOf = (newest: VersionRow | undefined): KeyState =>
  !newest ? 'absent' : newest.isNull ? 'null' : 'identified';

/** Sequences of a shard lie in its own range (numbering.ts). */
export const nextSequence = (view: View, shard: number): number =>
  Math.max(numberOf(shard, 1), view.counter('sequence'));

/** 48 bits of milliseconds, 16 of shard, 64 of dice. */
function newGuk(stamp: Stamp): Buffer {
  const guk = Buffer.alloc(16);
  guk.writeUIntBE(stamp.now, 0, 6);
  guk.writeUInt16BE(stamp.shard, 6);
  guk.set(stamp.random(8), 8);
  return guk;
}

export function placeVersion(
  view: View,
  stamp: Stamp,
  bucket: StoredBucket,
  newest: VersionRow | undefined,
  placing: Placing | 'impossible',
  owner: string,
): Place {
  invariant(placing !== 'impossible', 'a bucket that never had versioning holds null versions only');
  const identity = {
    guk: newest ? Buffer.from(newest.guk) : newGuk(stamp),
    sequence: nextSequence(view, stamp.shard),
    nonce: stamp.random(8),
    isNull: writesNull[bucket.versioning],
    modifiedMs: stamp.now,
    owner,
  };
  switch (placing) {
    case 'first':
      return { identity, replaces: 0, replacedNull: false, older: false };
    case 'overwrite':
      checkUnlocked(newest!, stamp, false);
      return { identity, replaces: newest!.sequence, replacedNull: true, older: newest!.mayHaveOlder };
    case 'push':
      return { identity, replaces: 0, replacedNull: false, older: true };
    case 'pushOverNull': {
      const replaces = newest!.mayHaveOlder ? view.olderNull(newest!.guk) : undefined;
      const replaced = replaces === undefined ? undefined : view.older(newest!.guk, replaces);
      if (replaced) checkUnlocked(replaced, stamp, false);
      return { identity, replaces: replaces ?? 0, replacedNull: replaces !== undefined, older: true };
    }
  }
}

/** A version made by this entry, locked as it says itself or as its bucket does. */
export function newVersion(
  view: View,
  stamp: Stamp,
  bucket: BucketId,
  identity: Identity,
  draft: VersionDraft,
  manifest: ManifestReference,
): ObjectVersion {
  const lock = lockOfNew(view, bucket, draft, stamp);
  // Most versions have none: no copy is made for them.
  if (lock.retention === draft.retention && lock.legalHold === draft.legalHold)
    return versionOf(identity, draft, manifest);
  const { retention: _, legalHold: __, ...others } = draft;
  return versionOf(identity, { ...others, ...lock }, manifest);
}

export function versionOf(identity: Identity, draft: VersionDraft, manifest: ManifestReference): ObjectVersion {
  // Property by property: each one behind a spread is a call of V8's runtime, and this is made twice for each put.
  const version: ObjectVersion = {
    kind: 'object',
    guk: identity.guk,
    sequence: identity.sequence,
    nonce: identity.nonce,
    isNull: identity.isNull,
    modifiedMs: identity.modifiedMs,
    owner: identity.owner,
    size: draft.size,
    etag: draft.etag,
    etagParts: draft.etagParts,
    storageClass: draft.storageClass,
    headers: draft.headers,
    metadata: draft.metadata,
    tags: draft.tags,
    checksum: draft.checksum,
    wrappedKey: draft.wrappedKey,
    manifest,
    partSizes: draft.partSizes,
  };
  return extensionsOf(draft) === 0 ? version : { ...version, ...inherited(draft) };
}

/**
 * What of a policy a new version may say. Until every node knows rows that say it, the bytes are kept so and nothing says why, as in the versions before;
 * what only such a row can say is refused later on.
 */
export const sayable = (view: View, stamp: Stamp, policy: Policy | undefined): Policy | undefined =>
  policy && ('hot' in policy || stamp.alone || view.has('policies')) ? policy : undefined;

/**
 * Stripes may become visible while their intent is open, once.
 * @throws StoreError ServiceUnavailable when the intent was closed: the writer was given up, its fragments may be collected already
 */
export function checkStripes(view: View, piece: Piece): void {
  let checked: Buffer | undefined;
  for (const { id } of stripesOf(piece)) {
    invariant(id.length === 16 && id[15] === 0, 'a stripe id has 16 bytes, the last of them 0');
    const prefix = id.subarray(0, 8);
    if (!checked?.equals(prefix)) {
      const state = view.intent(prefix)?.state ?? 'unknown';
      if (intentEvents[state].publish === 'refuse') {
        throw new StoreError('ServiceUnavailable', {
          message: 'The upload took too long and was given up. Try again.',
        });
      }
      checked = prefix;
    }
    invariant(view.stripe(id) === undefined, 'a stripe is published once');
  }
}

/** A small single piece stands in its version's row. */
export const isEmbeddable = (piece: Piece): boolean =>
  !borrowedBy(piece) && stripesOf(piece).length <= limits.embeddedStripes;

/** A new manifest of these pieces; its rows, when it needs any, go to `effects`. */
export function newManifest(
  identity: Identity,
  pieces: readonly Piece[],
  place: { readonly bucket: BucketId; readonly key: Buffer },
  effects: Effect[],
): ManifestReference {
  const [only] = pieces;
  invariant(only, 'an object has at least one piece');
  const id = manifestIdOf(identity.sequence, identity.nonce);
  if (pieces.length === 1 && isEmbeddable(only)) return { id, pieces: 1, embedded: only, sealed: only.sealed };
  let start = 0;
  for (const [index, piece] of pieces.entries()) {
    const row = encodePieceRow({ kind: 'piece', modifiedMs: identity.modifiedMs, start, piece });
    effects.push({ type: 'piece.write', manifest: id, index, ...place, publish: true, row });
    start += piece.size;
  }
  return { id, pieces: pieces.length, embedded: undefined, sealed: pieces.every((piece) => piece.sealed) };
}
