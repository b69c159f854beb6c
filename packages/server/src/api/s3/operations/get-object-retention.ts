import { StoreError } from '../../../errors.ts';
import { answerXml, type S3Call } from '../call.ts';
import { requireLocking, retentionXml } from '../object-lock.ts';
import { s3Document } from '../xml/writer.ts';

export function getObjectRetention(call: S3Call): void {
  const { bucket, key, query } = call;
  const { version } = call.service.objects.look({
    bucket,
    key,
    versionId: query.get('versionId'),
  });
  requireLocking(call);
  if (!version.retention) throw new StoreError('NoSuchObjectLockConfiguration');
  answerXml(call, s3Document('Retention', retentionXml(version.retention)));
}
