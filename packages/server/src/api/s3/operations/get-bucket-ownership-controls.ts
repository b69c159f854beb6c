import { StoreError } from '../../../errors.ts';
import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { ownershipForm } from '../configurations/simple.ts';

/** A bucket has them from the start, until they are taken away. */
export function getBucketOwnershipControls(call: S3Call): void {
  const kept = call.service.objects.configuration(call.bucket, ownershipForm.kind);
  if (kept?.length === 0) throw new StoreError('OwnershipControlsNotFoundError');
  getConfiguration(call, ownershipForm);
}
