import type { S3Call } from '../call.ts';
import { putListed } from '../configurations/listed.ts';
import { metricsForm } from '../configurations/reports.ts';

export const putBucketMetricsConfiguration = (call: S3Call): Promise<void> => putListed(call, metricsForm);
