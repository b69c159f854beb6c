import type { ChecksumAlgorithm } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import {
  type BucketRecord,
  checkAcl,
  checkHeaders,
  checkMetadata,
  checkTags,
  type ObjectChecksum,
  type ObjectVersion,
} from '../metadata/index.ts';
import { again } from './again.ts';
import { archivedError, isArchived } from './archive.ts';
import { checkMayKeep } from './checksums.ts';
import { mayShrink } from './compression.ts';
import { checkSource } from './conditions.ts';
import { checkKey } from './describing.ts';
import { openedKeyOf, wrappingFor } from './encryption.ts';
import type { ReadHorizon } from './horizon.ts';
import { parseVersionId } from './ids.ts';
import { takeBody } from './intake.ts';
import type { Found } from './outlet.ts';
import { askForRecoding, checkStorageClass, isSamePolicy, keptWith, preparePolicy, writtenWith } from './policy.ts';
import { publish, written } from './publish.ts';
import { draftFrom, draftOf } from './put.ts';
import { bodyFrom, findVersion, readChecksum } from './read.ts';
import { bucketKey, findBucket, propose, type Rooms } from './rooms.ts';
import type { CopyRequest, CopySource, WriteResult } from './types.ts';

type CopyResult = WriteResult & { readonly source: ObjectVersion };

/**
 * Looks up what is to be copied.
 * @throws StoreError as a read does, but InvalidRequest for a marker named by its id, PreconditionFailed for every condition, and InvalidObjectState for what is archived
 */
export function findSource(rooms: Rooms, source: CopySource): Found {
  let found: Found;
  try {
    found = findVersion(rooms, source);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'MethodNotAllowed') throw error;
    throw new StoreError('InvalidRequest', {
      message: 'The source of a copy request may not specifically refer to a delete marker by version id.',
    });
  }
  checkSource(source.guard, found.version);
  if (isArchived(rooms, found.version))
    throw archivedError(found.version.storageClass, "Operation is not valid for the source object's storage class");
  return found;
}

/**
 * A new version that shares the source's bytes, where source and target are in one shard: only the object key is wrapped anew, under the target bucket's key. The ETag stays that of
 * the source, also when it was made of parts (S3 computes a new one then, from bytes that are read again).
 */
export async function copy(rooms: Rooms, horizon: ReadHorizon, request: CopyRequest): Promise<CopyResult> {
  checkKey(request.key);
  checkStorageClass(rooms, request.storageClass);
  checkMayKeep(rooms, request.checksumAlgorithm);
  if (request.redundancy) await preparePolicy(rooms, request.redundancy);
  if (request.headers) checkHeaders(request.headers);
  if (request.metadata) checkMetadata(request.metadata);
  if (request.tags) checkTags(request.tags, limits.tags);
  if (request.acl) checkAcl(request.acl);
  return again(() => copyOnce(rooms, horizon, request));
}

async function copyOnce(rooms: Rooms, horizon: ReadHorizon, request: CopyRequest): Promise<CopyResult> {
  const bucket = findBucket(rooms, request.bucket);
  const found = findSource(rooms, request.source);
  const { version } = found;
  const from = found.bucket;
  if (from.id === bucket.id && request.key.equals(request.source.key)) checkChanges(request, version);
  const sourceKey = await bucketKey(rooms, from);
  if (rooms.reader.shardOf(from.id, request.source.key) !== rooms.reader.shardOf(bucket.id, request.key))
    return { ...(await rewrite(rooms, horizon, request, bucket, found)), source: version };
  const { keys, said } = await wrappingFor(rooms, bucket, request);
  const wrapped = keys.wrapObjectKey(await openedKeyOf(rooms, sourceKey, version, request.source.customerKey));
  const checksum = await checksumOf(rooms, horizon, request, found);
  const draft = {
    ...draftFrom(version, wrapped),
    ...request.lock,
    ...said,
    storageClass: request.storageClass,
    ...(request.redundancy && { policy: request.redundancy }),
    headers: headersOf(request, version),
    metadata: request.metadata ?? version.metadata,
    tags: request.tags ?? version.tags,
    // Who may read the source is no reason that he may read the copy.
    ...(request.acl && { acl: request.acl }),
    checksum,
  };
  const { key, owner, guard } = request;
  const source = {
    bucket: from.id,
    key: request.source.key,
    version: parseVersionId(request.source.versionId),
    manifest: version.manifest.id,
  };
  const wanted = keptWith(rooms, bucket, draft).policy;
  const now = keptWith(rooms, from, version).policy;
  // The bytes are shared at once, and kept in the wanted way as soon as the background comes to it.
  if (wanted && ('hot' in wanted || !isSamePolicy(wanted, now))) await askForRecoding(rooms);
  const command = { type: 'object.share', bucket: bucket.id, key, owner, guard, draft, source } as const;
  return { ...written(bucket, await propose(rooms, command, 'version')), source: version };
}

/**
 * A copy to another shard, which cannot share the bytes: they are read and written again under a key of their own. As with S3, the ETag is that of the
 * new bytes, and what was made of parts is not any more.
 * @throws StoreError InvalidRequest when the source is too large to be written at once
 */
async function rewrite(
  rooms: Rooms,
  horizon: ReadHorizon,
  request: CopyRequest,
  bucket: BucketRecord,
  found: Found,
): Promise<WriteResult> {
  const { version } = found;
  if (version.size > limits.singlePutBytes)
    throw new StoreError('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${limits.singlePutBytes}. Copy it in parts.`,
    });
  const describing = {
    storageClass: request.storageClass,
    headers: headersOf(request, version),
    metadata: request.metadata ?? version.metadata,
    tags: request.tags ?? version.tags,
    acl: request.acl,
  };
  const own = request.redundancy && { policy: request.redundancy };
  const kept = keptWith(rooms, bucket, { storageClass: request.storageClass, ...own });
  if (kept.policy && 'hot' in kept.policy) await askForRecoding(rooms);
  const { keys, said } = await wrappingFor(rooms, bucket, request);
  const { key, wrapped } = keys.newObjectKey();
  const whole = { start: 0, end: version.size };
  const body = await bodyFrom(rooms, horizon, found, whole, request.source.customerKey);
  const piece = await takeBody(
    rooms,
    { ...body, whose: request.owner },
    {
      key,
      redundancy: writtenWith(kept.policy),
      mayInline: kept.mayInline,
      pack: mayShrink(describing.headers),
      expected: {},
      keep: request.checksumAlgorithm ?? version.checksum?.algorithm,
      maximum: limits.singlePutBytes,
      shard: rooms.reader.shardOf(bucket.id, request.key),
    },
  );
  const { owner, guard } = request;
  const draft = {
    ...draftOf(describing, piece, wrapped),
    ...own,
    ...request.lock,
    ...said,
  };
  const command = {
    type: 'object.put',
    bucket: bucket.id,
    key: request.key,
    owner,
    guard,
    draft,
    pieces: [piece],
  } as const;
  return written(bucket, await publish(rooms, command, 'version', piece));
}

function headersOf({ headers, redirect }: CopyRequest, version: ObjectVersion): ObjectVersion['headers'] {
  if (headers !== undefined) return headers;
  if (redirect === undefined) return version.headers;
  const { websiteRedirectLocation: _, ...others } = version.headers;
  return redirect === null ? others : { ...others, websiteRedirectLocation: redirect };
}

/** A copy of the newest version onto itself must change something. */
function checkChanges(request: CopyRequest, version: ObjectVersion): void {
  const changes =
    request.source.versionId !== undefined ||
    request.headers !== undefined ||
    request.metadata !== undefined ||
    request.redundancy !== undefined ||
    request.customerKey !== undefined ||
    request.kms != null ||
    version.encryption !== undefined ||
    typeof request.redirect === 'string' ||
    request.encryptionSaid === true ||
    request.storageClass !== version.storageClass ||
    keptChecksum(request.checksumAlgorithm, version) === undefined;
  if (changes) return;
  throw new StoreError('InvalidRequest', {
    message:
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  });
}

/** The source's checksum as an object of none when it serves the copy; undefined when another must be computed. */
function keptChecksum(
  wanted: ChecksumAlgorithm | undefined,
  version: ObjectVersion,
): { readonly checksum: ObjectChecksum | undefined } | undefined {
  const { checksum } = version;
  if (wanted === undefined) return { checksum };
  return checksum?.algorithm === wanted && checksum.type === 'FULL_OBJECT' ? { checksum } : undefined;
}

async function checksumOf(
  rooms: Rooms,
  horizon: ReadHorizon,
  request: CopyRequest,
  found: Found,
): Promise<ObjectChecksum | undefined> {
  const kept = keptChecksum(request.checksumAlgorithm, found.version);
  if (kept) return kept.checksum;
  const algorithm = request.checksumAlgorithm as ChecksumAlgorithm;
  const whole = { start: 0, end: found.version.size };
  return readChecksum(rooms, horizon, found, whole, request.source.customerKey, algorithm);
}
