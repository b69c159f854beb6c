import { StoreError } from '../../../errors.ts';
import { policyOfBucket } from '../bucket-rules.ts';
import { answerXml, type S3Call } from '../call.ts';
import { element, s3Document } from '../xml/writer.ts';

/** One that cannot be read is called public, and lets nobody in: it wants to be looked at. */
export function getBucketPolicyStatus(call: S3Call): void {
  const policy = policyOfBucket(call.service.objects, call.bucket);
  if (!policy) throw new StoreError('NoSuchBucketPolicy');
  answerXml(call, s3Document('PolicyStatus', element('IsPublic', String(policy.public))));
}
