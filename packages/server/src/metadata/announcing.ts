import type { Position } from '../log/index.ts';
import type { MemoKind } from './machine/memos.ts';
import type { Destination, Origin } from './machine/notices.ts';
import type { BucketId } from './machine/records.ts';
import type { Expectation, Guard, VersionSelector } from './types.ts';

/** What is to be told of a change, to whom, whatever of the events that it may be comes about. */
export interface Announcement {
  readonly origin: Origin;
  readonly destinations: readonly Destination[];
  /** Of a version that is made: another store has written it, or the places to which it is to be replicated. */
  readonly replication?: 'replica' | readonly string[];
}

/** What may be asked about who is told of changes. */
export type NotificationCommand =
  /** A target of notifications, or what is kept of it now. */
  | { readonly type: 'target.write'; readonly name: string; readonly record: Buffer }
  | { readonly type: 'target.remove'; readonly name: string }
  /** Of one shard's log: all below `position` has been dealt with for this follower. */
  | { readonly type: 'follower.advance'; readonly name: string; readonly position: Position }
  | { readonly type: 'follower.remove'; readonly name: string }
  /**
   * An event of this shard's log that a target has refused for good; of more than {@link limits.failedEvents} of a target the first one goes.
   * @throws StoreError InvalidRequest beyond {@link limits.failedEventBytes}
   */
  | { readonly type: 'event.fail'; readonly target: string; readonly name: string; readonly event: Buffer }
  /** They were delivered after all, or given up. What is not there is no error. */
  | { readonly type: 'event.settle'; readonly target: string; readonly names: readonly string[] };

/** What a replica has of notifications. */
export interface NoticeReader {
  /** Records of the targets, by name. */
  targets(): ReadonlyMap<string, Buffer>;
  /** From where on each follower of this shard's log has still to deal with it. */
  followers(): ReadonlyMap<string, Position>;
  /** What servers have noted, of this shard: those of a kind whose names begin so, in order of name. */
  memos(kind: MemoKind, prefix: string): ReadonlyMap<string, Buffer>;
}

/** Takes newest versions, or versions that are named, away: each item for itself. */
export interface DeleteCommand {
  readonly type: 'object.delete';
  readonly bucket: BucketId;
  readonly owner: string;
  /** Governance gives way; absent: it does not. */
  readonly bypasses?: boolean;
  /** Where nothing would be left of a key, a marker is left, whatever the bucket says of versions: what is missing here is read elsewhere. */
  readonly leaves?: true;
  readonly items: readonly {
    readonly key: Buffer;
    readonly version: VersionSelector;
    readonly guard: Guard | undefined;
    readonly expected?: Expectation;
    readonly announce?: Announcement;
  }[];
}
