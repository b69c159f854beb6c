import type { ListedVersion } from '../../../metadata/index.ts';
import { versionIdText } from '../../../objects/index.ts';
import { isoDate } from '../../http/dates.ts';
import { answerXml, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { restoreStatus } from '../listed-object.ts';
import {
  bytesOfParameter,
  echoed,
  emptyPage,
  keyElement,
  listingOf,
  ownerElement,
  pageXml,
  placeOf,
} from '../listing.ts';
import { element, keyText, s3Document } from '../xml/writer.ts';

function row({ key, record, isLatest }: ListedVersion, url: boolean, restores: boolean): string {
  const identity = `<Key>${keyText(key, url)}</Key><VersionId>${versionIdText(record)}</VersionId><IsLatest>${isLatest}</IsLatest><LastModified>${isoDate(record.modifiedMs)}</LastModified>`;
  const owner = ownerElement('Owner', record.owner);
  if (record.kind === 'marker') return `<DeleteMarker>${identity}${owner}</DeleteMarker>`;
  const { checksum, etag, etagParts, size, storageClass } = record;
  const sum = checksum
    ? `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`
    : '';
  const status = restores ? restoreStatus(record.restore) : '';
  return `<Version>${identity}<ETag>&quot;${etag.toString('hex')}${etagParts > 0 ? `-${etagParts}` : ''}&quot;</ETag>${sum}<Size>${size}</Size><StorageClass>${storageClass}</StorageClass>${owner}${status}</Version>`;
}

export function listObjectVersions(call: S3Call): void {
  const listing = listingOf(call, 'max-keys', 'maxKeys');
  const { prefix, delimiter, limit, url, restores } = listing;
  const keyMarker = bytesOfParameter(call, 'key-marker');
  const marker = call.query.get('version-id-marker');
  const versionMarker = marker === '' ? undefined : marker;
  if (versionMarker !== undefined && keyMarker.length === 0) {
    throw invalidArgument(
      'version-id-marker',
      versionMarker,
      'A version-id marker cannot be specified without a key marker.',
    );
  }
  const { objects } = call.service;
  objects.bucket(call.bucket);
  const page =
    limit === 0
      ? emptyPage
      : objects.listVersions({ bucket: call.bucket, prefix, delimiter, after: keyMarker, versionMarker, limit });
  const { rows, last } = pageXml<ListedVersion>(page, url, (version) => row(version, url, restores));
  const id = last && 'record' in last ? element('NextVersionIdMarker', versionIdText(last.record)) : '';
  const next = last ? keyElement('NextKeyMarker', placeOf(last), url) + id : '';
  answerXml(
    call,
    s3Document(
      'ListVersionsResult',
      `${element('Name', call.bucket)}${keyElement('Prefix', prefix, url)}${keyElement('KeyMarker', keyMarker, url)}${element('VersionIdMarker', versionMarker ?? '')}${next}<MaxKeys>${limit}</MaxKeys>${echoed(listing)}<IsTruncated>${page.truncated}</IsTruncated>${rows}`,
    ),
  );
}
