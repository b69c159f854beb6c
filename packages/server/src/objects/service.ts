import { StoreError } from '../errors.ts';
import { patch, setAcl, setLock, setTags } from './annotate.ts';
import { announcing } from './announce.ts';
import { append } from './append.ts';
import { configureBucket, createBucket, deleteBucket, updateBucket } from './buckets.ts';
import { completeUpload } from './complete.ts';
import { copy } from './copy.ts';
import { ReadHorizon } from './horizon.ts';
import { kmsAdministration } from './kms.ts';
import { list, listUploads, listVersions } from './listing.ts';
import { storageClassesOf } from './policy.ts';
import { put } from './put.ts';
import { findVersion, read } from './read.ts';
import { remove } from './remove.ts';
import { rename } from './rename.ts';
import { restore } from './restore.ts';
import { rewrap } from './rewrap.ts';
import { findBucket, type Rooms } from './rooms.ts';
import { storedOf, storedVersion } from './stored.ts';
import { Touches } from './touches.ts';
import type { ObjectService } from './types.ts';
import { abortUpload, copyPart, createUpload, findUpload, listParts, putPart } from './uploads.ts';
import { writing } from './writing.ts';

/**
 * The object service of one thread, over the rooms that it stands on. It keeps no state but which reads are under way.
 * @param horizon where others of this thread note what they read
 */
export function createObjectService(rooms: Rooms, horizon = new ReadHorizon(rooms.host.clock)): ObjectService {
  return serviceOver(rooms, horizon, new Touches(rooms.proposer, rooms.host));
}

function serviceOver(rooms: Rooms, horizon: ReadHorizon, touches: Touches): ObjectService {
  return {
    announcing: (announcer) =>
      serviceOver({ ...rooms, proposer: announcing(rooms.proposer, announcer) }, horizon, touches),
    by(user) {
      const { quotas } = rooms.reader;
      if (!quotas.any() || !quotas.of({ kind: 'user', user })) return undefined;
      return serviceOver({ ...rooms, proposer: writing(rooms.proposer, user) }, horizon, touches);
    },
    plain: rooms.plain === true,
    kms: kmsAdministration(rooms),
    createBucket: (request) => createBucket(rooms, request),
    deleteBucket: (name) => deleteBucket(rooms, name),
    bucket: (name) => findBucket(rooms, name),
    buckets: (start, limit) => rooms.reader.buckets(start, limit),
    updateBucket: (name, change) => updateBucket(rooms, name, change),
    configuration: (name, kind) => rooms.reader.configuration(findBucket(rooms, name).id, kind),
    configure: (name, kind, document, expected) => configureBucket(rooms, name, kind, document, expected),
    put: (request) => put(rooms, request),
    read: (request) => read(rooms, horizon, request, touches),
    look: (request) => findVersion(rooms, request),
    copy: (request) => copy(rooms, horizon, request),
    append: (request) => append(rooms, request),
    rename: (request) => rename(rooms, horizon, request),
    patch: (request) => patch(rooms, request),
    setTags: (request, tags) => setTags(rooms, request, tags),
    setAcl: (request, acl) => setAcl(rooms, request, acl),
    setLock: (request, change, bypasses) => setLock(rooms, request, change, bypasses),
    rewrap: (request, kms) => rewrap(rooms, request, kms),
    restore: (request) => restore(rooms, request),
    delete: (bucket, owner, items, bypasses) => remove(rooms, bucket, owner, items, bypasses),
    byGuk(guk) {
      const found = rooms.reader.byGuk(guk);
      if (!found) throw new StoreError('NotFound', { resource: guk.toString('hex') });
      const bucket = rooms.reader.bucketById(found.bucket);
      // Where bucket and object are in two shards, this node may not know of the bucket yet.
      if (!bucket) throw new StoreError('NotFound', { resource: guk.toString('hex') });
      return { bucket: bucket.name, key: found.key };
    },
    list: (query) => list(rooms, query),
    // Here is all that there is (sources/ knows of more).
    listThrough: (query) => list(rooms, query),
    arrive: () => undefined,
    listVersions: (query) => listVersions(rooms, query),
    createUpload: (request) => createUpload(rooms, request),
    upload: (bucket, key, uploadId) => findUpload(rooms, bucket, key, uploadId).upload,
    putPart: (request) => putPart(rooms, request),
    copyPart: (request) => copyPart(rooms, horizon, request),
    completeUpload: (request) => completeUpload(rooms, request),
    abortUpload: (bucket, key, uploadId) => abortUpload(rooms, bucket, key, uploadId),
    listUploads: (query) => listUploads(rooms, query),
    listParts: (bucket, key, uploadId, after, limit) => listParts(rooms, bucket, key, uploadId, after, limit),
    storageClasses: () => storageClassesOf(rooms),
    stored: (what) => ('piece' in what ? storedOf(rooms, [what.piece]) : storedVersion(rooms, what)),
    positions(bucket) {
      const { reader } = rooms;
      const shards = reader.shardsOf(findBucket(rooms, bucket).id);
      return [...new Set([...shards, 0])].map((shard) => reader.position(shard));
    },
    oldestRead: (shard) => horizon.oldest(shard),
  };
}
