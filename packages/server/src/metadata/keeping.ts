import type { Position } from '../log/index.ts';
import type { Borrowed, BucketId, Opener, Piece } from './machine/records.ts';

/* Contracts of whoever has bytes kept in another way than they are. */

/** A stripe that takes the place of another. Both hold the same stored bytes. */
export interface StripeSwap {
  readonly from: Buffer;
  readonly to: Buffer;
  readonly group: number;
}

/**
 * Some stripes of a piece are kept in another way: the new ones, durable and under an open intent, take the place of the old ones, which are garbage
 * from the same entry on. The bytes are the same.
 *
 * The version must be there. `place` is the row of its manifest (or of one that it leans on) that has the piece; absent: the version has it.
 */
export interface RecodeCommand {
  readonly type: 'object.recode';
  readonly bucket: BucketId;
  readonly key: Buffer;
  /** Of the version. */
  readonly sequence: number;
  /** Id of its manifest. */
  readonly manifest: Buffer;
  readonly place: { readonly manifest: Buffer; readonly index: number } | undefined;
  readonly swaps: readonly StripeSwap[];
  /** Refused unless the version has been idle for so long when the owner decides. */
  readonly idleMs?: number;
  /** Where others share the piece, and cannot all be changed in the same entry, this version gets all of it for itself; else that is refused. */
  readonly mayUnshare?: boolean;
}

/** Versions were read: notes it in each that is still there, by the owner's clock. */
export interface TouchCommand {
  readonly type: 'object.touch';
  readonly items: readonly {
    readonly bucket: BucketId;
    readonly key: Buffer;
    readonly sequence: number;
    /** Of its policy. */
    readonly idleMs: number;
  }[];
}

/** A piece, and the row that has it; one that stands in the version's own row has no place. */
export interface PlacedPiece {
  readonly piece: Piece;
  readonly place: { readonly manifest: Buffer; readonly index: number } | undefined;
  readonly isShared: boolean;
}

/** A manifest that begins with the first `pieces` pieces of `target`. */
export interface Link {
  readonly manifest: Buffer;
  readonly target: Buffer;
  readonly pieces: number;
}

/** Where the next page of rows of pieces begins. */
export interface LendersFrom {
  readonly shard: number;
  /** Absent: with the first. */
  readonly row?: Buffer;
}

export interface LendersPage {
  readonly manifests: readonly Buffer[];
  readonly next: LendersFrom | undefined;
}

/** What a stripe belongs to. `bucket` and `key` are those of the object it was first published under. */
export interface StripeOwner {
  readonly manifest: Buffer;
  readonly bucket: BucketId;
  readonly key: Buffer;
  /** Placement group of its fragments. */
  readonly group: number;
}

/**
 * What a version must still be when a command about it is decided: what a lifecycle saw of it. What is not so any more refuses the command, or its item,
 * with PreconditionFailed. The versions of a cluster that know feature `lifecycle` look at it; only they may be asked.
 */
export interface Expectation {
  readonly sequence: number;
  /** `current`: the newest of its key. `alone`: and the only one. `noncurrent`: not the newest. */
  readonly place: 'current' | 'alone' | 'noncurrent';
  /** On the clock of the owner, ms since 1970: not before. */
  readonly dueMs: number;
  /** Noncurrent ones: the next newer version was made then, or earlier; and at least so many objects are among those below the newest that are newer. */
  readonly sinceMs: number;
  readonly newer: number;
  /** Absent: nobody asked for tags. */
  readonly tags?: readonly (readonly [string, string])[];
}

/** A piece that no version can reach any more: to collect once no read older than `position` is open. */
export interface GarbageRow {
  readonly position: Position;
  /** Numbers the garbage records of one position, each of which has one piece or many. */
  readonly ordinal: number;
  readonly piece: number;
  /** May be empty (inline pieces): such a row is reported like any other. */
  readonly stripes: readonly { readonly id: Buffer; readonly group: number }[];
  /** What the piece borrows, and holds until it is collected. */
  readonly borrowed?: Borrowed;
}

/** What names a row of garbage. */
export type GarbageFrom = Pick<GarbageRow, 'position' | 'ordinal' | 'piece'>;

/** What may be asked about the ranges of stripe ids that one writer may use, and about garbage. */
export type UpkeepCommand =
  /** `opener`: which process will close it; in a cluster every intent has one. `shard`: the one that publishes under it, 0 when left out. */
  | { readonly type: 'intent.open'; readonly prefix: Buffer; readonly shard?: number; readonly opener?: Opener }
  | { readonly type: 'intent.close'; readonly prefix: Buffer; readonly shard?: number }
  /**
   * Closes the intents of processes that are known to be gone: of all lives of a node, but for the incarnation `except`. Node '' stands for
   * intents without an opener. Without `dead`: every intent opened before this start of the one process that has the log; none in a cluster.
   */
  | {
      readonly type: 'intent.expire';
      readonly dead?: readonly { readonly node: string; readonly except?: Buffer }[];
    }
  | { readonly type: 'intent.collected'; readonly prefix: Buffer }
  /**
   * The fragments of all stripes of these rows are removed, durably. Rows that share position and ordinal are taken in the order that
   * `garbage()` gave them, without gaps; one behind a gap is ignored and comes again. Reporting a row twice does nothing.
   */
  | {
      readonly type: 'garbage.collected';
      readonly rows: readonly GarbageFrom[];
    };

/** Who holds which bytes besides versions, and which bytes nobody holds. */
export interface HolderReader {
  /** Pieces that no version points to any more, oldest position first, those behind `after`. */
  garbage(limit: number, after?: GarbageFrom): readonly GarbageRow[];
  /**
   * How many versions, links and borrowing pieces hold a manifest (1 when no row says otherwise). Only for manifests with bytes outside of the version's
   * row: inline objects that were copied share nothing.
   */
  references(manifest: Buffer): number;
  /**
   * Manifests that begin with the pieces of another, in order of id, from `start` (inclusive). A manifest that no version holds any more
   * (its rows wait for collection) has let go of its target already.
   */
  links(start: Buffer, limit: number): readonly Link[];
  /** Manifests that rows of pieces borrow from, once for each such row, garbage included: a page of `limit` rows is looked at. */
  lenders(from: LendersFrom | undefined, limit: number): LendersPage;
}
