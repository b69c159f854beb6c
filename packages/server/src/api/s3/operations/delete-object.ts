import { StoreError } from '../../../errors.ts';
import { invariant } from '../../../invariant.ts';
import type { Guard } from '../../../metadata/index.ts';
import { versionIdText } from '../../../objects/index.ts';
import { parseDate } from '../../http/dates.ts';
import { answerEmpty, answerHeaders, header, type S3Call } from '../call.ts';
import { invalidArgument } from '../failure.ts';
import { bypassesGovernance } from '../object-lock.ts';

/** Conditions of a delete: ETag, size and time of the object that may go away. */
function deleteGuard(call: S3Call): Guard | undefined {
  const ifMatch = header(call, 'if-match');
  const time = header(call, 'x-amz-if-match-last-modified-time');
  const size = header(call, 'x-amz-if-match-size');
  if (ifMatch === undefined && time === undefined && size === undefined) return undefined;
  const ifModifiedAtMs = time === undefined ? undefined : parseDate(time);
  if (time !== undefined && ifModifiedAtMs === undefined)
    throw invalidArgument('x-amz-if-match-last-modified-time', time, 'The time is not valid.');
  if (size !== undefined && !/^[0-9]{1,15}$/.test(size))
    throw invalidArgument('x-amz-if-match-size', size, 'The size is not a whole number.');
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifModifiedAtMs !== undefined && { ifModifiedAtMs }),
    ...(size !== undefined && { ifSize: Number(size) }),
  };
}

export async function deleteObject(call: S3Call): Promise<void> {
  const versionId = call.query.get('versionId');
  const items = [{ key: call.key, versionId, guard: deleteGuard(call) }];
  const results = await call.service.objects.delete(call.bucket, call.owner, items, bypassesGovernance(call));
  const result = results[0];
  invariant(result, 'a delete of one key has one result');
  if (result.error) throw new StoreError(result.error.code, { message: result.error.message });
  const headers = answerHeaders(call);
  if (result.marker) headers.push('x-amz-delete-marker', 'true');
  if (versionId !== undefined) headers.push('x-amz-version-id', versionId);
  else if (result.marker && result.version) headers.push('x-amz-version-id', versionIdText(result.version));
  answerEmpty(call, 204, headers);
}
