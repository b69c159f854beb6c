import type { S3Call } from '../call.ts';
import { deleteConfiguration } from '../configurations/form.ts';
import { websiteForm } from '../configurations/website.ts';

export const deleteBucketWebsite = (call: S3Call): Promise<void> => deleteConfiguration(call, websiteForm);
