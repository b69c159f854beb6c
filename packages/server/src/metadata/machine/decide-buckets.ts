import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { type Decision, done, type Stamp, withCounts } from './deciding.ts';
import { changed, checkTags } from './descriptions.ts';
import type { Effect } from './effects.ts';
import { tableEnd, tableStart } from './keys.ts';
import { checkVersioningChange, encodeLockConfiguration } from './locks.ts';
import type { BucketShards, StoredBucket } from './records.ts';
import { decodeBucketShards } from './rows.ts';
import { versioningChanges } from './transitions.ts';
import type { View } from './view.ts';

/*
 * Buckets. The record of a bucket is the system shard's. Where its objects are in other shards, each of those has a copy, taken over with the
 * generation that the record had: a later one replaces an earlier one, never the other way round. A bucket is deleted in two steps, because
 * no shard sees another: every shard of it is sealed at one generation, which it refuses while it holds something; then the system shard
 * deletes the record, if it still has that generation. Whoever finds a shard sealed and wants to write begins the next generation first: of
 * the two, the system shard decides which comes first, and the other one fails. So a write that was acknowledged is never in a bucket
 * that is gone, and a deletion that was given up half way stands in nobody's way.
 *
 * A sealed row stays when the bucket is gone, so that what still knows an old record cannot open the bucket again; the oldest are dropped
 * beyond `limits.sealedBuckets`, which is many deletions later.
 */

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const place = (of: BucketShards): Effect => ({ type: 'bucket.shards', place: of });

export function createBucket(view: View, command: Of<'bucket.create'>, stamp: Stamp): Decision {
  const { name, owner, region, wrappedKey, shards = [] } = command;
  invariant(
    shards.length <= limits.bucketShards && Number.isInteger(Math.log2(shards.length || 1)),
    'a bucket has as many shards as a power of two',
  );
  const bytes = Buffer.byteLength(name);
  if (bytes < limits.bucketNameMin || bytes > limits.bucketNameMax) throw new StoreError('InvalidBucketName');
  const there = view.bucketNamed(name);
  if (there) throw new StoreError(there.owner === owner ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists');
  if (view.counter('buckets') >= limits.buckets) throw new StoreError('TooManyBuckets');
  const bucket: StoredBucket = {
    id: Math.max(1, view.counter('bucketId')),
    name,
    owner,
    createdMs: stamp.now,
    region,
    versioning: command.locks ? 'enabled' : (command.versioning ?? 'off'),
    tags: [],
    wrappedKey,
    consistency: 'strong',
    redundancy: undefined,
  };
  const effects: Effect[] = [{ type: 'bucket.write', bucket }];
  if (shards.length > 0) effects.push(place({ id: bucket.id, generation: 1, shards, sealedAt: 0 }));
  if (command.locks) effects.push(locking(bucket.id, encodeLockConfiguration({})));
  return { effects, reply: { type: 'bucket', bucket: withCounts(view, bucket) } };
}

const locking = (bucket: number, document: Buffer): Effect => ({
  type: 'configuration.write',
  bucket,
  kind: 'objectLock',
  document,
});

function named(view: View, name: string): StoredBucket {
  const bucket = view.bucketNamed(name);
  if (!bucket) throw new StoreError('NoSuchBucket', { resource: name });
  return bucket;
}

const changedSince = (): StoreError =>
  new StoreError('ConditionalRequestConflict', { message: 'The bucket changed meanwhile. Try again.' });

/** Holds no version, marker or open upload. @throws StoreError BucketNotEmpty */
function checkEmpty(view: View, id: number, name: string | undefined): void {
  const { versions, uploads } = view.counts(id);
  if (versions > 0 || uploads > 0)
    throw new StoreError('BucketNotEmpty', { ...(name !== undefined && { resource: name }) });
}

export function deleteBucket(view: View, command: Of<'bucket.delete'>): Decision {
  const { id, name } = named(view, command.name);
  checkEmpty(view, id, name);
  if (view.bucketShards(id)?.generation !== command.generation) throw changedSince();
  return done({ type: 'bucket.remove', id, name });
}

export function updateBucket(view: View, command: Of<'bucket.update'>): Decision {
  const before = named(view, command.name);
  const versioning = command.versioning ?? before.versioning;
  if (versioningChanges[before.versioning][versioning] === 'refuse') {
    throw new StoreError('IllegalVersioningConfigurationException', {
      message: 'Versioning cannot be taken off again, only suspended.',
    });
  }
  checkVersioningChange(view, before, versioning);
  // Worked out over the tags as they are now: two changes of the same moment are both kept.
  const tags = changed(command.tags ?? before.tags, command.tagChange);
  if (command.tagChange) checkTags(tags, limits.bucketTags);
  const bucket: StoredBucket = {
    ...before,
    versioning,
    tags,
    consistency: command.consistency ?? before.consistency,
    redundancy: command.redundancy === undefined ? before.redundancy : (command.redundancy ?? undefined),
  };
  const effects: Effect[] = [{ type: 'bucket.write', bucket }];
  const shards = view.bucketShards(before.id);
  if (shards) effects.push(place({ ...shards, generation: shards.generation + 1 }));
  return { effects, reply: { type: 'bucket', bucket: withCounts(view, bucket) } };
}

export function reshardBucket(view: View, command: Of<'bucket.reshard'>): Decision {
  const bucket = named(view, command.name);
  const here = view.bucketShards(bucket.id);
  if (!here || here.shards.length === 0) throw inSystemShard(command.name);
  if (here.generation !== command.generation) throw changedSince();
  const { shards } = command;
  invariant(shards.length === 2 * here.shards.length, 'a bucket gets twice as many shards');
  invariant(
    here.shards.every((shard, at) => shard === shards[at]),
    'the shards that a bucket has stay where they are',
  );
  invariant(new Set(shards).size === shards.length && !shards.includes(0), 'the shards of a bucket are different ones');
  if (shards.length > limits.bucketShards) throw atMostShards(command.name);
  const madeWith = here.madeWith ?? here.shards.length;
  const effect = place({ ...here, generation: here.generation + 1, shards, madeWith });
  return { effects: [effect], reply: { type: 'bucket', bucket: withCounts(view, bucket) } };
}

/** Why a bucket is given no more shards, with what to do. */
const atMostShards = (name: string): StoreError =>
  new StoreError('InvalidRequest', {
    resource: name,
    message: `The bucket ${name} has ${limits.bucketShards} shards, which is the most: put further keys into another bucket.`,
  });

const inSystemShard = (name: string): StoreError =>
  new StoreError('InvalidRequest', {
    resource: name,
    message: `The objects of the bucket ${name} are in the system shard, where they stay: they are spread when they are copied into a new bucket of a cluster with object shards (\`dsom cluster status\` tells how many there are).`,
  });

export function keepBucket(view: View, { id, generation }: Of<'bucket.keep'>): Decision {
  const shards = view.bucketShards(id);
  if (!view.bucket(id) || !shards) throw new StoreError('NoSuchBucket');
  return shards.generation === generation ? done(place({ ...shards, generation: generation + 1 })) : done();
}

export function adoptBucket(view: View, { bucket, place: given, lock }: Of<'bucket.adopt'>): Decision {
  const here = view.bucketShards(bucket.id);
  if (here && here.generation >= given.generation) {
    if (here.sealedAt > 0) throw changedSince();
    return done();
  }
  const same = view.bucketNamed(bucket.name);
  // Its name is another bucket's by now.
  if (same && same.id !== bucket.id) throw new StoreError('NoSuchBucket', { resource: bucket.name });
  const effects: Effect[] = [{ type: 'bucket.write', bucket }, place({ ...given, sealedAt: 0 })];
  if (lock && !view.configuration(bucket.id, 'objectLock')?.equals(lock)) effects.push(locking(bucket.id, lock));
  return done(...effects);
}

export function sealBucket(view: View, { id, generation }: Of<'bucket.seal'>, { position }: Stamp): Decision {
  const here = view.bucketShards(id);
  if (here && here.generation > generation) throw changedSince();
  if (here && here.sealedAt > 0 && here.generation === generation) return done();
  const bucket = view.bucket(id);
  checkEmpty(view, id, bucket?.name);
  const effects: Effect[] = bucket ? [{ type: 'bucket.remove', id, name: bucket.name }] : [];
  effects.push(...dropOldest(view));
  const { shards = [], madeWith } = here ?? {};
  effects.push(place({ id, generation, shards, ...(madeWith !== undefined && { madeWith }), sealedAt: position }));
  return done(...effects);
}

/** Of the sealed rows the oldest, when there are too many. */
function dropOldest(view: View): Effect[] {
  const rows = view.rows.range({ start: tableStart('bucketShards'), end: tableEnd('bucketShards') });
  let sealed = 0;
  let oldest: BucketShards | undefined;
  for (const { value } of rows) {
    const row = decodeBucketShards(value);
    if (row.sealedAt === 0) continue;
    if (!oldest || row.sealedAt < oldest.sealedAt) oldest = row;
    sealed += 1;
  }
  return oldest && sealed >= limits.sealedBuckets ? [{ type: 'bucket.forget', id: oldest.id }] : [];
}
