import type { S3Call } from '../call.ts';
import { listListed } from '../configurations/listed.ts';
import { metricsForm } from '../configurations/reports.ts';

export const listBucketMetricsConfigurations = (call: S3Call): void => listListed(call, metricsForm);
