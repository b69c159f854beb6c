/** A place in the log; the first entry has position 1, an empty log has head 0. Whole numbers below 2^53. */
export type Position = number;

/** One durable entry. The hash chains over the previous one, so that a log cannot be changed unseen. */
export interface LogEntry {
  readonly position: Position;
  /** Grows with every new owner of the log. */
  readonly epoch: number;
  /** Running hash up to and including this entry, 16 bytes. */
  readonly hash: Buffer;
  readonly payload: Buffer;
}

/** The shared log of one shard. It never looks into a payload. */
export interface Log {
  /** Position of the newest durable entry. */
  readonly head: Position;
  /** Position of the oldest entry still kept (head + 1 when none is). */
  readonly tail: Position;
  readonly epoch: number;
  /** Bytes of the entries kept. */
  readonly bytes: number;
  /** False when the disk has no space for what comes behind the present segment: what is left of it is for what frees space. */
  readonly roomy: boolean;
  /** Whether it has already what it will take of the disk next. Absent: it takes nothing of this disk. */
  readonly provided?: boolean;
  /**
   * Appends one entry; resolves with it when it is durable. Appends are in call order; those that wait share one write and one sync.
   * After a failure to write or sync, this and every later append rejects: the owner must stop.
   */
  append(payload: Uint8Array): Promise<LogEntry>;
  /** Entries from `from` (inclusive) in order, up to the head at the time of the call. Throws CorruptionError at a bad record, and RangeError when `from` was trimmed. */
  read(from: Position): AsyncIterable<LogEntry>;
  /** Resolves when head ≥ `position`, or when `signal` aborts. */
  reached(position: Position, signal?: AbortSignal): Promise<void>;
  /** Registers a follower: entries from `from` on are kept for it, within the bound of the kept tail. */
  follow(name: string, from: Position): Follower;
  /** Entries below `position` may be dropped once followers passed them; whole segments go. */
  trim(position: Position): Promise<void>;
  close(): Promise<void>;
}

/** A reader of the change feed. */
export interface Follower {
  /** Everything below has been dealt with and is not kept for this follower any more. */
  acknowledge(position: Position): void;
  /** True when the bound on kept bytes forced entries away that this follower had not acknowledged: it must start from a snapshot. */
  readonly lost: boolean;
  close(): void;
}
