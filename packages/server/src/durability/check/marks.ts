import { invariant } from '../../invariant.ts';

/*
 * A number for each of millions of 16-byte ids, in flat arrays: 12 bytes a slot, where a Map of strings takes a hundred. Ids are held as 64
 * bits of them, mixed: two of four million random ids agree in those with a chance of one in two million, and then a check misses something
 * or looks twice; it never changes anything.
 */
export class IdMarks {
  readonly #mask: number;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #marks: Uint32Array;
  readonly #most: number;
  #size = 0;

  /** @param capacity ids that it holds */
  constructor(capacity: number) {
    let slots = 16;
    while (slots < capacity * 1.5) slots *= 2;
    this.#mask = slots - 1;
    this.#high = new Uint32Array(slots);
    this.#low = new Uint32Array(slots);
    this.#marks = new Uint32Array(slots);
    this.#most = Math.floor(slots * 0.75);
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#most;
  }

  /** 0 when there is none. */
  get(id: Buffer): number {
    return this.#marks[this.#slot(id)] as number;
  }

  /** @param mark not 0 */
  set(id: Buffer, mark: number): void {
    invariant(mark > 0, 'a mark is a positive number');
    const slot = this.#slot(id);
    if (this.#marks[slot] === 0) {
      invariant(!this.isFull, 'marks are bounded by their user');
      this.#size += 1;
      this.#high[slot] = high(id);
      this.#low[slot] = low(id);
    }
    this.#marks[slot] = mark;
  }

  #slot(id: Buffer): number {
    const wantedHigh = high(id);
    const wantedLow = low(id);
    let slot = spread(wantedHigh, wantedLow) & this.#mask;
    while (this.#marks[slot] !== 0 && (this.#high[slot] !== wantedHigh || this.#low[slot] !== wantedLow)) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }
}

/** Which of `slices` about equal shares of all ids this one belongs to. */
export const sliceOf = (id: Buffer, slices: number): number => spread(low(id), high(id)) % slices;

/** Both halves of an id count: one is random and the other a number, in either order. */
const high = (id: Buffer): number => (id.readUInt32BE(0) ^ mix(id.readUInt32BE(8))) >>> 0;
const low = (id: Buffer): number => (mix(id.readUInt32BE(4)) ^ Math.imul(id.readUInt32BE(12), 0xcc9e2d51)) >>> 0;

const spread = (a: number, b: number): number => mix(a ^ Math.imul(mix(b), 0x9e3779b1));

/** A bijection of 32-bit numbers in which high bits reach low ones. */
function mix(value: number): number {
  const bits = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (bits ^ (bits >>> 13)) >>> 0;
}
