import type { S3Call } from '../call.ts';
import { putListed } from '../configurations/listed.ts';
import { analyticsForm } from '../configurations/reports.ts';

export const putBucketAnalyticsConfiguration = (call: S3Call): Promise<void> => putListed(call, analyticsForm);
