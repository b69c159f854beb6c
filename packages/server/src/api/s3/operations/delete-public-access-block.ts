import type { S3Call } from '../call.ts';
import { deleteConfiguration } from '../configurations/form.ts';
import { publicAccessBlockForm } from '../configurations/simple.ts';

export const deletePublicAccessBlock = (call: S3Call): Promise<void> =>
  deleteConfiguration(call, publicAccessBlockForm);
