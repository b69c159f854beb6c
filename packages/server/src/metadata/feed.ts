import type { Follower, Log } from '../log/index.ts';
import type { Effect } from './machine/effects.ts';
import { decodeEntry } from './machine/entry.ts';
import { decodeNotice, type Notice } from './machine/notices.ts';
import type { BucketId, StoredBucket, VersionRecord } from './machine/records.ts';
import { decodeVersion } from './machine/versions.ts';
import type { Progress } from './progress.ts';

/* The change feed: log entries as what happened to buckets and objects. Notifications, sites and audit follow it. */

export type ChangeEvent =
  | { readonly type: 'bucket.written'; readonly bucket: StoredBucket }
  | { readonly type: 'bucket.removed'; readonly bucket: BucketId; readonly name: string }
  /** A new newest version or marker; it took the place of the version with sequence `replaces` (0: of none). */
  | {
      readonly type: 'version.created';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly record: VersionRecord;
      readonly replaces: number;
    }
  /** Tags, metadata or headers of a version changed in place. */
  | {
      readonly type: 'version.changed';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly record: VersionRecord;
    }
  /** What is to be told of the events before it. */
  | { readonly type: 'noticed'; readonly notice: Notice }
  | {
      readonly type: 'version.removed';
      readonly bucket: BucketId;
      readonly key: Buffer;
      readonly sequence: number;
      readonly nonce: Buffer;
      readonly isNull: boolean;
      readonly isMarker: boolean;
    };

/** One log entry, in the order of the log. */
export interface Change {
  readonly position: number;
  readonly epoch: number;
  /** Of the entry. */
  readonly bytes: number;
  readonly events: readonly ChangeEvent[];
}

export interface Feed {
  /** Changes that readers can see already; waits for more until `signal` aborts or the shard closes. */
  changes(signal?: AbortSignal): AsyncIterable<Change>;
  /** Changes below `position` are dealt with and need not be kept for this follower. */
  acknowledge(position: number): void;
  /** True when entries were forced away that this follower had not acknowledged: it must start from a snapshot. */
  readonly lost: boolean;
  close(): void;
}

/** @param follower what the log keeps for whoever follows from `from` on */
export function openFeed(log: Pick<Log, 'read'>, follower: Follower, progress: Progress, from: number): Feed {
  let next = from;
  return {
    async *changes(signal) {
      while (await progress.until(next, signal)) {
        const end = progress.position;
        for await (const entry of log.read(next)) {
          if (entry.position > end || signal?.aborted) break;
          next = entry.position + 1;
          yield {
            position: entry.position,
            epoch: entry.epoch,
            bytes: entry.payload.length,
            events: entry.payload.length === 0 ? [] : eventsOf(decodeEntry(Buffer.from(entry.payload))),
          };
        }
      }
    },
    acknowledge: (position) => follower.acknowledge(position),
    get lost() {
      return follower.lost;
    },
    close: () => follower.close(),
  };
}

function eventsOf(effects: readonly Effect[]): ChangeEvent[] {
  const events: ChangeEvent[] = [];
  for (const effect of effects) {
    switch (effect.type) {
      case 'bucket.write':
        events.push({ type: 'bucket.written', bucket: effect.bucket });
        break;
      case 'bucket.remove':
        events.push({ type: 'bucket.removed', bucket: effect.id, name: effect.name });
        break;
      case 'version.insert': {
        const { bucket, key, replaces } = effect;
        events.push({ type: 'version.created', bucket, key, replaces, record: decodeVersion(effect.row) });
        break;
      }
      case 'version.update': {
        const { bucket, key } = effect;
        events.push({ type: 'version.changed', bucket, key, record: decodeVersion(effect.row) });
        break;
      }
      case 'version.remove': {
        const { bucket, key, sequence, nonce, isNull, isMarker } = effect;
        events.push({ type: 'version.removed', bucket, key, sequence, nonce, isNull, isMarker });
        break;
      }
      case 'notice':
        events.push({ type: 'noticed', notice: decodeNotice(effect.notice) });
        break;
      // The rest is about bytes and bookkeeping: nothing that a follower could name.
      default:
        break;
    }
  }
  return events;
}
