import type { ListedObject } from '../../metadata/index.ts';
import { isoDate } from '../http/dates.ts';
import { type Listing, ownerElement, prefixElement } from './listing.ts';
import { keyText } from './xml/writer.ts';

/** One row of a listing of objects, with or without its owner. */
function contents(object: ListedObject, url: boolean, owner: boolean): string {
  const { checksum, etagParts } = object;
  const parts = etagParts > 0 ? `-${etagParts}` : '';
  const sum =
    checksum === undefined
      ? ''
      : `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`;
  const who = owner ? ownerElement('Owner', object.owner) : '';
  return `<Contents><Key>${keyText(object.key, url)}</Key><LastModified>${isoDate(object.modifiedMs)}</LastModified><ETag>&quot;${object.etag.toString('hex')}${parts}&quot;</ETag>${sum}<Size>${object.size}</Size>${who}<StorageClass>${object.storageClass}</StorageClass></Contents>`;
}

/** All rows of a page as XML: objects, then common prefixes; and the last of them, where the next page goes on. */
export function pageXml(
  items: readonly (ListedObject | { readonly prefix: Buffer })[],
  listing: Listing,
  owner: boolean,
): { readonly rows: string; readonly last: Buffer | undefined } {
  const objects: string[] = [];
  const prefixes: string[] = [];
  let last: Buffer | undefined;
  for (const item of items) {
    if ('prefix' in item) {
      prefixes.push(prefixElement(item.prefix, listing.url));
      last = item.prefix;
    } else {
      objects.push(contents(item, listing.url, owner));
      last = item.key;
    }
  }
  return { rows: prefixes.length === 0 ? objects.join('') : objects.join('') + prefixes.join(''), last };
}
