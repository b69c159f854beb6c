import { StoreError } from '../../../errors.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { notImplemented } from '../failure.ts';
import { requireDocument } from '../incoming.ts';
import { allowOnly, malformed, textOf } from '../xml/parser.ts';

export async function putBucketVersioning(call: S3Call): Promise<void> {
  const document = await requireDocument(call, 'VersioningConfiguration');
  allowOnly(document, ['Status', 'MfaDelete']);
  if (textOf(document, 'MfaDelete')?.trim() === 'Enabled') throw notImplemented('MFA delete', { Element: 'MfaDelete' });
  const status = textOf(document, 'Status')?.trim();
  if (status === undefined || status === '')
    throw new StoreError('IllegalVersioningConfigurationException', { message: 'The Status element must be given.' });
  if (status !== 'Enabled' && status !== 'Suspended') throw malformed('The Status is Enabled or Suspended.');
  const { objects } = call.service;
  if (status === 'Suspended' && objects.configuration(call.bucket, 'replication'))
    throw new StoreError('InvalidBucketState', {
      message:
        'A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.',
    });
  await objects.updateBucket(call.bucket, { versioning: status === 'Enabled' ? 'enabled' : 'suspended' });
  answerEmpty(call, 200);
}
