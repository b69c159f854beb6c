import { limits } from '../limits.ts';
import type { BucketRecord, ObjectVersion, Piece, Policy, VersionDraft } from '../metadata/index.ts';
import { mayShrink } from './compression.ts';
import { checkDescribing, checkKey } from './describing.ts';
import { type Wrapping, wrappingFor } from './encryption.ts';
import { type Plan, takeBody, takeSmall } from './intake.ts';
import { askForRecoding, keptWith, preparePolicy, writtenWith } from './policy.ts';
import { publish, written } from './publish.ts';
import { checkRoom } from './quotas.ts';
import { findBucket, type Rooms } from './rooms.ts';
import type { Describing, Lock, PutRequest, WriteResult } from './types.ts';

/** What the version of an object made of one piece says. */
export function draftOf(describing: Describing, piece: Piece, wrappedKey: Buffer): VersionDraft {
  const draft: VersionDraft = {
    size: piece.size,
    etag: piece.md5,
    etagParts: 0,
    storageClass: describing.storageClass,
    headers: describing.headers,
    metadata: describing.metadata,
    tags: describing.tags,
    checksum: piece.checksum,
    wrappedKey,
    partSizes: [],
  };
  return describing.acl ? { ...draft, acl: describing.acl } : draft;
}

/** What of a version a copy or a patch starts from. */
export function draftFrom(version: ObjectVersion, wrappedKey: Buffer): VersionDraft {
  const { size, etag, etagParts, storageClass, headers, metadata, tags, checksum, partSizes } = version;
  return { size, etag, etagParts, storageClass, headers, metadata, tags, checksum, wrappedKey, partSizes };
}

/** Bytes of what a put takes the place of. */
function sizeReplaced({ reader }: Rooms, { id, versioning }: BucketRecord, key: Buffer): number {
  const replaced = versioning === 'enabled' ? undefined : reader.version(id, key, 'null');
  return replaced?.kind === 'object' ? replaced.size : 0;
}

/** A draft with what few requests say; the others cost no copy. */
function saying(
  draft: VersionDraft,
  policy: Policy | undefined,
  lock: Lock | undefined,
  said: Wrapping['said'],
): VersionDraft {
  if (!policy && !lock?.retention && lock?.legalHold === undefined && !said.encryption) return draft;
  return { ...draft, ...(policy && { policy }), ...lock, ...said };
}

/** One pass over the body, one proposal. */
export async function put(rooms: Rooms, request: PutRequest): Promise<WriteResult> {
  checkKey(request.key);
  checkDescribing(rooms, request);
  const bucket = findBucket(rooms, request.bucket);
  const wrapping = wrappingFor(rooms, bucket, request);
  const { keys, said } = wrapping instanceof Promise ? await wrapping : wrapping;
  const { key, wrapped } = keys.newObjectKey();
  const { redundancy: policy, storageClass } = request;
  const kept = keptWith(rooms, bucket, { storageClass, ...(policy && { policy }) });
  if (policy && 'hot' in policy) await preparePolicy(rooms, policy);
  if (kept.policy && 'hot' in kept.policy) await askForRecoding(rooms);
  const plan: Plan = {
    key,
    redundancy: writtenWith(kept.policy),
    mayInline: kept.mayInline,
    pack: mayShrink(request.headers),
    expected: request.expected,
    keep: undefined,
    maximum: limits.singlePutBytes,
    shard: rooms.reader.shardOf(bucket.id, request.key),
  };
  let piece = takeSmall(rooms, request.body, plan);
  if (!piece) {
    checkRoom(rooms, bucket, request.body.length, () => sizeReplaced(rooms, bucket, request.key));
    piece = await takeBody(rooms, request.body, plan);
  }
  const reply = await publish(
    rooms,
    {
      type: 'object.put',
      bucket: bucket.id,
      key: request.key,
      owner: request.owner,
      guard: request.guard,
      draft: saying(draftOf(request, piece, wrapped), policy, request.lock, said),
      pieces: [piece],
    },
    'version',
    piece,
  );
  return written(bucket, reply);
}
