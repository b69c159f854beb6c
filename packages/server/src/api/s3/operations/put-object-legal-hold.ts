import { answerEmpty, type S3Call } from '../call.ts';
import { requireDocument } from '../incoming.ts';
import { legalHoldOfDocument, requireLocking } from '../object-lock.ts';

export async function putObjectLegalHold(call: S3Call): Promise<void> {
  const legalHold = legalHoldOfDocument(await requireDocument(call, 'LegalHold', 'required'));
  requireLocking(call);
  const { bucket, key, query } = call;
  await call.service.objects.setLock({ bucket, key, versionId: query.get('versionId') }, { legalHold }, false);
  answerEmpty(call, 200);
}
