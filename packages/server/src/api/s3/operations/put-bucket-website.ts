import type { S3Call } from '../call.ts';
import { putConfiguration } from '../configurations/form.ts';
import { websiteForm } from '../configurations/website.ts';

export const putBucketWebsite = (call: S3Call): Promise<void> => putConfiguration(call, websiteForm);
