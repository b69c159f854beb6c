import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { mayShrink } from './compression.ts';
import { checkDescribing, checkKey } from './describing.ts';
import { takeBody } from './intake.ts';
import { publish, written } from './publish.ts';
import { draftOf } from './put.ts';
import { bucketKey, findBucket, type Rooms } from './rooms.ts';
import type { PutRequest, WriteResult } from './types.ts';

/**
 * Adds bytes behind the newest version; none of those that are there is touched or copied. The new bytes are one more piece, sealed under
 * the key that the object has, so it must still be that object when the owner decides; else the append is refused as a conflict and
 * can be tried again. The ETag of what has been appended to is made from the ETag before and the MD5 of the new bytes, with the number of pieces
 * behind it: like that of an upload of parts it changes with every append and is no MD5 of the whole.
 */
export async function append(
  rooms: Rooms,
  request: PutRequest & { readonly offset: number | undefined },
): Promise<WriteResult> {
  checkKey(request.key);
  checkDescribing(request);
  const bucket = findBucket(rooms, request.bucket);
  const keys = await bucketKey(rooms, bucket);
  const newest = rooms.reader.version(bucket.id, request.key, undefined);
  const object = newest?.kind === 'object' ? newest : undefined;
  const size = object?.size ?? 0;
  // The owner decides this again; known now, it saves the client from sending a body in vain.
  if (request.offset !== undefined && request.offset !== size) {
    throw new StoreError('InvalidWriteOffset', { detail: { ObjectSize: String(size) } });
  }
  const { key, wrapped } = object
    ? { key: keys.unwrapObjectKey(object.wrappedKey), wrapped: object.wrappedKey }
    : keys.newObjectKey();
  const piece = await takeBody(rooms, request.body, {
    key,
    redundancy: request.redundancy ?? bucket.redundancy,
    pack: mayShrink(object?.headers ?? request.headers),
    expected: request.expected,
    keep: object?.checksum?.algorithm,
    maximum: Math.min(limits.singlePutBytes, limits.objectBytes - size),
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
      draft: draftOf(request, piece, wrapped),
      manifest: object?.manifest.id,
    },
    'version',
    piece,
  );
  return written(bucket, reply);
}
