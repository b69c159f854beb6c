import type { S3Call } from '../call.ts';
import { corsForm } from '../configurations/cors.ts';
import { getConfiguration } from '../configurations/form.ts';

export const getBucketCors = (call: S3Call): void => getConfiguration(call, corsForm);
