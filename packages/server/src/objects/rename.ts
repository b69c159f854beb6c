import { digestOf } from '../codec/index.ts';
import type { Guard } from '../metadata/index.ts';
import { checkKey } from './describing.ts';
import { written } from './publish.ts';
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
 * Another name for the newest version of an object, in one change: no byte is read or written, and nobody sees both names or neither.
 * @throws StoreError NoSuchBucket, NoSuchKey, PreconditionFailed, InvalidRequest; NotImplemented where the two keys are in different shards
 */
export async function rename(rooms: Rooms, request: RenameRequest): Promise<WriteResult> {
  const { key, owner, guard, source } = request;
  checkKey(key);
  checkKey(source.key);
  const bucket = findBucket(rooms, request.bucket);
  const command = {
    type: 'object.rename',
    bucket: bucket.id,
    key,
    owner,
    guard,
    source,
    ...leaving(rooms, bucket.id),
  } as const;
  return written(bucket, await propose(rooms, command, 'version', requestOf(bucket.id, request)));
}
