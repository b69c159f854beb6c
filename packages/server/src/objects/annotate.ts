import { limits } from '../limits.ts';
import {
  checkAcl,
  checkTags,
  type DescriptionChange,
  type Guard,
  type LockChange,
  type ObjectVersion,
} from '../metadata/index.ts';
import { archivedError, isArchived } from './archive.ts';
import { parseVersionId } from './ids.ts';
import { askForRecoding, checkStorageClass, preparePolicy } from './policy.ts';
import { written } from './publish.ts';
import { findVersion } from './read.ts';
import { propose, type Rooms } from './rooms.ts';
import type { PatchRequest, ReadRequest, Tags, WriteResult } from './types.ts';

/**
 * Changes what is said of an object, not its bytes. In a bucket that keeps versions the result is a new version that shares them; in one that
 * does not, or when a version is named, that version itself changes. The shard's owner works the change out, so none is lost to another.
 */
export async function patch(rooms: Rooms, request: PatchRequest): Promise<WriteResult> {
  const { headers, metadata, tags, guard, storageClass, policy } = request;
  if (storageClass !== undefined) checkStorageClass(rooms, storageClass);
  if (storageClass !== undefined) checkRestored(rooms, request, storageClass);
  if (policy) await preparePolicy(rooms, policy);
  const change = {
    ...(headers && { headers }),
    ...(metadata && { metadata }),
    ...(tags && { tags }),
    ...(storageClass !== undefined && { storageClass }),
    ...(policy !== undefined && { policy }),
  };
  if (storageClass !== undefined || policy !== undefined) await askForRecoding(rooms);
  return annotate(rooms, request, change, guard, request.versionId === undefined ? request.owner : undefined);
}

/** Who may not read what is archived may not make it readable by giving it another class. @throws StoreError InvalidObjectState */
function checkRestored(rooms: Rooms, request: PatchRequest, storageClass: string): void {
  const { version } = findVersion(rooms, request);
  if (isArchived(rooms, version) && !isArchived(rooms, { storageClass }))
    throw archivedError(
      version.storageClass,
      'An archived object must be restored before it gets another storage class.',
    );
}

/** Replaces the tags of one version where it is. */
export async function setTags(rooms: Rooms, request: ReadRequest, tags: Tags): Promise<ObjectVersion> {
  checkTags(tags, limits.tags);
  return (await annotate(rooms, request, { tags: { clear: true, set: tags } }, request.guard, undefined)).version;
}

/** Changes what one version is locked by, where it is. */
export async function setLock(
  rooms: Rooms,
  request: Omit<ReadRequest, 'guard'>,
  change: LockChange,
  bypasses: boolean,
): Promise<ObjectVersion> {
  const { bucket } = findVersion(rooms, request);
  const version = parseVersionId(request.versionId);
  const command = { type: 'object.lock', bucket: bucket.id, key: request.key, version, change, bypasses } as const;
  return (await propose(rooms, command, 'version')).version;
}

/** Replaces the access control list of one version where it is. */
export async function setAcl(rooms: Rooms, request: ReadRequest, acl: Buffer | null): Promise<ObjectVersion> {
  if (acl) checkAcl(acl);
  return (await annotate(rooms, request, { acl }, request.guard, undefined)).version;
}

async function annotate(
  rooms: Rooms,
  request: ReadRequest,
  change: DescriptionChange,
  guard: Guard | undefined,
  renew: string | undefined,
): Promise<WriteResult> {
  const { bucket } = findVersion(rooms, request);
  const version = parseVersionId(request.versionId);
  const about = { type: 'object.annotate', bucket: bucket.id, key: request.key, version, guard, change } as const;
  const reply = await propose(rooms, renew === undefined ? about : { ...about, renew }, 'version');
  return written(bucket, reply);
}
