import type { S3Call } from '../call.ts';
import { inventoryForm } from '../configurations/inventory.ts';
import { deleteListed } from '../configurations/listed.ts';

export const deleteBucketInventoryConfiguration = (call: S3Call): Promise<void> => deleteListed(call, inventoryForm);
