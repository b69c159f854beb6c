import type { ListedObject } from '../../metadata/index.ts';
import { isoDate } from '../http/dates.ts';
import { ownerElement } from './listing.ts';
import { keyText } from './xml/writer.ts';

/** One row of a listing of objects, with or without its owner. */
export function contents(object: ListedObject, url: boolean, owner: boolean): string {
  const { checksum, etagParts } = object;
  const parts = etagParts > 0 ? `-${etagParts}` : '';
  const sum =
    checksum === undefined
      ? ''
      : `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`;
  const who = owner ? ownerElement('Owner', object.owner) : '';
  return `<Contents><Key>${keyText(object.key, url)}</Key><LastModified>${isoDate(object.modifiedMs)}</LastModified><ETag>&quot;${object.etag.toString('hex')}${parts}&quot;</ETag>${sum}<Size>${object.size}</Size>${who}<StorageClass>${object.storageClass}</StorageClass></Contents>`;
}
