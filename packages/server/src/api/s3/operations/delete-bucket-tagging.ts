import { answerEmpty, type S3Call } from '../call.ts';

export async function deleteBucketTagging(call: S3Call): Promise<void> {
  await call.service.objects.updateBucket(call.bucket, { tags: [] });
  answerEmpty(call, 204);
}
