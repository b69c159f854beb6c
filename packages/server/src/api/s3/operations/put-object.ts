import { limits } from '../../../limits.ts';
import { etagText } from '../../../objects/index.ts';
import { step } from '../../http/cohort.ts';
import { ownedAs } from '../acl-request.ts';
import { answerEmpty, header, type S3Call } from '../call.ts';
import { pushChecksum } from '../checksums.ts';
import { newCustomerKeyOf } from '../customer-keys.ts';
import { describe, redundancyOf } from '../description.ts';
import { invalidArgument } from '../failure.ts';
import { takeBody } from '../incoming.ts';
import { kmsOf } from '../kms.ts';
import { pushExpiration } from '../lifecycle.ts';
import { writtenHeaders } from '../object-headers.ts';
import { lockOfHeaders, screenLocked } from '../object-lock.ts';
import { screenMaking } from '../screen.ts';
import { writeConditions } from '../write-conditions.ts';

const offsetHeader = 'x-amz-write-offset-bytes';

/** Where the bytes shall begin in the object that is there; undefined where they are an object of their own. */
function offsetOf(call: S3Call): number | undefined {
  const text = header(call, offsetHeader);
  if (text === undefined) return undefined;
  const offset = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(offset))
    throw invalidArgument(offsetHeader, text, 'The offset is a whole number of bytes: the size that the object has.');
  return offset;
}

export async function putObject(call: S3Call): Promise<void> {
  screenMaking(call.headers, offsetHeader);
  const offset = offsetOf(call);
  const { owner, acl } = ownedAs(call);
  const { headers: described, metadata, tags, storageClass } = describe(call);
  const redundancy = redundancyOf(call);
  const customerKey = newCustomerKeyOf(call);
  const kms = kmsOf(call);
  const lock = lockOfHeaders(call);
  screenLocked(call, lock, 'Object');
  const guard = writeConditions(call);
  const pending = takeBody(call, limits.singlePutBytes);
  const { body, expected } = pending instanceof Promise ? await pending : pending;
  await step();
  const request = {
    headers: described,
    metadata,
    tags,
    storageClass,
    bucket: call.bucket,
    key: call.key,
    owner,
    acl,
    body,
    expected,
    guard,
    redundancy,
    lock,
    customerKey,
    kms,
  };
  const { objects } = call.service;
  const { bucket, version, position } = await (offset === undefined
    ? objects.put(request)
    : objects.append({ ...request, offset }));
  await step();
  const headers = writtenHeaders(call, bucket, version, position);
  pushExpiration(headers, call, version);
  headers.push('ETag', etagText(version));
  pushChecksum(headers, version.checksum, 0);
  if (offset !== undefined) headers.push('x-amz-object-size', String(version.size));
  answerEmpty(call, 200, headers);
}
