import type { S3Call } from '../call.ts';
import { getListed } from '../configurations/listed.ts';
import { analyticsForm } from '../configurations/reports.ts';

export const getBucketAnalyticsConfiguration = (call: S3Call): void => getListed(call, analyticsForm);
