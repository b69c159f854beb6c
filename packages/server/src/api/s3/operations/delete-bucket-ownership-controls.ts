import { answerEmpty, type S3Call } from '../call.ts';
import { ownershipForm } from '../configurations/simple.ts';

/** Leaves an empty document, which tells a bucket whose controls were taken away from one that never had others. */
export async function deleteBucketOwnershipControls(call: S3Call): Promise<void> {
  await call.service.objects.configure(call.bucket, ownershipForm.kind, Buffer.alloc(0));
  answerEmpty(call, 204);
}
