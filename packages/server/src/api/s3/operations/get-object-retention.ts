import { StoreError } from '../../../errors.ts';
import { answerXml, type S3Call } from '../call.ts';
import { requireLocking, retentionXml } from '../object-lock.ts';
import { s3Document } from '../xml/writer.ts';

export async function getObjectRetention(call: S3Call): Promise<void> {
  const { bucket, key, query } = call;
  const { version } = await call.service.objects.read({
    bucket,
    key,
    versionId: query.get('versionId'),
    guard: undefined,
  });
  requireLocking(call);
  if (!version.retention) throw new StoreError('NoSuchObjectLockConfiguration');
  answerXml(call, s3Document('Retention', retentionXml(version.retention)));
}
