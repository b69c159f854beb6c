import type { KvRange, KvRow } from './types.ts';

/** Rows of one chunk; a commit copies the chunks it touches. */
const chunkRows = 64;

/** Never empty. */
type Chunk = readonly KvRow[];

const firstKey = (chunk: Chunk): Buffer => (chunk[0] as KvRow).key;

/** First index in `chunk` whose key is not less than `key`. */
function lowerBound(chunk: Chunk, key: Uint8Array): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (Buffer.compare((chunk[middle] as KvRow).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** An ordered map of bytes to bytes that never changes: `with` gives another one, which shares the chunks it did not touch. */
export class SortedRows {
  static readonly empty = new SortedRows([], 0);
  readonly #chunks: readonly Chunk[];
  readonly size: number;

  private constructor(chunks: readonly Chunk[], size: number) {
    this.#chunks = chunks;
    this.size = size;
  }

  /** The last chunk that begins at or before `key`, or 0. */
  #chunkOf(chunks: readonly Chunk[], key: Uint8Array): number {
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (Buffer.compare(firstKey(chunks[middle] as Chunk), key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  get(key: Uint8Array): Buffer | undefined {
    const chunk = this.#chunks[this.#chunkOf(this.#chunks, key)];
    if (!chunk) return undefined;
    const row = chunk[lowerBound(chunk, key)];
    return row && Buffer.compare(row.key, key) === 0 ? row.value : undefined;
  }

  /** Keys and values are taken over, not copied. */
  with(changes: Iterable<readonly [Buffer, Buffer | undefined]>): SortedRows {
    const chunks = [...this.#chunks];
    let size = this.size;
    for (const [key, value] of changes) {
      const index = this.#chunkOf(chunks, key);
      const chunk = [...(chunks[index] ?? [])];
      const at = lowerBound(chunk, key);
      const found = chunk[at] !== undefined && Buffer.compare(chunk[at].key, key) === 0;
      if (value === undefined) {
        if (!found) continue;
        chunk.splice(at, 1);
        size--;
      } else {
        chunk.splice(at, found ? 1 : 0, { key, value });
        if (!found) size++;
      }
      if (chunk.length === 0) chunks.splice(index, 1);
      else if (chunk.length <= chunkRows) chunks[index] = chunk;
      else chunks.splice(index, 1, chunk.slice(0, chunkRows / 2), chunk.slice(chunkRows / 2));
    }
    return new SortedRows(chunks, size);
  }

  *range(range: KvRange): Generator<KvRow, void> {
    const limit = range.limit ?? Number.POSITIVE_INFINITY;
    let count = 0;
    for (const row of range.reverse ? this.#down(range) : this.#up(range)) {
      if (count++ >= limit) return;
      yield row;
    }
  }

  *#up(range: KvRange): Generator<KvRow, void> {
    let index = this.#chunkOf(this.#chunks, range.start);
    let at = lowerBound(this.#chunks[index] ?? [], range.start);
    for (; index < this.#chunks.length; index++, at = 0) {
      const chunk = this.#chunks[index] as Chunk;
      for (; at < chunk.length; at++) {
        const row = chunk[at] as KvRow;
        if (Buffer.compare(row.key, range.end) >= 0) return;
        yield row;
      }
    }
  }

  *#down(range: KvRange): Generator<KvRow, void> {
    let index = this.#chunkOf(this.#chunks, range.end);
    let at = lowerBound(this.#chunks[index] ?? [], range.end);
    for (; index >= 0; index--, at = this.#chunks[index]?.length ?? 0) {
      while (at-- > 0) {
        const row = this.#chunks[index]?.[at] as KvRow;
        if (Buffer.compare(row.key, range.start) < 0) return;
        yield row;
      }
    }
  }
}
