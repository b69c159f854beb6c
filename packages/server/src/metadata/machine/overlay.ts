import type { KvChange, KvRange, KvReader, KvRow } from '../../kv/index.ts';
import { textOf } from './keys.ts';

/** Rows that can be changed: what `apply` works on. */
export interface Rows extends KvReader {
  /** `undefined` removes the row. */
  set(key: Buffer, value: Buffer | undefined): void;
}

/** One row of an overlay, in hand: rows that every command looks at are found once and then kept by whoever looks. */
export class Cell {
  readonly key: Buffer;
  /** The row below, once it was looked at; null: not yet. */
  base: Buffer | undefined | null;
  changed = false;
  #bytes: Buffer | undefined;
  /** The row as a value, and how it is written; the bytes are out of date while there is a writer. */
  #value: unknown;
  #write: ((value: never) => Buffer) | undefined;

  constructor(key: Buffer, base: Buffer | undefined | null, bytes: Buffer | undefined) {
    this.key = key;
    this.base = base;
    this.#bytes = bytes;
  }

  /** The row as it will be. */
  get bytes(): Buffer | undefined {
    if (this.#write) {
      this.#bytes = this.#write(this.#value as never);
      this.#write = undefined;
    }
    return this.#bytes;
  }

  /** Only for the overlay, which keeps account of what has changed. */
  replace(bytes: Buffer | undefined): void {
    this.#bytes = bytes;
    this.#value = undefined;
    this.#write = undefined;
  }

  /** The row, decoded once for each of its values. Always ask with the same function. */
  decoded<Value>(decode: (bytes: Buffer) => Value): Value | undefined {
    if (this.#value === undefined && this.#bytes) this.#value = decode(this.#bytes);
    return this.#value as Value | undefined;
  }

  /** The same as `replace`, put into bytes when somebody needs them. */
  assign<Value>(value: Value, write: (value: Value) => Buffer): void {
    this.#value = value;
    this.#write = write;
  }
}

/**
 * Changes that are decided but not committed, seen as if they were. It remembers what it read below, so that a batch reads each row
 * once and the state digest finds the old rows at hand.
 */
export class Overlay implements Rows {
  readonly #base: KvReader;
  readonly #rows = new Map<string, Cell>();
  /** Keys of changed rows in order, by table: only for ranges. */
  readonly #ordered: (string[] | undefined)[] = [];

  constructor(base: KvReader) {
    this.#base = base;
  }

  get(key: Uint8Array): Buffer | undefined {
    return this.cell(key instanceof Buffer ? key : Buffer.from(key)).bytes;
  }

  /** The row of this key, which must not change any more, for as long as the overlay lasts: whether it is there or not. */
  cell(key: Buffer): Cell {
    const text = textOf(key);
    const known = this.#rows.get(text);
    if (known) return known;
    const bytes = this.#base.get(key);
    const cell = new Cell(key, bytes, bytes);
    this.#rows.set(text, cell);
    return cell;
  }

  set(key: Buffer, value: Buffer | undefined): void {
    const text = textOf(key);
    let cell = this.#rows.get(text);
    if (!cell) {
      cell = new Cell(key, null, undefined);
      this.#rows.set(text, cell);
    }
    cell.replace(value);
    this.#note(cell, text);
  }

  /** A row under a key that was drawn by lot just now: nothing can be there. */
  add(key: Buffer, value: Buffer): void {
    const text = textOf(key);
    const cell = this.#rows.get(text) ?? new Cell(key, undefined, undefined);
    this.#rows.set(text, cell);
    cell.replace(value);
    this.#note(cell, text);
  }

  /** `set`, with the row in hand. */
  put(cell: Cell, value: Buffer | undefined): void {
    cell.replace(value);
    if (!cell.changed) this.#note(cell, textOf(cell.key));
  }

  /** {@link Cell.assign}, for a row that stays. */
  assign<Value>(cell: Cell, value: Value, write: (value: Value) => Buffer): void {
    cell.assign(value, write);
    if (!cell.changed) this.#note(cell, textOf(cell.key));
  }

  #note(cell: Cell, text: string): void {
    if (cell.changed) return;
    cell.changed = true;
    const ordered = this.#ordered[cell.key[0]!];
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
        if (change.bytes === undefined) continue;
        left--;
        yield { key: change.key, value: change.bytes };
      }
      if (left <= 0) return;
      if (pending[next] === text) continue;
      left--;
      yield row;
    }
    for (; next < pending.length && left > 0; next++) {
      const change = this.#rows.get(pending[next]!)!;
      if (change.bytes === undefined) continue;
      left--;
      yield { key: change.key, value: change.bytes };
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
      const { key, base: before, bytes: after } = pending;
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
