import type { S3Call } from '../call.ts';
import { inventoryForm } from '../configurations/inventory.ts';
import { getListed } from '../configurations/listed.ts';

export const getBucketInventoryConfiguration = (call: S3Call): void => getListed(call, inventoryForm);
