import type { PartRecord } from '../../../metadata/index.ts';
import { isoDate } from '../../http/dates.ts';
import { answerHeaders, answerXml, type S3Call } from '../call.ts';
import { checksumElements, storedChecksumText } from '../checksums.ts';
import { invalidArgument } from '../failure.ts';
import { pushAbortion } from '../lifecycle.ts';
import { keyElement, ownerElement, pageSize, urlEncoded } from '../listing.ts';
import { partEtag, uploadIdOf } from '../multipart.ts';
import { element, s3Document } from '../xml/writer.ts';

function row(part: PartRecord): string {
  const { checksum, size } = part.piece;
  const sum = checksum ? element(checksumElements[checksum.algorithm], storedChecksumText(checksum, 0)) : '';
  return `<Part><PartNumber>${part.number}</PartNumber><LastModified>${isoDate(part.modifiedMs)}</LastModified>${element('ETag', partEtag(part))}<Size>${size}</Size>${sum}</Part>`;
}

function markerOf(call: S3Call): number {
  const text = call.query.get('part-number-marker');
  if (text === undefined || text === '') return 0;
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) > 2 ** 31 - 1)
    throw invalidArgument(
      'part-number-marker',
      text,
      'Argument part-number-marker must be an integer between 0 and 2147483647',
    );
  return Number(text);
}

export function listParts(call: S3Call): void {
  const uploadId = uploadIdOf(call);
  const limit = pageSize(call.query.get('max-parts'), 'max-parts');
  const after = markerOf(call);
  const { objects } = call.service;
  const { upload, page } = objects.listParts(call.bucket, call.key, uploadId, after, limit);
  // AWS sends a marker with the last page, too (0, when it is empty), with which its own SDK for JavaScript begins anew and never ends.
  const next = page.truncated ? (page.items.at(-1)?.number ?? after) : undefined;
  const headers = answerHeaders(call);
  pushAbortion(headers, call, upload.initiatedMs);
  answerXml(
    call,
    s3Document(
      'ListPartsResult',
      `${element('Bucket', call.bucket)}${keyElement('Key', call.key, urlEncoded(call))}${element('UploadId', uploadId)}${ownerElement('Initiator', upload.owner)}${ownerElement('Owner', upload.owner)}${element('StorageClass', upload.storageClass)}<PartNumberMarker>${after}</PartNumberMarker>${element('NextPartNumberMarker', next)}<MaxParts>${limit}</MaxParts><IsTruncated>${page.truncated}</IsTruncated>${element('ChecksumAlgorithm', upload.checksumAlgorithm)}${element('ChecksumType', upload.checksumType)}${page.items.map(row).join('')}`,
    ),
    headers,
  );
}
