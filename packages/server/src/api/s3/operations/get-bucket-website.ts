import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { websiteForm } from '../configurations/website.ts';

export const getBucketWebsite = (call: S3Call): void => getConfiguration(call, websiteForm);
