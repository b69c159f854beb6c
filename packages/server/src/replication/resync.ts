import { placeText, type Replication, replicaPlaces } from '../api/index.ts';
import { limits } from '../limits.ts';
import { type ObjectVersion, replicationStatus } from '../metadata/index.ts';
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

/** A key, or an older version of one of which it is not known whether it was brought anywhere. */
interface Item {
  readonly key: Buffer;
  readonly older: ObjectVersion | undefined;
}

/** What a bucket has, in order of its keys; those whose newest version is a marker, too. */
function* itemsOf(objects: ResyncOptions['objects'], bucket: string): Generator<Item> {
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
      const { key, record } = item;
      if (item.isLatest) yield { key, older: undefined };
      else if (record.kind === 'object' && replicationStatus(record.replication) === 'PENDING')
        yield { key, older: record };
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
  // What the log could not keep of it comes no more; what is still to come says what became of it then.
  // Where that cannot be kept now, the next comparison does it.
  const pass = async (key: Buffer, older: ObjectVersion): Promise<void> => {
    for (const place of replicaPlaces(replication, key.toString('utf8')))
      await replicator(place.target)
        ?.passedOver(bucket, placeText(place), key, older)
        .catch(() => {});
  };
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
  const items = itemsOf(objects, bucket);
  const lane = async (): Promise<void> => {
    for (let next = items.next(); !next.done; next = items.next()) {
      if (signal.aborted) return;
      const { key, older } = next.value;
      if (older) await pass(key, older);
      else for (const place of replicaPlaces(replication, key.toString('utf8'))) await one(key, place);
    }
  };
  await Promise.all(Array.from({ length: limits.resyncAtOnce }, lane));
  signal.throwIfAborted();
}
