import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Command, VersionDraft } from '../types.ts';
import { insertion, placeFor, sourceChanged } from './decide-objects.ts';
import {
  bucketOf,
  checkKey,
  checkStripes,
  type Decision,
  isEmbeddable,
  newVersion,
  nextSequence,
  type Stamp,
  sayable,
} from './deciding.ts';
import type { Effect } from './effects.ts';
import { inherited } from './extensions.ts';
import { checkAhead, checkLocking } from './locks.ts';
import { borrowedBy, encodePieceRow } from './pieces.ts';
import { checkHere } from './places.ts';
import type { Borrowed, ManifestReference, ObjectVersion, PartRecord, Piece, UploadRecord } from './records.ts';
import { type UploadEvent, uploadEvents } from './transitions.ts';
import { manifestIdOf } from './versions.ts';
import type { View } from './view.ts';

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;
type Completion = Of<'upload.complete'>;

export function decideUploadCreate(view: View, command: Of<'upload.create'>, stamp: Stamp): Decision {
  bucketOf(view, command.bucket);
  checkKey(command.key);
  checkAhead(command.retention, stamp);
  if (command.retention || command.legalHold !== undefined) checkLocking(view, command.bucket);
  const { bucket, key, owner, storageClass, headers, metadata, tags } = command;
  const { checksumAlgorithm, checksumType, wrappedKey } = command;
  const upload: UploadRecord = {
    id: manifestIdOf(nextSequence(view, stamp.shard), stamp.random(8)),
    bucket,
    key,
    initiatedMs: stamp.now,
    owner,
    storageClass,
    headers,
    metadata,
    tags,
    checksumAlgorithm,
    checksumType,
    wrappedKey,
    ...(command.redundancy && { redundancy: command.redundancy }),
    ...inherited(command),
  };
  return { effects: [{ type: 'upload.create', upload }], reply: { type: 'upload', upload } };
}

interface Place {
  readonly bucket: number;
  readonly key: Buffer;
  readonly upload: Buffer;
}

/**
 * The version that an upload became: it has the upload's id for its manifest. Copies onto the same key share that, so the oldest is the one.
 * Whoever asks again does so soon: no more than the newest versions of the key are looked at.
 */
function becameOf(view: View, { bucket, key, upload }: Place): ObjectVersion | undefined {
  const newest = view.newest(bucket, key);
  if (!newest) return undefined;
  const older = newest.mayHaveOlder ? view.history(newest.guk, limits.completedSought) : [];
  let found: ObjectVersion | undefined;
  for (const row of [newest, ...older]) {
    const record = row.record();
    if (record.kind === 'object' && record.manifest.id.equals(upload)) found = record;
  }
  return found;
}

/** The upload when it is open, or the object that it became. */
function find(view: View, event: UploadEvent, place: Place): UploadRecord | ObjectVersion {
  bucketOf(view, place.bucket);
  checkKey(place.key);
  const upload = view.upload(place.bucket, place.key, place.upload);
  const object = upload ? undefined : becameOf(view, place);
  const action = uploadEvents[upload ? 'open' : object ? 'completed' : 'gone'][event];
  if (action === 'refuse') throw noSuchUpload(place);
  return (upload ?? object)!;
}

const noSuchUpload = ({ upload }: Place): StoreError =>
  new StoreError('NoSuchUpload', { detail: { UploadId: upload.toString('hex') } });

/**
 * The version from whose manifest a part borrows still has what it borrows: from this entry on the part holds it, too.
 * @throws StoreError ConditionalRequestConflict when it has not
 */
function holdFor(view: View, { source }: Of<'upload.part'>, borrowed: Borrowed, stamp: Stamp): Effect {
  invariant(source, 'bytes are borrowed from a version');
  try {
    checkHere(view, source.bucket, source.key, stamp.shard);
  } catch (cause) {
    throw sourceChanged(cause);
  }
  const found = view.find(source.bucket, source.key, source.version)?.record();
  if (found?.kind !== 'object' || !found.manifest.id.equals(borrowed.manifest)) throw sourceChanged();
  const { embedded, pieces: held } = found.manifest;
  if (embedded || held < borrowed.end) throw sourceChanged();
  return { type: 'manifest.hold', manifest: borrowed.manifest, held, pieces: borrowed.end };
}

export function decidePart(view: View, command: Of<'upload.part'>, stamp: Stamp): Decision {
  find(view, 'part', command);
  const { bucket, key, upload, number, piece } = command;
  if (!Number.isInteger(number) || number < 1 || number > limits.parts) {
    throw new StoreError('InvalidArgument', { message: `A part number is between 1 and ${limits.parts}.` });
  }
  if (piece.size > limits.partBytesMax) throw new StoreError('EntityTooLarge');
  checkStripes(view, piece);
  const part: PartRecord = { number, modifiedMs: stamp.now, piece };
  const row = encodePieceRow({ kind: 'piece', modifiedMs: stamp.now, start: 0, piece });
  const effect = { type: 'upload.part', bucket, key, upload, index: number - 1, row } as const;
  const borrowed = borrowedBy(piece);
  const effects: Effect[] = borrowed ? [holdFor(view, command, borrowed, stamp), effect] : [effect];
  return { effects, reply: { type: 'part', part } };
}

export function decideAbort(view: View, command: Of<'upload.abort'>): Decision {
  find(view, 'abort', command);
  const { bucket, key, upload } = command;
  return { effects: [{ type: 'upload.abort', bucket, key, upload }], reply: { type: 'done' } };
}

/** The parts that a completion names, checked against those that were uploaded. */
interface Assembly {
  readonly pieces: readonly Piece[];
  readonly drops: readonly number[];
  readonly moves: readonly (readonly [from: number, to: number])[];
}

function assemble(view: View, { upload, parts }: Completion): Assembly {
  if (parts.length === 0) throw new StoreError('MalformedXML', { message: 'A completion names at least one part.' });
  if (parts.length > limits.parts) throw new StoreError('InvalidArgument');
  for (let i = 1; i < parts.length; i++) {
    if (parts[i]!.number <= parts[i - 1]!.number) throw new StoreError('InvalidPartOrder');
  }
  const pieces: Piece[] = [];
  const drops: number[] = [];
  const moves: [from: number, to: number][] = [];
  for (const { index, row } of view.pieces(upload, 0, limits.parts)) {
    const named = parts[pieces.length];
    if (row.kind !== 'piece' || !named || named.number > index + 1) {
      drops.push(index);
      continue;
    }
    if (named.number < index + 1 || !named.md5.equals(row.piece.md5)) throw invalidPart(named.number);
    if (index !== pieces.length) moves.push([index, pieces.length]);
    pieces.push(row.piece);
  }
  const missing = parts[pieces.length];
  if (missing) throw invalidPart(missing.number);
  for (const [index, { size }] of pieces.entries()) {
    if (size >= limits.partBytesMin || index === pieces.length - 1) continue;
    const detail = { PartNumber: String(parts[index]!.number), ProposedSize: String(size) };
    throw new StoreError('EntityTooSmall', { detail: { ...detail, MinSizeAllowed: String(limits.partBytesMin) } });
  }
  return { pieces, drops, moves };
}

const invalidPart = (number: number): StoreError =>
  new StoreError('InvalidPart', { detail: { PartNumber: String(number) } });

export function decideComplete(view: View, command: Completion, stamp: Stamp): Decision {
  const { bucket, key, upload: id } = command;
  const upload = find(view, 'complete', command);
  if ('kind' in upload) {
    if (upload.etagParts !== command.parts.length || !upload.etag.equals(command.etag)) {
      throw noSuchUpload(command);
    }
    return { effects: [], reply: { type: 'version', version: upload, replacedNull: false } };
  }
  const place = placeFor(view, stamp, { bucket, key, owner: upload.owner, guard: command.guard });
  const { pieces, drops, moves } = assemble(view, command);
  const partSizes = pieces.map((piece) => piece.size);
  const size = partSizes.reduce((sum, each) => sum + each, 0);
  if (size !== command.size) {
    throw new StoreError('InvalidRequest', { message: 'The parts are not as long as the completion says.' });
  }
  if (size > limits.objectBytes) throw new StoreError('EntityTooLarge');
  const only = pieces.length === 1 && isEmbeddable(pieces[0]!) ? pieces[0] : undefined;
  const sealed = pieces.every((piece) => piece.sealed);
  const manifest: ManifestReference = { id, pieces: pieces.length, embedded: only, sealed };
  const { storageClass, headers, metadata, tags, wrappedKey } = upload;
  const given = inherited(upload);
  const { etag, checksum } = command;
  const kept = sayable(view, stamp, upload.redundancy);
  const policy = kept && { policy: kept };
  const about = { storageClass, headers, metadata, tags, wrappedKey, etag, checksum, ...policy, ...given };
  const draft: VersionDraft = { ...about, size, etagParts: pieces.length, partSizes };
  const version = newVersion(view, stamp, bucket, place.identity, draft, manifest);
  const effects: Effect[] = [
    { type: 'upload.complete', bucket, key, upload: id, drops, moves, embedded: only !== undefined },
    insertion(command, place, version, 'new'),
  ];
  return { effects, reply: { type: 'version', version, replacedNull: place.replacedNull } };
}
