import type { UploadRecord } from '../../../metadata/index.ts';
import { uploadIdText } from '../../../objects/index.ts';
import { isoDate } from '../../http/dates.ts';
import { answerXml, type S3Call } from '../call.ts';
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

function row(upload: UploadRecord, url: boolean): string {
  const owner = ownerElement('Initiator', upload.owner) + ownerElement('Owner', upload.owner);
  const sum = element('ChecksumAlgorithm', upload.checksumAlgorithm) + element('ChecksumType', upload.checksumType);
  return `<Upload><Key>${keyText(upload.key, url)}</Key><UploadId>${uploadIdText(upload.id)}</UploadId>${owner}<StorageClass>${upload.storageClass}</StorageClass><Initiated>${isoDate(upload.initiatedMs)}</Initiated>${sum}</Upload>`;
}

export function listMultipartUploads(call: S3Call): void {
  const listing = listingOf(call, 'max-uploads');
  const { prefix, delimiter, limit, url } = listing;
  const keyMarker = bytesOfParameter(call, 'key-marker');
  // Without a key an upload id says nothing about where to go on.
  const uploadIdMarker = keyMarker.length === 0 ? undefined : call.query.get('upload-id-marker') || undefined;
  const { objects } = call.service;
  objects.bucket(call.bucket);
  const page =
    limit === 0
      ? emptyPage
      : objects.listUploads({ bucket: call.bucket, prefix, delimiter, after: keyMarker, uploadIdMarker, limit });
  const { rows, last } = pageXml<UploadRecord>(page, url, row);
  const id = last && 'id' in last ? uploadIdText(last.id) : '';
  const next = last ? keyElement('NextKeyMarker', placeOf(last), url) + element('NextUploadIdMarker', id) : '';
  answerXml(
    call,
    s3Document(
      'ListMultipartUploadsResult',
      `${element('Bucket', call.bucket)}${keyElement('KeyMarker', keyMarker, url)}${element('UploadIdMarker', uploadIdMarker ?? '')}${next}${keyElement('Prefix', prefix, url)}${echoed(listing)}<MaxUploads>${limit}</MaxUploads><IsTruncated>${page.truncated}</IsTruncated>${rows}`,
    ),
  );
}
