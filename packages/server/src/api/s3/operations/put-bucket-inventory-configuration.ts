import { StoreError } from '../../../errors.ts';
import { bucketNamed } from '../bucket-rules.ts';
import type { S3Call } from '../call.ts';
import { inventoryForm } from '../configurations/inventory.ts';
import { putListed } from '../configurations/listed.ts';

/** The destination is there, and belongs to whom the bucket belongs to. */
export function putBucketInventoryConfiguration(call: S3Call): Promise<void> {
  const { objects } = call.service;
  return putListed(call, inventoryForm, ({ bucket }) => {
    const source = objects.bucket(call.bucket);
    const target = bucketNamed(objects, bucket);
    if (target?.owner === source.owner) return;
    throw new StoreError('InvalidS3DestinationBucket', {
      message: target
        ? 'The owner of the destination bucket and of the source bucket must be the same.'
        : 'The destination bucket does not exist.',
      detail: { Bucket: bucket },
    });
  });
}
