import type { Guard } from '../../metadata/index.ts';
import { readConditions } from '../http/conditions.ts';
import { header, type S3Call } from './call.ts';
import { invalidArgument } from './failure.ts';

const untouchedHeader = 'x-dsom-if-untouched';

/**
 * The conditions of a write. Besides those of HTTP, `x-dsom-if-untouched: true`: nothing of the key is here, no version and no marker either. Unlike
 * `If-None-Match: *` it holds for what has not moved yet from the source of a bucket, and not for what was deleted here.
 * @throws StoreError InvalidArgument
 */
export function writeConditions(call: S3Call): Guard | undefined {
  const conditions = readConditions(call.headers);
  const untouched = header(call, untouchedHeader);
  if (untouched === undefined) return conditions;
  if (untouched !== 'true')
    throw invalidArgument(untouchedHeader, untouched, `${untouchedHeader} is true, or not there.`);
  return { ...conditions, ifUntouched: true };
}
