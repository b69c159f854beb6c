import { StoreError } from '../errors.ts';
import { archivesSetting, type MetadataReader, type ObjectVersion, type RestoreTier } from '../metadata/index.ts';
import type { Rooms } from './rooms.ts';
import { mapSetting } from './setting.ts';

/*
 * Archives: storage classes whose objects are read only once they were restored, for the days that were asked for. Which they are, and how long a restore takes,
 * the operator says. The bytes lie where they lie: what is restored is a mark of the version, not a second copy of it.
 */

/** How long each tier of a restore takes, ms. */
export type RestoreDelays = Readonly<Record<RestoreTier, number>>;

/** Classes that can be archives: those of which clients of S3 know that they have to be restored. */
export const archiveNames: readonly string[] = ['GLACIER', 'DEEP_ARCHIVE'];

/** Those that are, with how long a restore takes. */
export const archivesOf = mapSetting<RestoreDelays>(archivesSetting);

/** Whether objects of the class are archived. Asked for every read: other names cost no look-up. */
export const isArchive = (reader: MetadataReader, name: string): boolean =>
  archiveNames.includes(name) && archivesOf(reader).has(name);

/** Whether a version cannot be read now. */
export const isArchived = (
  { reader }: Pick<Rooms, 'reader'>,
  { storageClass, restore }: Pick<ObjectVersion, 'storageClass' | 'restore'>,
): boolean => restore?.state !== 'restored' && isArchive(reader, storageClass);

/** What a read of an archived version is answered. */
export const archivedError = (
  storageClass: string,
  message = "The operation is not valid for the object's storage class",
): StoreError => new StoreError('InvalidObjectState', { message, detail: { StorageClass: storageClass } });

/** @throws StoreError InvalidObjectState for what is archived, restored or not: it stays as it was archived */
export function checkNotArchive(
  { reader }: Pick<Rooms, 'reader'>,
  { storageClass }: Pick<ObjectVersion, 'storageClass'>,
) {
  if (isArchive(reader, storageClass))
    throw archivedError(
      storageClass,
      'An archived object is not appended to: restore it, and copy it to another storage class first.',
    );
}
