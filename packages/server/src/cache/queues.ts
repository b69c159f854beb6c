import { invariant } from '../invariant.ts';

/** A FIFO of slot numbers in one ring array: nothing moves and nothing is allocated. */
export class SlotRing {
  readonly #slots: Int32Array;
  #head = 0;
  #count = 0;

  constructor(capacity: number) {
    this.#slots = new Int32Array(capacity);
  }

  get length(): number {
    return this.#count;
  }

  push(slot: number): void {
    invariant(this.#count < this.#slots.length, 'a queue never holds more than all slots');
    this.#slots[(this.#head + this.#count++) % this.#slots.length] = slot;
  }

  /** The oldest slot. */
  shift(): number {
    invariant(this.#count > 0, 'only a queue with slots is shifted');
    const slot = this.#slots[this.#head] as number;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#count--;
    return slot;
  }
}

/**
 * Which keys were evicted lately, as fingerprints: a table with one place per hash, each stamped with its turn. A later key
 * may overwrite an earlier one and two keys may share a fingerprint; either only misjudges one admission.
 */
export class Ghosts {
  readonly #mask: number;
  readonly #prints: Uint32Array;
  readonly #turns: Float64Array;
  #turn = 0;

  /** @param capacity how many evictions can be remembered */
  constructor(capacity: number) {
    const places = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#mask = places - 1;
    this.#prints = new Uint32Array(places);
    this.#turns = new Float64Array(places).fill(-Infinity);
  }

  add(hash: number): void {
    const place = hash & this.#mask;
    this.#prints[place] = hash;
    this.#turns[place] = this.#turn++;
  }

  /**
   * True once: what comes back is no ghost any more.
   * @param memory how many evictions back still count
   */
  take(hash: number, memory: number): boolean {
    const place = hash & this.#mask;
    if (this.#prints[place] !== hash || this.#turn - (this.#turns[place] as number) > memory) return false;
    this.#turns[place] = -Infinity;
    return true;
  }
}
