import type { S3Call } from '../call.ts';
import { listListed } from '../configurations/listed.ts';
import { intelligentTieringForm } from '../configurations/reports.ts';

export const listBucketIntelligentTieringConfigurations = (call: S3Call): void =>
  listListed(call, intelligentTieringForm);
