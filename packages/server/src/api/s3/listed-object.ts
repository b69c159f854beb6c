import type { ListedObject, Restore } from '../../metadata/index.ts';
import { isoDate } from '../http/dates.ts';
import { ownerElement } from './listing.ts';
import { keyText } from './xml/writer.ts';

/** What a listing says of a restore, where it was asked for. */
export function restoreStatus(restore: Restore | undefined): string {
  if (!restore) return '';
  const until =
    restore.state === 'restored' ? `<RestoreExpiryDate>${isoDate(restore.untilMs)}</RestoreExpiryDate>` : '';
  return `<RestoreStatus><IsRestoreInProgress>${restore.state === 'ongoing'}</IsRestoreInProgress>${until}</RestoreStatus>`;
}

/** One row of a listing of objects, with or without its owner. */
export function contents(object: ListedObject, url: boolean, owner: boolean): string {
  const { checksum, etagParts } = object;
  const parts = etagParts > 0 ? `-${etagParts}` : '';
  const sum =
    checksum === undefined
      ? ''
      : `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`;
  const who = owner ? ownerElement('Owner', object.owner) : '';
  return `<Contents><Key>${keyText(object.key, url)}</Key><LastModified>${isoDate(object.modifiedMs)}</LastModified><ETag>&quot;${object.etag.toString('hex')}${parts}&quot;</ETag>${sum}<Size>${object.size}</Size>${who}<StorageClass>${object.storageClass}</StorageClass>${restoreStatus(object.restore)}</Contents>`;
}
