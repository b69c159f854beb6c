/** A small counter-based generator (sfc32, Chris Doty-Humphrey's PractRand). Never used for keys. */
export class Dice {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  readonly #seed: number;
  readonly #stream: string;
  /** Numbers drawn so far: part of the trace, so that a run that draws once more than another is told apart. */
  drawn = 0;

  /** @param seed whole number below 2^53; @param stream names what the dice are for: each name gives a sequence of its own */
  constructor(seed: number, stream: string) {
    this.#seed = seed;
    this.#stream = stream;
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = hashOf(stream);
    for (let i = 0; i < 15; i++) this.u32();
    this.drawn = 0;
  }

  u32(): number {
    this.drawn++;
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  float(): number {
    return this.u32() / 2 ** 32;
  }

  /** A whole number from 0 to `bound` − 1. */
  below(bound: number): number {
    return Math.floor(this.float() * bound);
  }

  /** A whole number from `low` to `high`, both inclusive. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.float() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** One of the items, as often as its weight says. */
  weighted<Item>(items: readonly (readonly [Item, number])[]): Item {
    let at = this.float() * items.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [item, weight] of items) {
      at -= weight;
      if (at < 0) return item;
    }
    return (items.at(-1) as readonly [Item, number])[0];
  }

  bytes(length: number): Buffer {
    const out = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.u32();
      for (let i = 0; i < 4 && at + i < length; i++) out[at + i] = word >>> (8 * i);
    }
    return out;
  }

  /** Dice of their own, of the same seed: what draws from them does not move what others draw. */
  fork(stream: string): Dice {
    return new Dice(this.#seed, `${this.#stream}/${stream}`);
  }
}

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0;
}
