import type { S3Call } from '../call.ts';
import { putConfiguration } from '../configurations/form.ts';
import { publicAccessBlockForm } from '../configurations/simple.ts';

export const putPublicAccessBlock = (call: S3Call): Promise<void> => putConfiguration(call, publicAccessBlockForm);
