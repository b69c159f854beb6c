import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { publicAccessBlockForm } from '../configurations/simple.ts';

export const getPublicAccessBlock = (call: S3Call): void => getConfiguration(call, publicAccessBlockForm);
