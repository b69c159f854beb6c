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

/**
 * A consistent state held open across awaits. Pages it needs cannot be reused: always release it.
 * After a time that is fixed when it is made it is released by itself; reads then throw a StoreError ServiceUnavailable.
 */
export interface KvSnapshot extends KvReader {
  release(): void;
}

/** Reads of the newest committed state, from any thread of the process. */
export interface KvView extends KvReader {
  /**
   * A number that moves with every commit that changes rows whose keys begin with this byte: what was read of them after it was first given reads
   * the same as long as it is given. Ask before the read that is to be kept. Undefined: keep nothing, and use nothing kept, because this view
   * is not told or such a commit is under way.
   * @param first 0 to 255
   */
  changeCount(first: number): number | undefined;
  /**
   * Throws a StoreError SlowDown when `limits.snapshots` of this view are held already.
   * @param ageMs how long it may be held; `limits.snapshotAgeMs` when left out
   */
  snapshot(ageMs?: number): KvSnapshot;
  close(): Promise<void>;
}

/** A change of one row; `undefined` removes it. Keys have 1 to `limits.kvKeyBytes` bytes. */
export type KvChange = readonly [key: Buffer, value: Uint8Array | undefined];

/** What a KV says of itself. */
export interface KvStatistics {
  readonly rows: number;
  /** Size of the file, space that can be reused included. */
  readonly fileBytes: number;
  /** Space within the file that holds nothing; what was freed since the newest checkpoint can be used only after the next. */
  readonly freeBytes: number;
  /**
   * Bytes written since the newest checkpoint. So much the next checkpoint flushes, and as long as it has not been made none of the
   * space that these writes freed can be used again: checkpoint by this figure rather than by the size of what was committed.
   */
  readonly pendingBytes: number;
}

/**
 * An ordered KV for one process: many readers (also in other threads), one writer.
 * Reads always see the newest committed state. What is committed is visible at once and durable only after a
 * checkpoint: after a crash, of the process or of the machine, the KV opens at its newest complete checkpoint.
 */
export interface Kv extends KvView {
  /** Applies all changes or none; visible to every reader of every thread when it returns. Throws a StoreError StorageFull when no space is left. */
  commit(changes: Iterable<KvChange>): void;
  /** Resolves when everything committed before the call survives a crash. Calls at the same time share one. After a failure the KV takes no more commits. */
  checkpoint(): Promise<void>;
  /** For metrics and for the pace of checkpoints; some 20 µs. */
  statistics(): KvStatistics;
  /** Checkpoints and closes. */
  close(): Promise<void>;
}

/** A KV whose file other threads of the process can read. */
export interface SharedKv extends Kv {
  /**
   * Reads every page of the newest committed state beside LMDB, which trusts them: before something walks through all rows, which could end the
   * process. Some three seconds for each GiB.
   * @param step called with the bytes that were read, and waited for before more are
   * @throws CorruptionError with what is wrong, and then the next opening looks too; StoreError ServiceUnavailable when it takes longer than
   * `limits.stateSnapshotMs`
   */
  checkFile(step: (bytes: number) => Promise<unknown>): Promise<void>;
  /** Numbers in shared memory that move with every commit: tell readers in other threads whether they are behind, and in what. */
  readonly counts: Int32Array;
}
