import { StoreError } from '../../../errors.ts';
import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { encryptionForm } from '../configurations/simple.ts';

export function getBucketEncryption(call: S3Call): void {
  call.service.objects.bucket(call.bucket);
  if (call.service.objects.plain) throw new StoreError('ServerSideEncryptionConfigurationNotFoundError');
  getConfiguration(call, encryptionForm);
}
