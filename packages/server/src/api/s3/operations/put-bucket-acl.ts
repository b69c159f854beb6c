import { keptGrants, requireLists, takeGrants } from '../acl-request.ts';
import { answerEmpty, type S3Call } from '../call.ts';

export async function putBucketAcl(call: S3Call): Promise<void> {
  const { objects } = call.service;
  const bucket = objects.bucket(call.bucket);
  requireLists(bucket, call);
  const grants = await takeGrants(call, bucket.owner, bucket.owner);
  await objects.configure(call.bucket, 'acl', keptGrants(grants, bucket.owner));
  answerEmpty(call, 200);
}
