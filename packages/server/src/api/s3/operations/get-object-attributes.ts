import { StoreError } from '../../../errors.ts';
import { etagText, type ReadResult } from '../../../objects/index.ts';
import { judge, readConditions } from '../../http/conditions.ts';
import { httpDate } from '../../http/dates.ts';
import { answerHeaders, answerXml, header, type S3Call } from '../call.ts';
import { checksumElements, storedChecksumText } from '../checksums.ts';
import { customerKeyOf } from '../customer-keys.ts';
import { invalidArgument } from '../failure.ts';
import { pageSize } from '../listing.ts';
import { pushVersionId } from '../object-headers.ts';
import { element, s3Document } from '../xml/writer.ts';

const known = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'];

function wantedAttributes(call: S3Call): ReadonlySet<string> {
  const text = header(call, 'x-amz-object-attributes') ?? '';
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0)
    throw new StoreError('InvalidRequest', {
      message:
        'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    });
  for (const name of names)
    if (!known.includes(name))
      throw invalidArgument('x-amz-object-attributes', name, 'Invalid attribute name specified.');
  return new Set(names);
}

/** Parts in pages, asked for by header; shown with their checksums where they have some. */
function partsXml(call: S3Call, read: ReadResult): string {
  const count = read.version.partSizes.length;
  if (count === 0) return '';
  const marker = header(call, 'x-amz-part-number-marker') ?? '0';
  if (!/^[0-9]{1,5}$/.test(marker))
    throw invalidArgument('x-amz-part-number-marker', marker, 'The marker is not a part number.');
  const limit = pageSize(header(call, 'x-amz-max-parts'), 'x-amz-max-parts');
  const after = Number(marker);
  const parts = limit === 0 ? [] : read.parts(after, limit);
  const last = parts.at(-1)?.number ?? after;
  const rows = parts.map(
    ({ number, size, checksum }) =>
      `<Part>${checksum ? element(checksumElements[checksum.algorithm], storedChecksumText(checksum, 0)) : ''}<PartNumber>${number}</PartNumber><Size>${size}</Size></Part>`,
  );
  return `<ObjectParts><PartsCount>${count}</PartsCount><PartNumberMarker>${after}</PartNumberMarker><NextPartNumberMarker>${last}</NextPartNumberMarker><MaxParts>${limit}</MaxParts><IsTruncated>${limit > 0 && last < count}</IsTruncated>${rows.join('')}</ObjectParts>`;
}

export async function getObjectAttributes(call: S3Call): Promise<void> {
  const attributes = wantedAttributes(call);
  const read = await call.service.objects.read({
    bucket: call.bucket,
    key: call.key,
    versionId: call.query.get('versionId'),
    guard: undefined,
    customerKey: customerKeyOf(call),
  });
  const { bucket, version } = read;
  const etag = etagText(version).slice(1, -1);
  const conditions = readConditions(call.headers);
  const headers = answerHeaders(call);
  headers.push('Last-Modified', httpDate(version.modifiedMs));
  pushVersionId(headers, bucket, version);
  if (conditions) {
    const verdict = judge(conditions, etag, version.modifiedMs);
    if (verdict === 'not-modified') return call.exchange.send(304, headers);
    if (verdict !== 'proceed') throw new StoreError('PreconditionFailed', { detail: { Condition: verdict } });
  }
  const { checksum } = version;
  let inner = '';
  if (attributes.has('ETag')) inner += element('ETag', etag);
  if (attributes.has('Checksum') && checksum) {
    inner += `<Checksum>${element(checksumElements[checksum.algorithm], storedChecksumText(checksum, version.etagParts))}${element('ChecksumType', checksum.type)}</Checksum>`;
  }
  if (attributes.has('ObjectParts')) inner += partsXml(call, read);
  if (attributes.has('StorageClass')) inner += element('StorageClass', version.storageClass);
  if (attributes.has('ObjectSize')) inner += element('ObjectSize', version.size);
  answerXml(call, s3Document('GetObjectAttributesResponse', inner), headers);
}
