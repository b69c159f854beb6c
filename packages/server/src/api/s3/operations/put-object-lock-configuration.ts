import { checkDefaultRetention, encodeLockConfiguration } from '../../../metadata/index.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { requireDocument } from '../incoming.ts';
import { defaultRetentionOfDocument } from '../object-lock.ts';

export async function putObjectLockConfiguration(call: S3Call): Promise<void> {
  const byDefault = defaultRetentionOfDocument(await requireDocument(call, 'ObjectLockConfiguration', 'required'));
  if (byDefault) checkDefaultRetention(byDefault);
  const document = encodeLockConfiguration(byDefault ? { byDefault } : {});
  await call.service.objects.configure(call.bucket, 'objectLock', document);
  answerEmpty(call, 200);
}
