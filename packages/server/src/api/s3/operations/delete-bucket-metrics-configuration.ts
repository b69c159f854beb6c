import type { S3Call } from '../call.ts';
import { deleteListed } from '../configurations/listed.ts';
import { metricsForm } from '../configurations/reports.ts';

export const deleteBucketMetricsConfiguration = (call: S3Call): Promise<void> => deleteListed(call, metricsForm);
