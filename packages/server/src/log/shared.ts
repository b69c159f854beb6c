import type { Log, LogEntry, Position } from './types.ts';

/** Who owns a log, as everybody who follows it can see. */
export interface LogOwner {
  /** Node id. */
  readonly node: string;
  /** Where its node takes proposals, `host:port`. */
  readonly address: string;
  readonly epoch: number;
}

/** The log while this node owns it. Appends reject from the moment another owner may exist. */
export interface OwnedLog extends Log {
  /** Aborts when the ownership is gone: what was under way may or may not be in the log, and following it tells. */
  readonly lost: AbortSignal;
  /** Gives the ownership back, so that another node need not wait for the lease to end. */
  resign(): Promise<void>;
}

/** The log of one shard as every node of a cluster sees it: all follow, one at a time owns. */
export interface SharedLog {
  /** Position of the newest entry that this node has seen, whole and in order. */
  readonly head: Position;
  /** Position of the oldest entry still kept (head + 1 when none is). */
  readonly tail: Position;
  /** Entries from `from` (inclusive) in order, up to the head at the time of the call. Throws CorruptionError at a bad record, and RangeError when `from` was trimmed. */
  read(from: Position): AsyncIterable<LogEntry>;
  /** Resolves when head ≥ `position`, or when `signal` aborts. */
  reached(position: Position, signal?: AbortSignal): Promise<void>;
  /**
   * The position of the newest entry at some moment after this call, linearizable. Calls that arrive while one is under way share the next.
   * Rejects with ServiceUnavailable when the log engine is out of reach.
   */
  barrier(): Promise<Position>;
  /** The owner as last seen; undefined when there is none. */
  owner(): LogOwner | undefined;
  /**
   * Resolves when this node owns the log, or with undefined when `signal` aborts.
   * @param turn called whenever the log has become free: this node tries to take it when that resolves, which gives others the first try
   */
  own(signal: AbortSignal, turn?: () => Promise<void>): Promise<OwnedLog | undefined>;
  /**
   * Ends the ownership of that epoch, whoever has it: for who knows that its owner is dead, and need not wait for the lease. Nothing that was appended is
   * touched; an owner that lives all the same finds out at its next append. Of an older epoch than the present one it does nothing.
   * Rejects with ServiceUnavailable when the log engine is out of reach.
   */
  depose(epoch: number): Promise<void>;
  /** Milliseconds since this node last heard from the log engine: the age of what it serves as `eventual`. */
  age(): number;
  /** Says that this node holds a durable snapshot of the state at `position`: entries are trimmed only behind those of a quorum of replicas. */
  covered(position: Position): Promise<void>;
  /**
   * Ids of the nodes that have said so and were not removed since: who has a state of this log, or had one.
   * Rejects with ServiceUnavailable when the log engine is out of reach.
   */
  replicas(): Promise<readonly string[]>;
  close(): Promise<void>;
}
