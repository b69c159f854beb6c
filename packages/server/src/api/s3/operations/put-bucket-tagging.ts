import { limits } from '../../../limits.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { factsOf } from '../facts.ts';
import { requireDocument } from '../incoming.ts';
import { tagsOfDocument } from '../tags.ts';

export async function putBucketTagging(call: S3Call): Promise<void> {
  const tags = tagsOfDocument(await requireDocument(call, 'Tagging'), limits.bucketTags);
  await call.authorization.require('PutBucketTagging', { ...factsOf(call), said: { tags } });
  await call.service.objects.updateBucket(call.bucket, { tags });
  answerEmpty(call, 204);
}
