import type { S3Call } from '../call.ts';
import { listListed } from '../configurations/listed.ts';
import { analyticsForm } from '../configurations/reports.ts';

export const listBucketAnalyticsConfigurations = (call: S3Call): void => listListed(call, analyticsForm);
