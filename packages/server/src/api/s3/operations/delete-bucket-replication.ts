import type { S3Call } from '../call.ts';
import { deleteConfiguration } from '../configurations/form.ts';
import { replicationForm } from '../configurations/replication.ts';

export const deleteBucketReplication = (call: S3Call): Promise<void> => deleteConfiguration(call, replicationForm);
