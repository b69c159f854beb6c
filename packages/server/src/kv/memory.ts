import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { checkKey, checkRange } from './checks.ts';
import { SortedRows } from './sorted.ts';
import type { Kv, KvChange, KvRange, KvRow, KvSnapshot, KvStatistics } from './types.ts';
import { expired } from './view.ts';

/** A KV in memory that can lose its power. */
export interface MemoryKv extends Kv {
  /** Loses the power now: the KV as it opens afterwards, at its newest complete checkpoint. Every further use of this one fails. */
  crash(): MemoryKv;
}

const copied = (row: KvRow): KvRow => ({ key: Buffer.from(row.key), value: Buffer.from(row.value) });

/** Rows of a state; `check` runs before each step. */
function rowsOf(state: () => SortedRows, range: KvRange, check: () => void, copies: boolean): Iterable<KvRow> {
  checkRange(range);
  return {
    *[Symbol.iterator]() {
      check();
      for (const row of state().range(range)) {
        check();
        yield copies ? copied(row) : row;
      }
    },
  };
}

class Memory implements MemoryKv {
  #rows: SortedRows;
  #durable: SortedRows;
  /** Bytes committed in all, and how many of them the newest checkpoint covers. */
  #committed = 0;
  #covered = 0;
  readonly #changes = new Int32Array(256);
  #state: 'open' | 'closed' | 'crashed' = 'open';
  readonly #host: Host;
  readonly #snapshots = new Set<KvSnapshot>();
  readonly #copies: boolean;

  constructor(host: Host, rows: SortedRows, copies: boolean) {
    this.#host = host;
    this.#copies = copies;
    this.#rows = rows;
    this.#durable = rows;
  }

  readonly #alive = (): void => invariant(this.#state === 'open', `this KV is open, not ${this.#state}`);

  readonly #given = (value: Buffer | undefined): Buffer | undefined =>
    value && this.#copies ? Buffer.from(value) : value;

  changeCount(first: number): number {
    return this.#changes[first]!;
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#alive();
    checkKey(key);
    return this.#given(this.#rows.get(key));
  }

  range(range: KvRange): Iterable<KvRow> {
    return rowsOf(() => this.#rows, range, this.#alive, this.#copies);
  }

  snapshot(ageMs: number = limits.snapshotAgeMs): KvSnapshot {
    this.#alive();
    if (this.#snapshots.size >= limits.snapshots)
      throw new StoreError('SlowDown', { message: 'Too many reads at once.' });
    let rows: SortedRows | undefined = this.#rows;
    let released = false;
    const copies = this.#copies;
    const given = this.#given;
    const drop = (): void => {
      rows = undefined;
      cancel();
      this.#snapshots.delete(snapshot);
    };
    const cancel = this.#host.timers.after(ageMs, drop);
    const state = (): SortedRows => {
      invariant(!released, 'a snapshot is not read after its release');
      if (!rows) throw expired();
      return rows;
    };
    const snapshot: KvSnapshot = {
      get(key) {
        checkKey(key);
        return given(state().get(key));
      },
      range(range) {
        state();
        return rowsOf(state, range, state, copies);
      },
      release() {
        released = true;
        drop();
      },
    };
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  commit(changes: Iterable<KvChange>): void {
    this.#alive();
    const owned: [Buffer, Buffer | undefined][] = [];
    for (const [key, value] of changes) {
      checkKey(key);
      owned.push([Buffer.from(key), value && Buffer.from(value)]);
      this.#committed += key.length + (value?.length ?? 0);
    }
    this.#rows = this.#rows.with(owned);
    for (const [key] of owned) this.#changes[key[0]!]!++;
  }

  async checkpoint(): Promise<void> {
    this.#alive();
    const rows = this.#rows;
    const committed = this.#committed;
    // Later, so that commits and a crash can come between.
    await Promise.resolve();
    this.#alive();
    this.#durable = rows;
    this.#covered = committed;
  }

  statistics(): KvStatistics {
    this.#alive();
    return { rows: this.#rows.size, fileBytes: 0, freeBytes: 0, pendingBytes: this.#committed - this.#covered };
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    await this.checkpoint();
    for (const snapshot of this.#snapshots) snapshot.release();
    this.#state = 'closed';
  }

  crash(): MemoryKv {
    this.#alive();
    for (const snapshot of this.#snapshots) snapshot.release();
    this.#state = 'crashed';
    return new Memory(this.#host, this.#durable, this.#copies);
  }
}

/**
 * An empty KV in memory, for tests and simulation.
 * @param copies false: it gives its rows themselves, which is faster, and nobody may write over them; whoever does changes the state, and the digests tell
 */
export function memoryKv(host: Host, copies = true): MemoryKv {
  return new Memory(host, SortedRows.empty, copies);
}
