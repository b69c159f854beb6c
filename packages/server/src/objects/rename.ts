import { digestOf } from '../codec/index.ts';
import type { BucketRecord, Guard } from '../metadata/index.ts';
import { again } from './again.ts';
import { checkKey } from './describing.ts';
import type { ReadHorizon } from './horizon.ts';
import { written } from './publish.ts';
import { renameOverShards } from './rename-over-shards.ts';
import { findBucket, leaving, propose, type Rooms } from './rooms.ts';
import type { RenameRequest, WriteResult } from './types.ts';

const given = (guard: Guard | undefined) => Object.entries(guard ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

/** Whoever asks for the same with the same token is answered as the first time, as long as the shard remembers requests (`limits.requests`). */
function requestOf(bucket: number, { token, owner, key, guard, source }: RenameRequest): Buffer | undefined {
  if (token === undefined) return undefined;
  const keys = [key, source.key].map((one) => one.toString('base64'));
  const asked = JSON.stringify(['rename', bucket, owner, token, ...keys, given(guard), given(source.guard)]);
  return digestOf('SHA256', Buffer.from(asked, 'utf8')).subarray(0, 16);
}

/**
 * Another name for the newest version of an object: nobody sees both names or neither. Where one shard has both keys it is one change, and no byte is read or
 * written; between two shards the bytes are written again, as they are stored.
 * @throws StoreError NoSuchBucket, NoSuchKey, PreconditionFailed, InvalidRequest; SlowDown while one of the two is renamed by somebody else; NotImplemented
 * where the object is too large to be renamed between two shards
 */
export function rename(rooms: Rooms, horizon: ReadHorizon, request: RenameRequest): Promise<WriteResult> {
  checkKey(request.key);
  checkKey(request.source.key);
  const bucket = findBucket(rooms, request.bucket);
  return again(() => renameOnce(rooms, horizon, bucket, request));
}

async function renameOnce(
  rooms: Rooms,
  horizon: ReadHorizon,
  bucket: BucketRecord,
  request: RenameRequest,
): Promise<WriteResult> {
  const { key, owner, guard, source } = request;
  const id = requestOf(bucket.id, request);
  const shard = rooms.reader.shardOf(bucket.id, key);
  if (rooms.reader.shardOf(bucket.id, source.key) !== shard)
    return written(bucket, await renameOverShards(rooms, horizon, bucket, request, shard, id));
  const about = { bucket: bucket.id, key, owner, guard, source, ...leaving(rooms, bucket.id) };
  return written(bucket, await propose(rooms, { type: 'object.rename', ...about }, 'version', id));
}
