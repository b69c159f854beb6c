import { type ChecksumAlgorithm, createChecksum } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import type { BucketKey } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import {
  type BucketRecord,
  type ObjectChecksum,
  type ObjectVersion,
  shardOfNumber,
  type VersionRecord,
} from '../metadata/index.ts';
import { archivedError, isArchived } from './archive.ts';
import { checkRead } from './conditions.ts';
import { type CustomerKey, objectKeyOf, openedKeyOf } from './encryption.ts';
import type { ReadHorizon } from './horizon.ts';
import { parseVersionId, versionIdText } from './ids.ts';
import { openInline } from './inline.ts';
import { piecesOf, runsOf } from './layout.ts';
import { type Found, Outlet } from './outlet.ts';
import { keptWith } from './policy.ts';
import { bucketKey, findBucket, type Rooms } from './rooms.ts';
import type { Touches } from './touches.ts';
import type { Incoming, Outgoing, ReadRequest, ReadResult, Slice } from './types.ts';

/**
 * Looks a version up. Conditions are not looked at.
 * @throws StoreError NoSuchBucket, NoSuchKey, NoSuchVersion, InvalidArgument; MethodNotAllowed for a marker named by its id
 */
export function findVersion(rooms: Rooms, request: Omit<ReadRequest, 'guard' | 'customerKey' | 'withoutBytes'>): Found {
  const bucket = findBucket(rooms, request.bucket);
  const selector = parseVersionId(request.versionId);
  const { reader } = rooms;
  let shard = reader.shardOf(bucket.id, request.key);
  let position: Position;
  let version: VersionRecord | undefined;
  for (;;) {
    // Before the version: whatever becomes garbage after it is kept for this read.
    position = reader.position(shard);
    version = reader.version(bucket.id, request.key, selector);
    const its = version === undefined || reader.shards === 1 ? shard : shardOfNumber(version.sequence);
    if (its === shard) break;
    // The key was deleted, and made again in another shard, between the two.
    shard = its;
  }
  if (version?.kind === 'object') return { bucket, key: request.key, version, position };
  if (version) {
    const marker = { DeleteMarker: 'true', VersionId: versionIdText(version) };
    if (selector === undefined) throw new StoreError('NoSuchKey', { detail: marker });
    throw new StoreError('MethodNotAllowed', {
      detail: { ...marker, Allow: 'DELETE', ModifiedMs: String(version.modifiedMs) },
    });
  }
  if (selector === undefined) throw new StoreError('NoSuchKey');
  throw new StoreError('NoSuchVersion', { detail: { VersionId: request.versionId ?? '' } });
}

/** One version, ready to be read as often as wanted. */
class Reading implements ReadResult {
  readonly bucket: BucketRecord;
  readonly version: ObjectVersion;
  readonly position: Position;
  readonly archived: boolean;
  readonly #rooms: Rooms;
  readonly #horizon: ReadHorizon;
  readonly #found: Found;
  readonly #bucketKey: BucketKey;
  readonly #touches: Touches | undefined;
  #key: Buffer | undefined;
  /** Its key was not opened, so nothing is given of its bytes. */
  readonly #closed: boolean = false;

  constructor(
    rooms: Rooms,
    horizon: ReadHorizon,
    found: Found,
    key: BucketKey,
    customerKey: CustomerKey | undefined,
    touches: Touches | undefined,
    named?: { readonly objectKey: Buffer | undefined },
  ) {
    this.bucket = found.bucket;
    this.version = found.version;
    this.position = found.position;
    this.archived = isArchived(rooms, found.version);
    this.#rooms = rooms;
    this.#horizon = horizon;
    this.#found = found;
    this.#bucketKey = key;
    this.#touches = touches;
    // Nothing is said of the object, and nothing given from the cache, to who has not its key.
    if (named) [this.#key, this.#closed] = [named.objectKey, named.objectKey === undefined];
    else if (customerKey || found.version.encryption) this.#key = objectKeyOf(key, found.version, customerKey);
  }

  open(slice: Slice): Outgoing {
    this.#check(slice);
    this.#note();
    return new Outlet(this.#rooms, this.#horizon, this.#found, this.#objectKey(), slice);
  }

  immediate(slice: Slice): Buffer | undefined {
    this.#check(slice);
    if (slice.start === slice.end) return Buffer.alloc(0);
    const embedded = this.version.manifest.embedded;
    if (embedded) {
      if ('inline' in embedded.body) return openInline(embedded, this.#objectKey()).subarray(slice.start, slice.end);
      return this.#fromCache(slice);
    }
    // Looking the pieces up to find that nothing is cached would cost what the read costs again.
    return undefined;
  }

  parts(after: number, limit: number): { number: number; size: number; checksum: ObjectChecksum | undefined }[] {
    const { manifest, partSizes } = this.version;
    const wanted = Math.min(limit, partSizes.length - after);
    if (wanted <= 0) return [];
    const pieces = this.#rooms.reader.pieces(manifest, after, wanted);
    return pieces.map((piece, i) => ({ number: after + i + 1, size: piece.size, checksum: piece.checksum }));
  }

  /** Where the policy goes by it, the version counts as read. */
  #note(): void {
    const { embedded } = this.version.manifest;
    if (!this.#touches || (embedded && 'inline' in embedded.body)) return;
    const { policy } = keptWith(this.#rooms, this.bucket, this.version);
    if (policy && 'hot' in policy)
      this.#touches.note(this.bucket.id, this.#found.key, this.version, policy.afterIdleMs);
  }

  #check(slice: Slice): void {
    if (this.archived) throw archivedError(this.version.storageClass);
    const { start, end } = slice;
    invariant(!this.#closed, 'bytes are read with the key of the object only');
    invariant(start >= 0 && start <= end && end <= this.version.size, 'a slice lies within its object');
  }

  #objectKey(): Buffer {
    this.#key ??= this.#bucketKey.unwrapObjectKey(this.version.wrappedKey);
    return this.#key;
  }

  /** A slice within one frame that is in the cache. */
  #fromCache(slice: Slice): Buffer | undefined {
    if (slice.end - slice.start > limits.frameBytes) return undefined;
    for (const wanted of piecesOf(this.#rooms.reader, this.version, slice)) {
      for (const run of runsOf(wanted, () => limits.readGroupBytes)) {
        if (run.to - run.from !== 1) return undefined;
        const at = run.offset + run.from * limits.frameBytes;
        if (at + limits.frameBytes < slice.end) return undefined;
        const held = this.#rooms.cache.get(run.stripe.id, run.from)?.subarray(slice.start - at, slice.end - at);
        if (held) this.#note();
        return held;
      }
    }
    return undefined;
  }
}

/**
 * A version ready to be read; without a promise when the bucket's key is open.
 * @param customerKey the one that the object was stored with, where it was
 * @throws StoreError InvalidRequest, AccessDenied at one that is missing, wrong or too many
 * @param touches hears of it when bytes are read. Absent: nobody has to know
 * @param withoutBytes a named key need not open
 */
function readingOf(
  rooms: Rooms,
  horizon: ReadHorizon,
  found: Found,
  customerKey: CustomerKey | undefined,
  touches?: Touches,
  withoutBytes = false,
): ReadResult | Promise<ReadResult> {
  const embedded = found.version.manifest.embedded;
  if (!embedded || 'stripes' in embedded.body) horizon.note(found.position);
  const { bucket } = found;
  if (found.version.encryption?.kind === 'kms')
    return namedReading(rooms, horizon, found, customerKey, withoutBytes, touches);
  const key = rooms.bucketKeys.opened(bucket.name, bucket.wrappedKey);
  if (key) return new Reading(rooms, horizon, found, key, customerKey, touches);
  return rooms.bucketKeys
    .open(bucket.name, bucket.wrappedKey)
    .then((opened) => new Reading(rooms, horizon, found, opened, customerKey, touches));
}

/** The same for an object with a named key. */
async function namedReading(
  rooms: Rooms,
  horizon: ReadHorizon,
  found: Found,
  customerKey: CustomerKey | undefined,
  withoutBytes: boolean,
  touches: Touches | undefined,
): Promise<ReadResult> {
  const { bucket, version } = found;
  const key = await bucketKey(rooms, bucket);
  const objectKey = withoutBytes && !customerKey ? undefined : await openedKeyOf(rooms, key, version, customerKey);
  return new Reading(rooms, horizon, found, key, customerKey, touches, { objectKey });
}

/** Bytes of a version on their way into another write, within which they take no place among the bodies of their own. */
export async function bodyFrom(
  rooms: Rooms,
  horizon: ReadHorizon,
  found: Found,
  slice: Slice,
  customerKey: CustomerKey | undefined,
): Promise<Incoming & { readonly release: (chunk: Uint8Array) => void }> {
  const reading = await readingOf({ ...rooms, inner: true }, horizon, found, customerKey);
  const stream = reading.open(slice);
  return { stream, release: (chunk) => stream.release?.(chunk), length: slice.end - slice.start };
}

/** The checksum of bytes of a version, which are read for it. */
export async function readChecksum(
  rooms: Rooms,
  horizon: ReadHorizon,
  found: Found,
  slice: Slice,
  customerKey: CustomerKey | undefined,
  algorithm: ChecksumAlgorithm,
): Promise<ObjectChecksum> {
  const running = createChecksum(algorithm);
  const { stream, release } = await bodyFrom(rooms, horizon, found, slice, customerKey);
  for await (const bytes of stream) {
    running.update(bytes);
    release(bytes);
  }
  return { algorithm, type: 'FULL_OBJECT', value: running.digest() };
}

/** Looks up, checks the read conditions, and gives what can be read. */
export function read(
  rooms: Rooms,
  horizon: ReadHorizon,
  request: ReadRequest,
  touches: Touches,
): ReadResult | Promise<ReadResult> {
  const found = findVersion(rooms, request);
  checkRead(request.guard, found.version);
  return readingOf(rooms, horizon, found, request.customerKey, touches, request.withoutBytes);
}
