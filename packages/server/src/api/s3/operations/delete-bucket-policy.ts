import { answerEmpty, type S3Call } from '../call.ts';
import { requireOwnAccount } from '../policy.ts';

/** Succeeds when there is none, too. */
export async function deleteBucketPolicy(call: S3Call): Promise<void> {
  requireOwnAccount(call);
  await call.service.objects.configure(call.bucket, 'policy', null);
  answerEmpty(call, 204);
}
