import type { S3Call } from '../call.ts';
import { corsForm } from '../configurations/cors.ts';
import { putConfiguration } from '../configurations/form.ts';

export const putBucketCors = (call: S3Call): Promise<void> => putConfiguration(call, corsForm);
