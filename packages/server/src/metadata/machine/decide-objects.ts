import { combineCrc, digestOf, isCrc } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Command, VersionDraft } from '../types.ts';
import {
  bucketOf,
  checkKey,
  checkStripes,
  type Decision,
  newManifest,
  newVersion,
  type Place,
  placeVersion,
  type Stamp,
  sayable,
  stateOf,
} from './deciding.ts';
import type { Effect, VersionInsert } from './effects.ts';
import { checkGuard } from './guards.ts';
import { checkAhead } from './locks.ts';
import { encodePieceRow, stripesOf } from './pieces.ts';
import { checkHere } from './places.ts';
import type { ManifestReference, ObjectChecksum, ObjectVersion, Piece } from './records.ts';
import { putPlacings } from './transitions.ts';
import { encodeVersion, isOutside, manifestIdOf, type VersionRow } from './versions.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

export function insertion(
  command: { readonly bucket: number; readonly key: Buffer },
  place: Place,
  version: ObjectVersion,
  manifest: VersionInsert['manifest'],
  sharedPieces = 0,
): VersionInsert {
  const { bucket, key } = command;
  const row = encodeVersion(version, place.older);
  return { type: 'version.insert', bucket, key, row, replaces: place.replaces, manifest, sharedPieces };
}

/** The place of what a put, copy, append or completed upload brings. */
export function placeFor(
  view: View,
  stamp: Stamp,
  command: Pick<Of<'object.put'>, 'bucket' | 'key' | 'owner' | 'guard'>,
): Place & { readonly newest: VersionRow | undefined } {
  const bucket = bucketOf(view, command.bucket);
  checkKey(command.key);
  const newest = view.newest(command.bucket, command.key);
  checkGuard(command.guard, newest);
  const placing = putPlacings[bucket.versioning][stateOf(newest)];
  return { ...placeVersion(view, stamp, bucket, newest, placing, command.owner), newest };
}

/** A draft with as much of a policy as may be said. */
function sayingOf(view: View, stamp: Stamp, draft: VersionDraft): VersionDraft {
  if (draft.policy === sayable(view, stamp, draft.policy)) return draft;
  const { policy: _, ...others } = draft;
  return others;
}

export function decidePut(view: View, command: Of<'object.put'>, stamp: Stamp): Decision {
  const place = placeFor(view, stamp, command);
  checkAhead(command.draft.retention, stamp);
  let size = 0;
  for (const piece of command.pieces) {
    checkStripes(view, piece);
    size += piece.size;
  }
  invariant(size === command.draft.size, 'an object is as long as its pieces');
  if (size > limits.objectBytes) throw new StoreError('EntityTooLarge');
  const effects: Effect[] = [];
  const at = { bucket: command.bucket, key: command.key };
  const manifest = newManifest(place.identity, command.pieces, at, effects);
  const said = sayingOf(view, stamp, command.draft);
  const version = newVersion(view, stamp, command.bucket, place.identity, said, manifest);
  const publishes = manifest.embedded && isOutside(manifest);
  effects.push(insertion(command, place, version, publishes ? 'publish' : 'new'));
  return { effects, reply: { type: 'version', version, replacedNull: place.replacedNull } };
}

/** To who copies without copying bytes. */
export const sourceChanged = (cause?: unknown): StoreError =>
  new StoreError('ConditionalRequestConflict', {
    message: 'The source changed while it was copied. Try again.',
    cause,
  });

export function decideShare(view: View, command: Of<'object.share'>, stamp: Stamp): Decision {
  const place = placeFor(view, stamp, command);
  checkAhead(command.draft.retention, stamp);
  const { source } = command;
  try {
    checkHere(view, source.bucket, source.key, stamp.shard);
  } catch (cause) {
    throw sourceChanged(cause);
  }
  const found = view.find(source.bucket, source.key, source.version)?.record();
  if (found?.kind !== 'object') throw new StoreError(source.version === undefined ? 'NoSuchKey' : 'NoSuchVersion');
  // An append goes on in the same manifest: then the source is longer than the draft says.
  if (!found.manifest.id.equals(source.manifest) || found.size !== command.draft.size) {
    throw sourceChanged();
  }
  // Where its pieces begin is a property of the manifest: it goes with the bytes.
  const draft = { ...command.draft, partSizes: found.partSizes };
  const version = newVersion(view, stamp, command.bucket, place.identity, draft, found.manifest);
  const kind = isOutside(found.manifest) ? 'share' : 'new';
  const effect = insertion(command, place, version, kind, kind === 'share' ? found.manifest.pieces : 0);
  return { effects: [effect], reply: { type: 'version', version, replacedNull: place.replacedNull } };
}

/** Full-object CRCs can be joined; other checksums would need the bytes. */
function appendedChecksum(before: ObjectVersion, piece: Piece): ObjectChecksum | undefined {
  const a = before.checksum;
  const b = piece.checksum;
  if (a?.type !== 'FULL_OBJECT' || b?.type !== 'FULL_OBJECT' || a.algorithm !== b.algorithm) return undefined;
  const { algorithm } = a;
  if (!isCrc(algorithm)) return undefined;
  return { algorithm, type: 'FULL_OBJECT', value: combineCrc(algorithm, a.value, b.value, piece.size) };
}

/** Links that a manifest leans on already. */
function linkDepth(view: View, manifest: ManifestReference): number {
  if (manifest.embedded) return 0;
  let depth = 0;
  for (let id = manifest.id; ; depth++) {
    const first = view.piece(id, 0);
    if (first?.kind !== 'link') return depth;
    id = first.manifest;
  }
}

const tooManyPieces = () => new StoreError('TooManyParts');

export function decideAppend(view: View, command: Of<'object.append'>, stamp: Stamp): Decision {
  const place = placeFor(view, stamp, command);
  const { bucket, key, piece, draft } = command;
  const newest = place.newest?.record();
  const before = newest?.kind === 'object' ? newest : undefined;
  if (command.offset !== undefined && command.offset !== (before?.size ?? 0)) {
    throw new StoreError('InvalidWriteOffset', { detail: { ObjectSize: String(before?.size ?? 0) } });
  }
  if (!before) {
    const { guard, owner } = command;
    return decidePut(view, { type: 'object.put', bucket, key, owner, guard, draft, pieces: [piece] }, stamp);
  }
  // The piece was sealed under the key of the object that its writer saw. What went on since, with the same key, does no harm.
  if (!draft.wrappedKey.equals(before.wrappedKey)) throw new StoreError('ConditionalRequestConflict');
  checkStripes(view, piece);
  const size = before.size + piece.size;
  if (size > limits.objectBytes) throw new StoreError('EntityTooLarge');
  const effects: Effect[] = [];
  const { manifest, shares } = appendTo(view, before, piece, place, command, effects);
  // Its lock is its own: that of the version before stays with it.
  const { retention: _, legalHold: __, ...taken } = before;
  const { retention, legalHold } = draft;
  checkAhead(retention, stamp);
  const changed: VersionDraft = {
    ...taken,
    ...(retention && { retention }),
    ...(legalHold !== undefined && { legalHold }),
    size,
    etag: digestOf('MD5', Buffer.concat([before.etag, piece.md5])),
    etagParts: manifest.pieces,
    checksum: appendedChecksum(before, piece),
  };
  const version = newVersion(view, stamp, bucket, place.identity, changed, manifest);
  effects.push(insertion(command, place, version, shares ? 'share' : 'new', shares ? before.manifest.pieces : 0));
  return { effects, reply: { type: 'version', version, replacedNull: place.replacedNull } };
}

/**
 * The manifest goes on behind what the version sees of it, unless another version went on there already (or what did is not collected
 * yet): then a new manifest begins with a link. The bytes of an inline object are copied into the first row of a new manifest.
 */
function appendTo(
  view: View,
  before: ObjectVersion,
  piece: Piece,
  place: Place,
  { bucket, key }: { readonly bucket: number; readonly key: Buffer },
  effects: Effect[],
): { readonly manifest: ManifestReference; readonly shares: boolean } {
  const { id, pieces, embedded } = before.manifest;
  if (pieces >= limits.appendPieces) throw tooManyPieces();
  const fresh = manifestIdOf(place.identity.sequence, place.identity.nonce);
  const write = (manifest: Buffer, index: number, start: number, added: Piece, publish: boolean, ms: number): void => {
    const row = encodePieceRow({ kind: 'piece', modifiedMs: ms, start, piece: added });
    effects.push({ type: 'piece.write', manifest, index, bucket, key, publish, row });
  };
  const add = (manifest: Buffer): ManifestReference => {
    write(manifest, pieces, before.size, piece, true, place.identity.modifiedMs);
    const sealed = before.manifest.sealed && piece.sealed;
    return { id: manifest, pieces: pieces + 1, embedded: undefined, sealed };
  };
  if (embedded && stripesOf(embedded).length === 0) {
    write(fresh, 0, 0, embedded, false, before.modifiedMs);
    return { manifest: add(fresh), shares: false };
  }
  if (!view.hasPiece(id, pieces)) {
    if (embedded) write(id, 0, 0, embedded, false, before.modifiedMs);
    return { manifest: add(id), shares: true };
  }
  if (linkDepth(view, before.manifest) >= limits.manifestLinks) throw tooManyPieces();
  effects.push({ type: 'piece.link', manifest: fresh, base: id, pieces });
  return { manifest: add(fresh), shares: false };
}
