import type { S3Call } from '../call.ts';
import { getConfiguration } from '../configurations/form.ts';
import { replicationForm } from '../configurations/replication.ts';

export const getBucketReplication = (call: S3Call): void => getConfiguration(call, replicationForm);
