import { limits } from '../../../limits.ts';
import { answerEmpty, answerHeaders, type S3Call } from '../call.ts';
import { checksumHeaders, storedChecksumText } from '../checksums.ts';
import { partCustomerKeyOf } from '../customer-keys.ts';
import { takeBody } from '../incoming.ts';
import { partEtag, uploadIdOf } from '../multipart.ts';
import { pushEncryption, pushRedundancy } from '../object-headers.ts';
import { screenLockedPart } from '../object-lock.ts';
import { partNumberOf } from '../representation.ts';
import { screenWrite } from '../screen.ts';

export async function uploadPart(call: S3Call): Promise<void> {
  screenWrite(call.headers);
  const uploadId = uploadIdOf(call);
  const number = partNumberOf(call.query.get('partNumber') ?? '');
  const upload = call.service.objects.upload(call.bucket, call.key, uploadId);
  screenLockedPart(call, uploadId);
  const pending = takeBody(call, limits.partBytesMax);
  const { body, expected } = pending instanceof Promise ? await pending : pending;
  const part = await call.service.objects.putPart({
    bucket: call.bucket,
    key: call.key,
    uploadId,
    number,
    body,
    expected,
    customerKey: partCustomerKeyOf(call),
  });
  const headers = answerHeaders(call);
  headers.push('ETag', partEtag(part));
  pushEncryption(headers, call, upload);
  pushRedundancy(headers, call, part);
  const { checksum } = part.piece;
  if (checksum) headers.push(checksumHeaders[checksum.algorithm], storedChecksumText(checksum, 0));
  answerEmpty(call, 200, headers);
}
