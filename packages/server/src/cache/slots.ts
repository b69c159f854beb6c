import { invariant } from '../invariant.ts';

const keyWords = 5;
const none = -1;

/**
 * An index from (stripe id, frame) to a slot number: open addressing over typed arrays, with deletion by shifting back.
 * Nothing is allocated per look-up, and no key string is made. Slots are handed out from a free list.
 */
export class SlotIndex {
  readonly capacity: number;
  readonly #mask: number;
  /** Slot number at each place of the table, or `none`. */
  readonly #table: Int32Array;
  readonly #keys: Uint32Array;
  readonly #hashes: Uint32Array;
  readonly #free: Int32Array;
  #freeCount: number;

  /** @param capacity slots */
  constructor(capacity: number) {
    this.capacity = capacity;
    const places = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#mask = places - 1;
    this.#table = new Int32Array(places).fill(none);
    this.#keys = new Uint32Array(capacity * keyWords);
    this.#hashes = new Uint32Array(capacity);
    this.#free = new Int32Array(capacity);
    for (let i = 0; i < capacity; i++) this.#free[i] = capacity - 1 - i;
    this.#freeCount = capacity;
  }

  get full(): boolean {
    return this.#freeCount === 0;
  }

  /** Ids are random already; the frame and the counter at the end of an id must still be spread over the low bits. */
  static hash(stripe: Buffer, frame: number): number {
    let h = stripe.readUInt32LE(0) ^ Math.imul(stripe.readUInt32LE(4), 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15) ^ stripe.readUInt32LE(8), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ stripe.readUInt32LE(12), 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 16) ^ frame, 0x27d4eb2f);
    return (h ^ (h >>> 15)) >>> 0;
  }

  hashOf(slot: number): number {
    return this.#hashes[slot] as number;
  }

  #is(slot: number, stripe: Buffer, frame: number): boolean {
    const at = slot * keyWords;
    return (
      this.#keys[at] === stripe.readUInt32LE(0) &&
      this.#keys[at + 1] === stripe.readUInt32LE(4) &&
      this.#keys[at + 2] === stripe.readUInt32LE(8) &&
      this.#keys[at + 3] === stripe.readUInt32LE(12) &&
      this.#keys[at + 4] === frame
    );
  }

  /** @returns the slot, or -1 */
  find(hash: number, stripe: Buffer, frame: number): number {
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const slot = this.#table[place] as number;
      if (slot === none || (this.#hashes[slot] === hash && this.#is(slot, stripe, frame))) return slot;
    }
  }

  /** Takes a free slot for a key that is not there yet. */
  add(hash: number, stripe: Buffer, frame: number): number {
    invariant(this.#freeCount > 0, 'a slot is free when a frame is added');
    const slot = this.#free[--this.#freeCount] as number;
    const at = slot * keyWords;
    for (let word = 0; word < 4; word++) this.#keys[at + word] = stripe.readUInt32LE(word * 4);
    this.#keys[at + 4] = frame;
    this.#hashes[slot] = hash;
    let place = hash & this.#mask;
    while (this.#table[place] !== none) place = (place + 1) & this.#mask;
    this.#table[place] = slot;
    return slot;
  }

  /** Forgets the key of a slot. The slot is not handed out again before {@link release}. */
  unlink(slot: number): void {
    let hole = this.hashOf(slot) & this.#mask;
    while (this.#table[hole] !== slot) {
      invariant(this.#table[hole] !== none, 'a linked slot is found from its hash');
      hole = (hole + 1) & this.#mask;
    }
    for (let place = (hole + 1) & this.#mask; this.#table[place] !== none; place = (place + 1) & this.#mask) {
      const moved = this.#table[place] as number;
      const home = this.hashOf(moved) & this.#mask;
      if (((place - home) & this.#mask) >= ((place - hole) & this.#mask)) {
        this.#table[hole] = moved;
        hole = place;
      }
    }
    this.#table[hole] = none;
  }

  release(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }
}
