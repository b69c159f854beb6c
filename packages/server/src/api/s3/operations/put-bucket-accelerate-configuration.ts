import { StoreError } from '../../../errors.ts';
import type { S3Call } from '../call.ts';
import { putConfiguration } from '../configurations/form.ts';
import { accelerateForm } from '../configurations/simple.ts';

/** Kept and answered: there are no edge locations that it could turn on, and every address stays as fast as it is. */
export function putBucketAccelerateConfiguration(call: S3Call): Promise<void> {
  if (call.bucket.includes('.'))
    throw new StoreError('InvalidRequest', {
      message: 'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
    });
  return putConfiguration(call, accelerateForm);
}
