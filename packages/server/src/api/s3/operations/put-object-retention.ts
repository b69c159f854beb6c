import { answerEmpty, type S3Call } from '../call.ts';
import { requireDocument } from '../incoming.ts';
import { bypassesGovernance, requireLocking, retentionOfDocument } from '../object-lock.ts';

export async function putObjectRetention(call: S3Call): Promise<void> {
  const bypasses = bypassesGovernance(call);
  const retention = retentionOfDocument(await requireDocument(call, 'Retention', 'required'));
  requireLocking(call);
  const { bucket, key, query } = call;
  const at = { bucket, key, versionId: query.get('versionId') };
  await call.service.objects.setLock(at, { retention }, bypasses);
  answerEmpty(call, 200);
}
