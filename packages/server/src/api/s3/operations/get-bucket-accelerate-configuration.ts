import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { accelerateForm } from '../configurations/simple.ts';

export const getBucketAccelerateConfiguration = (call: S3Call): void => getConfiguration(call, accelerateForm);
