import type { S3Call } from '../call.ts';
import { getListed } from '../configurations/listed.ts';
import { metricsForm } from '../configurations/reports.ts';

export const getBucketMetricsConfiguration = (call: S3Call): void => getListed(call, metricsForm);
