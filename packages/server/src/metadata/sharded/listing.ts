import type { Page } from '../types.ts';

/*
 * One listing out of those of several shards. Each shard gives its keys in order, and a key is in one shard only, the first here where two are seen
 * to have it; a common prefix may be in many and is given once. A shard is asked for a share of the page at a time, so that a page costs by what it gives, however many shards there are.
 */

type Prefix = { readonly prefix: Buffer };

/** How one shard is asked for what follows `after`: undefined at the start. */
export type Ask<Item> = (after: Item | Prefix | undefined, limit: number) => Page<Item | Prefix>;

/** Asked for beyond an even share, because shards never have quite as many keys. */
const SPARE = 8;

/** What a shard has still to give. */
class Source<Item> {
  readonly #ask: Ask<Item>;
  readonly #share: number;
  #items: readonly (Item | Prefix)[] = [];
  #next = 0;
  #more = true;
  #last: Item | Prefix | undefined;

  constructor(ask: Ask<Item>, share: number) {
    this.#ask = ask;
    this.#share = share;
  }

  /** The first item left; undefined at the end. */
  head(): Item | Prefix | undefined {
    if (this.#next === this.#items.length && this.#more) {
      const page = this.#ask(this.#last, this.#share);
      this.#items = page.items;
      this.#next = 0;
      this.#more = page.truncated;
    }
    return this.#items[this.#next];
  }

  step(): void {
    this.#last = this.#items[this.#next++];
  }
}

/** @param keyOf the key of an item that is no prefix */
export function mergePages<Item extends object>(
  shards: readonly Ask<Item>[],
  limit: number,
  keyOf: (item: Item) => Buffer,
): Page<Item | Prefix> {
  const textOf = (item: Item | Prefix): Buffer => ('prefix' in item ? item.prefix : keyOf(item));
  const share = Math.min(limit, Math.ceil(limit / shards.length) + SPARE);
  const sources = shards.map((ask) => new Source(ask, share));
  const items: (Item | Prefix)[] = [];
  let folded: Buffer | undefined;
  let given: { readonly source: Source<Item>; readonly key: Buffer } | undefined;
  const isGiven = (source: Source<Item>, item: Item): boolean =>
    given !== undefined && given.source !== source && given.key.equals(keyOf(item));
  for (;;) {
    let least: { readonly source: Source<Item>; readonly item: Item | Prefix; readonly text: Buffer } | undefined;
    for (const source of sources) {
      let item = source.head();
      // What another shard has given already: a common prefix, or a key that went from one shard to another between two looks.
      while (item && ('prefix' in item ? folded?.equals(item.prefix) : isGiven(source, item))) {
        source.step();
        item = source.head();
      }
      if (!item) continue;
      const text = textOf(item);
      if (!least || Buffer.compare(text, least.text) < 0) least = { source, item, text };
    }
    if (!least) return { items, truncated: false };
    if (items.length >= limit) return { items, truncated: true };
    items.push(least.item);
    if ('prefix' in least.item) folded = least.item.prefix;
    else given = { source: least.source, key: least.text };
    least.source.step();
  }
}

/** The first of several ordered runs together. */
export function mergeRuns<Item>(
  runs: readonly (readonly Item[])[],
  limit: number,
  compare: (a: Item, b: Item) => number,
): Item[] {
  return runs.flat().sort(compare).slice(0, limit);
}
