import type { S3Call } from '../call.ts';
import { deleteListed } from '../configurations/listed.ts';
import { analyticsForm } from '../configurations/reports.ts';

export const deleteBucketAnalyticsConfiguration = (call: S3Call): Promise<void> => deleteListed(call, analyticsForm);
