import type { S3Call } from '../call.ts';
import { getListed } from '../configurations/listed.ts';
import { intelligentTieringForm } from '../configurations/reports.ts';

export const getBucketIntelligentTieringConfiguration = (call: S3Call): void => getListed(call, intelligentTieringForm);
