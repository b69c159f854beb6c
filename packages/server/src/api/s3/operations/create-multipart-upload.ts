import { uploadIdText } from '../../../objects/index.ts';
import { ownedAs } from '../acl-request.ts';
import { answerHeaders, answerXml, header, type S3Call } from '../call.ts';
import { algorithmOf, checksumTypeOf } from '../checksums.ts';
import { newCustomerKeyOf } from '../customer-keys.ts';
import { describe, redundancyOf } from '../description.ts';
import { kmsOf, pushContext } from '../kms.ts';
import { pushAbortion } from '../lifecycle.ts';
import { pushEncryption } from '../object-headers.ts';
import { lockOfHeaders } from '../object-lock.ts';
import { screenMaking } from '../screen.ts';
import { element, s3Document } from '../xml/writer.ts';

export async function createMultipartUpload(call: S3Call): Promise<void> {
  screenMaking(call.headers);
  const text = header(call, 'x-amz-checksum-algorithm');
  const upload = await call.service.objects.createUpload({
    ...describe(call),
    bucket: call.bucket,
    key: call.key,
    ...ownedAs(call),
    checksumAlgorithm: text === undefined ? undefined : algorithmOf(text, 'x-amz-checksum-algorithm'),
    checksumType: checksumTypeOf(call),
    redundancy: redundancyOf(call),
    lock: lockOfHeaders(call),
    customerKey: newCustomerKeyOf(call),
    kms: kmsOf(call),
  });
  const { checksumAlgorithm, checksumType } = upload;
  const headers = answerHeaders(call);
  pushEncryption(headers, call, upload);
  if (upload.encryption?.kind === 'kms') pushContext(headers, upload.encryption);
  pushAbortion(headers, call, upload.initiatedMs);
  if (checksumAlgorithm && checksumType)
    headers.push('x-amz-checksum-algorithm', checksumAlgorithm, 'x-amz-checksum-type', checksumType);
  const inner =
    element('Bucket', call.bucket) +
    element('Key', call.key.toString('utf8')) +
    element('UploadId', uploadIdText(upload.id));
  answerXml(call, s3Document('InitiateMultipartUploadResult', inner), headers);
}
