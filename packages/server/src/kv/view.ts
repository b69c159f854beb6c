import { StoreError } from '../errors.ts';
import type { Cancel, Host, Timers } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { checkKey, checkRange } from './checks.ts';
import { commitsOf } from './counts.ts';
import type { Environment, ReadTransaction } from './environment.ts';
import { meaning } from './failures.ts';
import type { KvRange, KvReader, KvRow, KvSnapshot } from './types.ts';

const none: Iterable<KvRow> = [];

/**
 * When the read transaction of a thread is renewed, so that it sees a commit which it has just been told about: never by hand in the
 * owner's thread, where commits do it; else before every read, or before the first read after the owner's counts ({@link newCounts}) say that
 * there was a commit.
 */
export type Renewal = 'never' | 'always' | Int32Array;

/** Reads of one LMDB environment by one thread. lmdb-js keeps one read transaction and renews it once in a turn of the event loop. */
export class Reads implements KvReader {
  readonly #environment: Environment;
  readonly #directory: string;
  readonly #host: Host;
  readonly #renewal: Renewal;
  /** Count of commits when the read transaction was renewed last. */
  #seen = -1;
  readonly #snapshots = new Set<Snapshot>();

  constructor(environment: Environment, directory: string, host: Host, renewal: Renewal) {
    this.#environment = environment;
    this.#directory = directory;
    this.#host = host;
    this.#renewal = renewal;
  }

  #renew(): void {
    const renewal = this.#renewal;
    if (renewal === 'never') return;
    if (renewal !== 'always') {
      const commits = commitsOf(renewal);
      if (commits === this.#seen) return;
      this.#seen = commits;
    }
    this.#environment.resetReadTxn();
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#renew();
    return this.at(key, undefined);
  }

  range(range: KvRange): Iterable<KvRow> {
    checkRange(range);
    if (range.end.length === 0) return none;
    return {
      [Symbol.iterator]: () => {
        this.#renew();
        return new Rows(this.scan(range, undefined), this.#directory, undefined);
      },
    };
  }

  snapshot(ageMs: number = limits.snapshotAgeMs): KvSnapshot {
    if (this.#snapshots.size >= limits.snapshots)
      throw new StoreError('SlowDown', { message: 'Too many reads at once.' });
    const snapshot = new Snapshot(this, this.hold(), this.#directory, this.#host.timers, ageMs, () =>
      this.#snapshots.delete(snapshot),
    );
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  /** The newest state, held until `done`. */
  hold(): ReadTransaction {
    this.#environment.resetReadTxn();
    try {
      return this.#environment.useReadTransaction();
    } catch (error) {
      throw meaning(error, this.#directory);
    }
  }

  at(key: Uint8Array, options: { readonly transaction: ReadTransaction } | undefined): Buffer | undefined {
    checkKey(key);
    try {
      return this.#environment.get(key, options);
    } catch (error) {
      throw meaning(error, this.#directory);
    }
  }

  scan(range: KvRange, transaction: ReadTransaction | undefined): Iterator<KvRow> {
    const bounds = range.reverse
      ? { start: range.end, end: range.start, reverse: true, exclusiveStart: true, inclusiveEnd: true }
      : { start: range.start, end: range.end };
    try {
      return this.#environment
        .getRange({
          ...bounds,
          ...(range.limit === undefined ? {} : { limit: range.limit }),
          ...(transaction && { transaction }),
        })
        .iterate();
    } catch (error) {
      throw meaning(error, this.#directory);
    }
  }

  /** Before the environment closes: LMDB must not be read afterwards. */
  releaseAll(): void {
    for (const snapshot of this.#snapshots) snapshot.release();
  }
}

/** Rows of one cursor. */
class Rows implements Iterator<KvRow> {
  readonly #rows: Iterator<KvRow>;
  readonly #directory: string;
  /** Called when the cursor is done with. */
  readonly #ended: ((rows: Rows) => void) | undefined;
  #expired = false;

  constructor(rows: Iterator<KvRow>, directory: string, ended: ((rows: Rows) => void) | undefined) {
    this.#rows = rows;
    this.#directory = directory;
    this.#ended = ended;
  }

  next(): IteratorResult<KvRow, undefined> {
    if (this.#expired) throw expired();
    try {
      const result = this.#rows.next();
      if (result.done) this.#ended?.(this);
      return result as IteratorResult<KvRow, undefined>;
    } catch (error) {
      throw meaning(error, this.#directory);
    }
  }

  return(): IteratorResult<KvRow, undefined> {
    this.#rows.return?.();
    this.#ended?.(this);
    return { done: true, value: undefined };
  }

  expire(): void {
    this.#expired = true;
    this.#rows.return?.();
  }
}

export const expired = (): StoreError =>
  new StoreError('ServiceUnavailable', {
    message: 'The read took too long; the state it began with is gone. Try again.',
  });

class Snapshot implements KvSnapshot {
  readonly #reads: Reads;
  readonly #options: { readonly transaction: ReadTransaction };
  readonly #directory: string;
  readonly #released: () => void;
  readonly #cancel: Cancel;
  readonly #open = new Set<Rows>();
  #state: 'held' | 'released' | 'expired' = 'held';

  constructor(
    reads: Reads,
    transaction: ReadTransaction,
    directory: string,
    timers: Timers,
    ageMs: number,
    released: () => void,
  ) {
    this.#reads = reads;
    this.#options = { transaction };
    this.#directory = directory;
    this.#released = released;
    this.#cancel = timers.after(ageMs, () => this.#end('expired'));
  }

  #check(): void {
    invariant(this.#state !== 'released', 'a snapshot is not read after its release');
    if (this.#state === 'expired') throw expired();
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#check();
    return this.#reads.at(key, this.#options);
  }

  range(range: KvRange): Iterable<KvRow> {
    this.#check();
    checkRange(range);
    if (range.end.length === 0) return none;
    return {
      [Symbol.iterator]: () => {
        this.#check();
        const cursor = this.#reads.scan(range, this.#options.transaction);
        const rows = new Rows(cursor, this.#directory, (ended) => this.#open.delete(ended));
        this.#open.add(rows);
        return rows;
      },
    };
  }

  release(): void {
    if (this.#state === 'expired') this.#state = 'released';
    else this.#end('released');
  }

  #end(state: 'released' | 'expired'): void {
    if (this.#state !== 'held') return;
    this.#state = state;
    this.#cancel();
    for (const rows of this.#open) rows.expire();
    this.#open.clear();
    this.#options.transaction.done();
    this.#released();
  }
}
