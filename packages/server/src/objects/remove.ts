import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { DeleteResult, VersionSelector } from '../metadata/index.ts';
import { parseVersionId } from './ids.ts';
import { findBucket, leaving, propose, type Rooms } from './rooms.ts';
import type { ObjectService } from './types.ts';

type Items = Parameters<ObjectService['delete']>[2];

/**
 * Deletes versions by id, and newest versions by key (a marker where versions are kept). One proposal, decided together; each item has its own
 * outcome. An id that is none is an error of the whole request when it is alone, else of its item.
 */
export async function remove(
  rooms: Rooms,
  name: string,
  owner: string,
  items: Items,
  bypasses = false,
): Promise<readonly DeleteResult[]> {
  invariant(items.length <= limits.deleteMany, 'deletes are screened for their number');
  const bucket = findBucket(rooms, name);
  const results: (DeleteResult | undefined)[] = [];
  const good: { key: Buffer; version: VersionSelector; guard: Items[number]['guard'] }[] = [];
  for (const { key, versionId, guard } of items) {
    try {
      good.push({ key, version: parseVersionId(versionId), guard });
      results.push(undefined);
    } catch (error) {
      if (items.length === 1 || !(error instanceof StoreError)) throw error;
      results.push({ version: undefined, marker: false, error: { code: 'NoSuchVersion', message: error.message } });
    }
  }
  if (good.length === 0) return results as DeleteResult[];
  const command = {
    type: 'object.delete',
    bucket: bucket.id,
    owner,
    items: good,
    ...leaving(rooms, bucket.id),
    ...(bypasses && { bypasses }),
  } as const;
  const reply = await propose(rooms, command, 'deleted');
  invariant(reply.results.length === good.length, 'every delete has its outcome');
  if (good.length === items.length) return reply.results;
  let next = 0;
  return results.map((result) => result ?? (reply.results[next++] as DeleteResult));
}
