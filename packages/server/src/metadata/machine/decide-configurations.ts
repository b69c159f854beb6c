import { StoreError } from '../../errors.ts';
import type { Command } from '../types.ts';
import { configurationBytes, isConfigurationKind } from './configurations.ts';
import { type Decision, done } from './deciding.ts';
import type { Effect } from './effects.ts';
import { givenLockConfiguration } from './locks.ts';
import type { StoredBucket } from './records.ts';
import type { View } from './view.ts';

/*
 * Configurations of buckets: one document for each kind, opaque here. They are the system shard's alone, like the records of buckets, and every
 * node has it; so whoever handles a request looks them up beside himself. They go with their bucket (`bucket.remove` in apply.ts). What object lock
 * is by default is no secret to the machine (locks.ts), and every shard of the bucket has it.
 */

/**
 * A bucket that locks, locks for good. Every shard of it has the document, so it counts as a change of the bucket's record.
 * @throws StoreError InvalidBucketState without versioning, or when it is to be taken away; InvalidRetentionPeriod
 */
function configureLock(view: View, bucket: StoredBucket, document: Buffer | null): Decision {
  const done = { type: 'done' } as const;
  if (document === null)
    throw new StoreError('InvalidBucketState', { message: 'Object Lock cannot be taken off a bucket that has it.' });
  givenLockConfiguration(document);
  if (bucket.versioning !== 'enabled')
    throw new StoreError('InvalidBucketState', {
      message: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    });
  if (view.configuration(bucket.id, 'objectLock')?.equals(document)) return { effects: [], reply: done };
  const effects: Effect[] = [{ type: 'configuration.write', bucket: bucket.id, kind: 'objectLock', document }];
  const shards = view.bucketShards(bucket.id);
  if (shards) effects.push({ type: 'bucket.shards', place: { ...shards, generation: shards.generation + 1 } });
  return { effects, reply: done };
}

/** @throws StoreError NoSuchBucket; ConditionalRequestConflict where another document is there than expected; InvalidRequest at one that is too large; NotImplemented at a kind that this version does not know */
export function configureBucket(view: View, command: Extract<Command, { type: 'bucket.configure' }>): Decision {
  const { name, kind, document } = command;
  if (!isConfigurationKind(kind))
    throw new StoreError('NotImplemented', {
      message: `The node that leads does not know the configuration ${String(kind)}: start the version of this node on it.`,
    });
  const bucket = view.bucketNamed(name);
  if (!bucket) throw new StoreError('NoSuchBucket', { resource: name });
  const there = view.configuration(bucket.id, kind);
  const { expected } = command;
  if (expected !== undefined && (expected === null ? there !== undefined : !there?.equals(expected)))
    throw new StoreError('ConditionalRequestConflict', {
      message: 'The configuration was changed at the same time. Read it, and try again.',
    });
  if (kind === 'objectLock') return configureLock(view, bucket, document);
  if (document === null) {
    if (!there) return done();
    return done({ type: 'configuration.remove', bucket: bucket.id, kind });
  }
  const most = configurationBytes(kind);
  if (document.length > most)
    throw new StoreError('InvalidRequest', {
      message: `The configuration has ${document.length} bytes as it is kept, and may have ${most}: say the same with fewer rules.`,
      detail: { MaxSizeAllowed: String(most) },
    });
  if (there?.equals(document)) return done();
  return done({ type: 'configuration.write', bucket: bucket.id, kind, document });
}
