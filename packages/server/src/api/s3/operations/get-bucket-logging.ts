import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { loggingForm } from '../configurations/logging.ts';

export const getBucketLogging = (call: S3Call): void => getConfiguration(call, loggingForm);
