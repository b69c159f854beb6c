import type { S3Call } from '../call.ts';
import { putConfiguration } from '../configurations/form.ts';
import { encryptionForm } from '../configurations/simple.ts';
import { notImplemented } from '../failure.ts';

export function putBucketEncryption(call: S3Call): Promise<void> {
  // What is not done must not be promised.
  if (call.service.objects.plain)
    throw notImplemented('Encryption by a server that was started with --encryption off', {
      Operation: call.operation,
    });
  return putConfiguration(call, encryptionForm);
}
