import type { UploadRecord } from '../../../metadata/index.ts';
import { uploadIdText } from '../../../objects/index.ts';
import { isoDate } from '../../http/dates.ts';
import { answerXml, type S3Call } from '../call.ts';
import { bytesOfParameter, echoed, keyElement, listingOf, ownerElement, prefixElement } from '../listing.ts';
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
      ? { items: [], truncated: false }
      : objects.listUploads({ bucket: call.bucket, prefix, delimiter, after: keyMarker, uploadIdMarker, limit });
  const rows: string[] = [];
  const prefixes: string[] = [];
  for (const item of page.items) {
    if ('prefix' in item) prefixes.push(prefixElement(item.prefix, url));
    else rows.push(row(item, url));
  }
  let next = '';
  const last = page.items.at(-1);
  if (page.truncated && last) {
    next =
      'prefix' in last
        ? `${keyElement('NextKeyMarker', last.prefix, url)}<NextUploadIdMarker/>`
        : keyElement('NextKeyMarker', last.key, url) + element('NextUploadIdMarker', uploadIdText(last.id));
  }
  answerXml(
    call,
    s3Document(
      'ListMultipartUploadsResult',
      `${element('Bucket', call.bucket)}${keyElement('KeyMarker', keyMarker, url)}${element('UploadIdMarker', uploadIdMarker ?? '')}${next}${keyElement('Prefix', prefix, url)}${echoed(listing)}<MaxUploads>${limit}</MaxUploads><IsTruncated>${page.truncated}</IsTruncated>${rows.join('')}${prefixes.join('')}`,
    ),
  );
}
