import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { takeBytes } from '../incoming.ts';
import { requireOwnAccount, screenPolicy } from '../policy.ts';

/** Kept as it was sent. */
export async function putBucketPolicy(call: S3Call): Promise<void> {
  requireOwnAccount(call);
  const bytes = await takeBytes(call, 'optional', limits.bucketPolicyBytes);
  if (!bytes) throw new StoreError('MissingRequestBodyError');
  screenPolicy(call, bytes);
  await call.service.objects.configure(call.bucket, 'policy', bytes);
  answerEmpty(call, 204);
}
