import { StoreError } from '../../../errors.ts';
import { decodeLockConfiguration } from '../../../metadata/index.ts';
import { answerXml, type S3Call } from '../call.ts';
import { lockConfigurationXml } from '../object-lock.ts';
import { s3Document } from '../xml/writer.ts';

export function getObjectLockConfiguration(call: S3Call): void {
  const document = call.service.objects.configuration(call.bucket, 'objectLock');
  if (!document) throw new StoreError('ObjectLockConfigurationNotFoundError');
  const { byDefault } = decodeLockConfiguration(document);
  answerXml(call, s3Document('ObjectLockConfiguration', lockConfigurationXml(byDefault)));
}
