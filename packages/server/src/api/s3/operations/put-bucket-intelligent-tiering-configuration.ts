import type { S3Call } from '../call.ts';
import { putListed } from '../configurations/listed.ts';
import { intelligentTieringForm } from '../configurations/reports.ts';

export const putBucketIntelligentTieringConfiguration = (call: S3Call): Promise<void> =>
  putListed(call, intelligentTieringForm);
