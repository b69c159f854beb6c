/** One row: keys and values are bytes, ordered by key as unsigned bytes. */
export interface KvRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** A half-open range of keys. With `reverse`, rows come from the end towards the start. */
export interface KvRange {
  /** First key that may be given (inclusive). */
  readonly start: Uint8Array;
  /** First key that may not be given (exclusive). */
  readonly end: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** Reads of one consistent state. */
export interface KvReader {
  /** A copy of the value, or undefined. */
  get(key: Uint8Array): Buffer | undefined;
  /** Rows in order. The iteration is synchronous and sees one state; do not keep it open across an await. */
  range(range: KvRange): Iterable<KvRow>;
}

/** A consistent state held open across awaits. Pages it needs cannot be reused: always release it. */
export interface KvSnapshot extends KvReader {
  release(): void;
}

/** A change of one row; `undefined` removes it. */
export type KvChange = readonly [key: Buffer, value: Uint8Array | undefined];

/**
 * An ordered KV for one process: many readers (also in other threads), one writer.
 * Reads always see the newest committed state. What is committed is visible at once and durable only after a
 * checkpoint: after a crash, of the process or of the machine, the KV opens at its newest complete checkpoint.
 */
export interface Kv extends KvReader {
  snapshot(): KvSnapshot;
  /** Applies all changes or none; visible to every reader of every thread when it returns. */
  commit(changes: Iterable<KvChange>): void;
  /** Resolves when everything committed before the call survives a crash. Calls at the same time share one. */
  checkpoint(): Promise<void>;
  /** Rows in all and bytes of the file, for metrics. */
  statistics(): { readonly rows: number; readonly fileBytes: number };
  /** Checkpoints and closes. */
  close(): Promise<void>;
}
