import type { S3Call } from '../call.ts';
import { deleteConfiguration } from '../configurations/form.ts';
import { lifecycleForm } from '../configurations/lifecycle.ts';

export const deleteBucketLifecycle = (call: S3Call): Promise<void> => deleteConfiguration(call, lifecycleForm);
