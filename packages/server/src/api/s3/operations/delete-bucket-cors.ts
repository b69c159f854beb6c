import type { S3Call } from '../call.ts';
import { corsForm } from '../configurations/cors.ts';
import { deleteConfiguration } from '../configurations/form.ts';

export const deleteBucketCors = (call: S3Call): Promise<void> => deleteConfiguration(call, corsForm);
