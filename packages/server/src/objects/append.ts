import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { again } from './again.ts';
import { checkNotArchive } from './archive.ts';
import { mayShrink } from './compression.ts';
import { checkDescribing, checkKey } from './describing.ts';
import { openedKeyOf, type Wrapping, wrappingFor } from './encryption.ts';
import { takeBody } from './intake.ts';
import { checkAppendedWith } from './kms.ts';
import { keptWith, writtenWith } from './policy.ts';
import { publish, written } from './publish.ts';
import { draftOf } from './put.ts';
import { checkRoom } from './quotas.ts';
import { bucketKey, findBucket, type Rooms } from './rooms.ts';
import type { PutRequest, WriteResult } from './types.ts';

type AppendRequest = PutRequest & { readonly offset: number | undefined };

/**
 * Adds bytes behind the newest version; none of those that are there is touched or copied, also where copies or other versions share
 * them: each goes on in its own way. The new bytes are one more piece, sealed under the key that the object has, so it must still be an
 * object with that key when the owner decides. Other appends and patches keep the key, a write that replaces the object does not: then a
 * body in hand is sealed again, and one that came as a stream is refused as a conflict. The ETag of what has been appended to is made from
 * the ETag before and the MD5 of the new bytes, with the number of pieces behind it: like that of an upload of parts it changes with every
 * append and is no MD5 of the whole.
 */
export async function append(rooms: Rooms, request: AppendRequest): Promise<WriteResult> {
  checkKey(request.key);
  checkDescribing(rooms, request);
  return again(
    () => appendOnce(rooms, request),
    () => request.body.whole !== undefined,
  );
}

async function appendOnce(rooms: Rooms, request: AppendRequest): Promise<WriteResult> {
  const bucket = findBucket(rooms, request.bucket);
  const keys = await bucketKey(rooms, bucket);
  const newest = rooms.reader.version(bucket.id, request.key, undefined);
  const object = newest?.kind === 'object' ? newest : undefined;
  if (object) checkNotArchive(rooms, object);
  const size = object?.size ?? 0;
  // The owner decides this again; known now, it saves the client from sending a body in vain.
  if (request.offset !== undefined && request.offset !== size) {
    throw new StoreError('InvalidWriteOffset', { detail: { ObjectSize: String(size) } });
  }
  if (object) await checkAppendedWith(rooms, bucket, object.encryption, request.kms);
  const fresh = object ? undefined : await wrappingFor(rooms, bucket, request);
  const { key, wrapped } = object
    ? { key: await openedKeyOf(rooms, keys, object, request.customerKey), wrapped: object.wrappedKey }
    : (fresh as Wrapping).keys.newObjectKey();
  const said = object ? { ...(object.encryption && { encryption: object.encryption }) } : (fresh as Wrapping).said;
  const { redundancy: policy } = request;
  const own = policy ?? object?.policy;
  const { storageClass } = object ?? request;
  const kept = keptWith(rooms, bucket, { storageClass, ...(own && { policy: own }) });
  checkRoom(rooms, bucket, request.body.length, () => 0);
  const piece = await takeBody(rooms, request.body, {
    key,
    redundancy: writtenWith(kept.policy),
    mayInline: kept.mayInline,
    pack: mayShrink(object?.headers ?? request.headers),
    expected: request.expected,
    keep: object?.checksum?.algorithm,
    maximum: Math.min(limits.singlePutBytes, limits.objectBytes - size),
    shard: rooms.reader.shardOf(bucket.id, request.key),
  });
  const reply = await publish(
    rooms,
    {
      type: 'object.append',
      bucket: bucket.id,
      key: request.key,
      owner: request.owner,
      guard: request.guard,
      offset: request.offset,
      piece,
      draft: {
        ...draftOf(request, piece, wrapped),
        ...(policy && { policy }),
        ...request.lock,
        ...said,
      },
    },
    'version',
    piece,
  );
  return written(bucket, reply);
}
