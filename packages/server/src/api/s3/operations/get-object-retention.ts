import { StoreError } from '../../../errors.ts';
import { answerXml, type S3Call } from '../call.ts';
import { lockableVersion, retentionXml } from '../object-lock.ts';
import { s3Document } from '../xml/writer.ts';

export function getObjectRetention(call: S3Call): void {
  const version = lockableVersion(call);
  if (!version.retention) throw new StoreError('NoSuchObjectLockConfiguration');
  answerXml(call, s3Document('Retention', retentionXml(version.retention)));
}
