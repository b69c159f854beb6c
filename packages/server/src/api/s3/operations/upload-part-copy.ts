import { versionIdText } from '../../../objects/index.ts';
import { isoDate } from '../../http/dates.ts';
import { parseExactRange } from '../../http/ranges.ts';
import { answerHeaders, answerXml, header, type S3Call } from '../call.ts';
import { checksumElements, storedChecksumText } from '../checksums.ts';
import { copying, copySourceOf } from '../copy-source.ts';
import { partCustomerKeyOf } from '../customer-keys.ts';
import { invalidArgument } from '../failure.ts';
import { partEtag, uploadIdOf } from '../multipart.ts';
import { pushEncryption } from '../object-headers.ts';
import { partNumberOf } from '../representation.ts';
import { screenWrite } from '../screen.ts';
import { element, s3Document } from '../xml/writer.ts';

const rangeHeader = 'x-amz-copy-source-range';

export async function uploadPartCopy(call: S3Call): Promise<void> {
  screenWrite(call.headers);
  const uploadId = uploadIdOf(call);
  const number = partNumberOf(call.query.get('partNumber') ?? '');
  const upload = call.service.objects.upload(call.bucket, call.key, uploadId);
  const range = header(call, rangeHeader);
  const slice = range === undefined ? undefined : parseExactRange(range);
  if (range !== undefined && slice === undefined) {
    throw invalidArgument(
      rangeHeader,
      range,
      'The range is of the form bytes=first-last, the offsets of the first and the last byte to copy.',
    );
  }
  const source = copySourceOf(call);
  const customerKey = partCustomerKeyOf(call);
  const copied = await copying(
    call.service.objects.copyPart({ bucket: call.bucket, key: call.key, uploadId, number, source, slice, customerKey }),
  );
  call.service.accessLog?.copied(call.exchange, copied.source.size);
  const headers = answerHeaders(call);
  pushEncryption(headers, call, upload);
  if (source.versionId !== undefined || !copied.source.isNull)
    headers.push('x-amz-copy-source-version-id', versionIdText(copied.source));
  const { checksum } = copied.part.piece;
  const inner =
    element('LastModified', isoDate(copied.part.modifiedMs)) +
    element('ETag', partEtag(copied.part)) +
    (checksum ? element(checksumElements[checksum.algorithm], storedChecksumText(checksum, 0)) : '');
  answerXml(call, s3Document('CopyPartResult', inner), headers);
}
