import type { S3Call } from '../call.ts';
import { deleteListed } from '../configurations/listed.ts';
import { intelligentTieringForm } from '../configurations/reports.ts';

export const deleteBucketIntelligentTieringConfiguration = (call: S3Call): Promise<void> =>
  deleteListed(call, intelligentTieringForm);
