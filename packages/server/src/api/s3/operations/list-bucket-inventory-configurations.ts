import type { S3Call } from '../call.ts';
import { inventoryForm } from '../configurations/inventory.ts';
import { listListed } from '../configurations/listed.ts';

export const listBucketInventoryConfigurations = (call: S3Call): void => listListed(call, inventoryForm);
