import { StoreError } from '../../../errors.ts';
import { answerXml, type S3Call } from '../call.ts';
import { requireLocking } from '../object-lock.ts';
import { element, s3Document } from '../xml/writer.ts';

export function getObjectLegalHold(call: S3Call): void {
  const { bucket, key, query } = call;
  const { version } = call.service.objects.look({
    bucket,
    key,
    versionId: query.get('versionId'),
  });
  requireLocking(call);
  if (version.legalHold === undefined) throw new StoreError('NoSuchObjectLockConfiguration');
  answerXml(call, s3Document('LegalHold', element('Status', version.legalHold ? 'ON' : 'OFF')));
}
