import { placeText, type Replication, replicaPlaces } from '../api/index.ts';
import { limits } from '../limits.ts';
import { RefusalError } from '../notifications/index.ts';
import { type ObjectService, versionIdText } from '../objects/index.ts';
import type { Replicator } from './replicator.ts';

/*
 * Compares all that a bucket has with what it is replicated to, and writes what is missing there: for what was there before its rules, and for events that the log could not keep. The newest
 * version of each key is brought there, or its delete marker; older ones are not.
 */

export interface ResyncCounts {
  /** Keys of which a rule speaks, once for each destination. */
  looked: number;
  sent: number;
  there: number;
  /** By a rule that does not speak of it, its encryption for one. */
  left: number;
  failed: number;
  /** What the store does not take as it is, or what cannot be read here. */
  refused: number;
}

export interface ResyncOptions {
  readonly objects: Pick<ObjectService, 'listVersions'>;
  readonly bucket: string;
  readonly replication: Replication;
  /** What writes to a store, by its name; those for which there is none are passed over. */
  readonly replicator: (target: string) => Replicator | undefined;
  readonly counts: ResyncCounts;
  /** Ends the comparison, which then rejects. */
  readonly signal: AbortSignal;
  readonly onFailure: (failure: {
    readonly key: string;
    readonly destination: string;
    readonly failure: string;
  }) => void;
}

/** The keys of a bucket, in order; those whose newest version is a marker, too. */
function* keysOf(objects: ResyncOptions['objects'], bucket: string): Generator<Buffer> {
  let after: Buffer = Buffer.alloc(0);
  let versionMarker: string | undefined;
  for (;;) {
    const page = objects.listVersions({
      bucket,
      prefix: Buffer.alloc(0),
      delimiter: Buffer.alloc(0),
      after,
      versionMarker,
      limit: limits.resyncPage,
    });
    for (const item of page.items) {
      if ('prefix' in item) continue;
      after = item.key;
      versionMarker = versionIdText(item.record);
      if (item.isLatest) yield item.key;
    }
    if (!page.truncated) return;
  }
}

export async function resync({
  objects,
  bucket,
  replication,
  replicator,
  counts,
  signal,
  onFailure,
}: ResyncOptions): Promise<void> {
  const one = async (key: Buffer, place: ReturnType<typeof replicaPlaces>[number]): Promise<void> => {
    const writer = replicator(place.target);
    if (!writer) return;
    counts.looked++;
    const destination = placeText(place);
    try {
      counts[await writer.settle(bucket, destination, key)]++;
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof RefusalError) counts.refused++;
      else counts.failed++;
      onFailure({
        key: key.toString('utf8'),
        destination,
        failure: cause instanceof Error ? cause.message : String(cause),
      });
    }
  };
  const keys = keysOf(objects, bucket);
  const lane = async (): Promise<void> => {
    for (let next = keys.next(); !next.done; next = keys.next()) {
      if (signal.aborted) return;
      for (const place of replicaPlaces(replication, next.value.toString('utf8'))) await one(next.value, place);
    }
  };
  await Promise.all(Array.from({ length: limits.resyncAtOnce }, lane));
  signal.throwIfAborted();
}
