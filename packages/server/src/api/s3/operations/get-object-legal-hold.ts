import { StoreError } from '../../../errors.ts';
import { answerXml, type S3Call } from '../call.ts';
import { lockableVersion } from '../object-lock.ts';
import { element, s3Document } from '../xml/writer.ts';

export function getObjectLegalHold(call: S3Call): void {
  const version = lockableVersion(call);
  if (version.legalHold === undefined) throw new StoreError('NoSuchObjectLockConfiguration');
  answerXml(call, s3Document('LegalHold', element('Status', version.legalHold ? 'ON' : 'OFF')));
}
