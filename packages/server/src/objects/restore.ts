import { StoreError } from '../errors.ts';
import type { ObjectVersion } from '../metadata/index.ts';
import { again } from './again.ts';
import { archivedError, archivesOf, isArchive } from './archive.ts';
import { parseVersionId } from './ids.ts';
import { findVersion } from './read.ts';
import { propose, type Rooms } from './rooms.ts';
import type { RestoreRequest } from './types.ts';

/**
 * Asks for a version to be restored, or for what is restored to stay for longer.
 * @returns the version: its restore is under way, or it was restored before
 * @throws StoreError InvalidObjectState where it is not archived, RestoreAlreadyInProgress, InvalidArgument; and as a read where it is not there
 */
export async function restore(rooms: Rooms, request: RestoreRequest): Promise<ObjectVersion> {
  const { key, days, tier, dayMs } = request;
  const selector = parseVersionId(request.versionId);
  return again(async () => {
    const { bucket, version } = findVersion(rooms, request);
    const { storageClass } = version;
    const delays = isArchive(rooms.reader, storageClass) ? archivesOf(rooms.reader).get(storageClass) : undefined;
    if (!delays) throw archivedError(storageClass, "Restore is not allowed for the object's current storage class");
    if (tier === 'Expedited' && storageClass === 'DEEP_ARCHIVE')
      throw new StoreError('InvalidArgument', {
        message: 'Retrieval option is not supported by this storage class: use Standard or Bulk.',
        detail: { ArgumentName: 'Tier', ArgumentValue: tier },
      });
    const about = { type: 'object.restore', bucket: bucket.id, key, version: selector } as const;
    const command = { ...about, storageClass, days, tier, delayMs: delays[tier], dayMs };
    return (await propose(rooms, command, 'version')).version;
  });
}
