import type { KvChange, KvRange, KvReader, KvRow } from '../../kv/index.ts';
import { textOf } from './keys.ts';

/** Rows that can be changed: what `apply` works on. */
export interface Rows extends KvReader {
  /** `undefined` removes the row. */
  set(key: Buffer, value: Buffer | undefined): void;
}

interface Pending {
  readonly key: Buffer;
  /** The row below, once it was looked at; null: not yet. */
  base: Buffer | undefined | null;
  /** The row as it will be. */
  value: Buffer | undefined;
  changed: boolean;
}

/**
 * Changes that are decided but not committed, seen as if they were. It remembers what it read below, so that a batch reads each row
 * once and the state digest finds the old rows at hand.
 */
export class Overlay implements Rows {
  readonly #base: KvReader;
  readonly #rows = new Map<string, Pending>();
  /** Keys of changed rows in order, by table: only for ranges. */
  readonly #ordered: (string[] | undefined)[] = [];

  constructor(base: KvReader) {
    this.#base = base;
  }

  get(key: Uint8Array): Buffer | undefined {
    const text = textOf(key);
    const pending = this.#rows.get(text);
    if (pending) return pending.value;
    const value = this.#base.get(key);
    this.#rows.set(text, { key: Buffer.from(key), base: value, value, changed: false });
    return value;
  }

  set(key: Buffer, value: Buffer | undefined): void {
    const text = textOf(key);
    const pending = this.#rows.get(text);
    if (pending) {
      pending.value = value;
      if (pending.changed) return;
      pending.changed = true;
    } else this.#rows.set(text, { key, base: null, value, changed: true });
    const ordered = this.#ordered[key[0]!];
    if (ordered) ordered.splice(place(ordered, text), 0, text);
  }

  /** Changes made during the iteration may or may not be seen. */
  *range(range: KvRange): Iterable<KvRow> {
    const pending = this.#pendingIn(range);
    if (pending.length === 0) {
      yield* this.#base.range(range);
      return;
    }
    if (range.reverse) pending.reverse();
    const before = range.reverse ? (a: string, b: string) => a > b : (a: string, b: string) => a < b;
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    let next = 0;
    // The limit counts rows of the merge: removed rows below must not use it up.
    const { limit: _, ...unlimited } = range;
    for (const row of this.#base.range(unlimited)) {
      if (left <= 0) return;
      const text = textOf(row.key);
      for (; next < pending.length && before(pending[next]!, text) && left > 0; next++) {
        const change = this.#rows.get(pending[next]!)!;
        if (change.value === undefined) continue;
        left--;
        yield { key: change.key, value: change.value };
      }
      if (left <= 0) return;
      if (pending[next] === text) continue;
      left--;
      yield row;
    }
    for (; next < pending.length && left > 0; next++) {
      const change = this.#rows.get(pending[next]!)!;
      if (change.value === undefined) continue;
      left--;
      yield { key: change.key, value: change.value };
    }
  }

  #pendingIn(range: KvRange): string[] {
    const table = range.start[0]!;
    let ordered = this.#ordered[table];
    if (!ordered) {
      ordered = [];
      for (const [text, pending] of this.#rows) {
        if (pending.changed && pending.key[0] === table) ordered.push(text);
      }
      ordered.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      this.#ordered[table] = ordered;
    }
    if (ordered.length === 0) return ordered;
    return ordered.slice(place(ordered, textOf(range.start)), place(ordered, textOf(range.end)));
  }

  /** Rows that differ from what is below, with what is below. In no order. */
  *changes(): Iterable<{
    readonly key: Buffer;
    readonly before: Buffer | undefined;
    readonly after: Buffer | undefined;
  }> {
    for (const pending of this.#rows.values()) {
      if (!pending.changed) continue;
      if (pending.base === null) pending.base = this.#base.get(pending.key);
      const { key, base: before, value: after } = pending;
      if (before === after || (before && after && before.equals(after))) continue;
      yield { key, before, after };
    }
  }

  /** The same for a KV's commit. */
  *commit(): Iterable<KvChange> {
    for (const { key, after } of this.changes()) yield [key, after];
  }
}

/** First index whose text is not below `text`. */
function place(ordered: readonly string[], text: string): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ordered[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
