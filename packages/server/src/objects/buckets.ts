import { limits } from '../limits.ts';
import { type BucketRecord, type ConfigurationKind, checkTags } from '../metadata/index.ts';
import { checkBucketName } from './names.ts';
import { preparePolicy } from './policy.ts';
import { findBucket, propose, type Rooms } from './rooms.ts';
import type { ObjectService } from './types.ts';

/** Makes a bucket with a key of its own. */
export async function createBucket(
  rooms: Rooms,
  request: Parameters<ObjectService['createBucket']>[0],
): Promise<BucketRecord> {
  checkBucketName(request.name);
  const wrappedKey = await rooms.bucketKeys.create(request.name);
  return (await propose(rooms, { type: 'bucket.create', ...request, wrappedKey }, 'bucket')).bucket;
}

export async function deleteBucket(rooms: Rooms, name: string): Promise<void> {
  findBucket(rooms, name);
  await propose(rooms, { type: 'bucket.delete', name }, 'done');
}

/** @throws StoreError InvalidTag, UnsupportedRedundancy, NoSuchBucket, IllegalVersioningConfigurationException */
export async function updateBucket(
  rooms: Rooms,
  name: string,
  change: Parameters<ObjectService['updateBucket']>[1],
): Promise<BucketRecord> {
  findBucket(rooms, name);
  if (change.tags) checkTags(change.tags, limits.bucketTags);
  if (change.redundancy) await preparePolicy(rooms, change.redundancy);
  return (await propose(rooms, { type: 'bucket.update', name, ...change }, 'bucket')).bucket;
}

/**
 * @param document null takes it away
 * @param expected left out: whatever is there
 */
export async function configureBucket(
  rooms: Rooms,
  name: string,
  kind: ConfigurationKind,
  document: Buffer | null,
  expected?: Buffer | null,
): Promise<void> {
  findBucket(rooms, name);
  const command = { type: 'bucket.configure', name, kind, document } as const;
  await propose(rooms, expected === undefined ? command : { ...command, expected }, 'done');
}
