import type { S3Call } from '../call.ts';
import { deleteConfiguration } from '../configurations/form.ts';
import { encryptionForm } from '../configurations/simple.ts';

/** Back to the default of every bucket, which is AES256. */
export const deleteBucketEncryption = (call: S3Call): Promise<void> => deleteConfiguration(call, encryptionForm);
