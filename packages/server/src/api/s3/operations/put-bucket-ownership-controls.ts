import type { S3Call } from '../call.ts';
import { putConfiguration } from '../configurations/form.ts';
import { ownershipForm } from '../configurations/simple.ts';

export const putBucketOwnershipControls = (call: S3Call): Promise<void> => putConfiguration(call, ownershipForm);
