import { limits } from '../../../limits.ts';
import { etagText } from '../../../objects/index.ts';
import { step } from '../../http/cohort.ts';
import { readConditions } from '../../http/conditions.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { pushChecksum } from '../checksums.ts';
import { describe, redundancyOf } from '../description.ts';
import { takeBody } from '../incoming.ts';
import { writtenHeaders } from '../object-headers.ts';
import { screenWrite } from '../screen.ts';

export async function putObject(call: S3Call): Promise<void> {
  screenWrite(call.headers);
  const described = describe(call);
  const redundancy = redundancyOf(call);
  const guard = readConditions(call.headers);
  const pending = takeBody(call, limits.singlePutBytes);
  const { body, expected } = pending instanceof Promise ? await pending : pending;
  await step();
  const { bucket, version, position } = await call.service.objects.put({
    ...described,
    bucket: call.bucket,
    key: call.key,
    owner: call.owner,
    body,
    expected,
    guard,
    redundancy,
  });
  await step();
  const headers = writtenHeaders(call, bucket, version, position);
  headers.push('ETag', etagText(version));
  pushChecksum(headers, version.checksum, 0);
  answerEmpty(call, 200, headers);
}
