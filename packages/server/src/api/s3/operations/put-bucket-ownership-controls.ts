import { grantsOf } from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import { keptGrants } from '../acl-request.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { documentOf, takeConfiguration } from '../configurations/form.ts';
import { ownershipForm } from '../configurations/simple.ts';

/** A bucket that lets others in by its list must take that back before lists are turned off: nobody shall lose access unasked. */
export async function putBucketOwnershipControls(call: S3Call): Promise<void> {
  const { objects } = call.service;
  const ownership = await takeConfiguration(call, ownershipForm);
  const acl = objects.configuration(call.bucket, 'acl');
  const { owner } = objects.bucket(call.bucket);
  if (ownership === 'BucketOwnerEnforced' && acl && keptGrants(grantsOf(acl), owner) !== null)
    throw new StoreError('InvalidBucketAclWithObjectOwnership');
  await objects.configure(call.bucket, ownershipForm.kind, documentOf(ownershipForm, ownership));
  answerEmpty(call, 200);
}
