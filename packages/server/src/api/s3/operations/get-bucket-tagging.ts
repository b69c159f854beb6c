import { StoreError } from '../../../errors.ts';
import { answerXml, type S3Call } from '../call.ts';
import { taggingDocument } from '../tags.ts';

export function getBucketTagging(call: S3Call): void {
  const { tags } = call.service.objects.bucket(call.bucket);
  if (tags.length === 0) throw new StoreError('NoSuchTagSet');
  answerXml(call, taggingDocument(tags));
}
