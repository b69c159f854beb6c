import { release } from '../codec/index.ts';
import { invariant } from '../invariant.ts';
import { Ghosts, SlotRing } from './queues.ts';
import { SlotIndex } from './slots.ts';
import type { CacheStatistics, FrameCache } from './types.ts';

/*
 * S3-FIFO (Yang and others, "FIFO queues are all you need for cache eviction", SOSP 2023).
 *
 * A new frame enters the small queue, a tenth of the bytes. At its end, what was asked for again goes on to the main queue; the rest is
 * forgotten but for a fingerprint. A frame that comes back while its fingerprint is remembered enters the main queue at once. The main
 * queue gives a frame one more round for each time it was asked for, three at most. One-time reads thus wash only the small queue.
 *
 * A hit changes one byte, unlike the list surgery of LRU. All state is in typed arrays that are made once: a Map used as a queue became
 * slower by a factor of thirty when it churned, as every step looked past the entries deleted before.
 *
 * Invariants: a slot is in exactly one queue from put until it is shifted out; a removed frame has no buffer and no charge, and keeps only
 * its slot until then. The charge of a frame is all the memory that its buffer keeps alive. That memory is given back explicitly (see
 * codec's `release`) when the frame is forgotten while it is lent to nobody: frames that come and go would make the collector run all the time.
 */

const mostUses = 3;
/** Uses in the small queue that earn a place in the main one. */
const promotingUses = 2;
/** Expected smallest frame: how many entries the arrays are made for. */
const bytesPerSlot = 4096;

class S3Fifo implements FrameCache {
  readonly #limit: number;
  readonly #smallLimit: number;
  readonly #index: SlotIndex;
  readonly #buffers: (Buffer | undefined)[];
  /** How often the memory of a frame is lent; weak, because a borrower may never come back. */
  readonly #lent = new WeakMap<ArrayBufferLike, number>();
  readonly #charges: Float64Array;
  readonly #uses: Uint8Array;
  readonly #inMain: Uint8Array;
  readonly #small: SlotRing;
  readonly #main: SlotRing;
  readonly #ghosts: Ghosts;
  #smallHeld = 0;
  #mainHeld = 0;
  #entries = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(bytes: number) {
    const slots = Math.max(16, Math.ceil(bytes / bytesPerSlot));
    this.#limit = bytes;
    this.#smallLimit = Math.floor(bytes / 10);
    this.#index = new SlotIndex(slots);
    this.#buffers = Array.from({ length: slots }, () => undefined);
    this.#charges = new Float64Array(slots);
    this.#uses = new Uint8Array(slots);
    this.#inMain = new Uint8Array(slots);
    this.#small = new SlotRing(slots);
    this.#main = new SlotRing(slots);
    this.#ghosts = new Ghosts(slots);
  }

  get(stripe: Buffer, frame: number): Buffer | undefined {
    const slot = this.#index.find(SlotIndex.hash(stripe, frame), stripe, frame);
    if (slot < 0) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    const uses = this.#uses[slot] as number;
    if (uses < mostUses) this.#uses[slot] = uses + 1;
    const found = this.#buffers[slot] as Buffer;
    this.#lent.set(found.buffer, (this.#lent.get(found.buffer) ?? 0) + 1);
    return found;
  }

  done({ buffer }: Uint8Array): void {
    const lent = this.#lent.get(buffer) ?? 0;
    if (lent > 1) this.#lent.set(buffer, lent - 1);
    else this.#lent.delete(buffer);
  }

  put(stripe: Buffer, frame: number, bytes: Buffer): void {
    const charge = bytes.buffer.byteLength;
    if (charge > this.#limit - this.#smallLimit) return;
    const hash = SlotIndex.hash(stripe, frame);
    if (this.#index.find(hash, stripe, frame) >= 0) return;
    // As many are remembered as the cache holds frames now, whatever their size.
    const known = this.#ghosts.take(hash, this.#entries);
    while (this.#index.full || this.#smallHeld + this.#mainHeld + charge > this.#limit) this.#evict();
    const slot = this.#index.add(hash, stripe, frame);
    this.#buffers[slot] = bytes;
    this.#lent.set(bytes.buffer, 1);
    this.#charges[slot] = charge;
    this.#uses[slot] = 0;
    this.#entries++;
    if (known) this.#toMain(slot, charge);
    else {
      this.#inMain[slot] = 0;
      this.#small.push(slot);
      this.#smallHeld += charge;
    }
  }

  remove(stripe: Buffer, frame: number): void {
    const slot = this.#index.find(SlotIndex.hash(stripe, frame), stripe, frame);
    if (slot < 0) return;
    const charge = this.#charges[slot] as number;
    if (this.#inMain[slot] === 1) this.#mainHeld -= charge;
    else this.#smallHeld -= charge;
    this.#forget(slot);
  }

  statistics(): CacheStatistics {
    return {
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      entries: this.#entries,
      bytes: this.#smallHeld + this.#mainHeld,
    };
  }

  #toMain(slot: number, charge: number): void {
    this.#inMain[slot] = 1;
    this.#main.push(slot);
    this.#mainHeld += charge;
  }

  #forget(slot: number): void {
    this.#index.unlink(slot);
    const bytes = this.#buffers[slot];
    if (bytes && !this.#lent.has(bytes.buffer)) release(bytes);
    this.#buffers[slot] = undefined;
    this.#charges[slot] = 0;
    this.#entries--;
  }

  /** Moves one slot on: out of the cache, from small to main, or around main once more. Each call brings a slot nearer to its end. */
  #evict(): void {
    const fromSmall =
      this.#small.length > 0 &&
      (this.#main.length === 0 || this.#smallHeld > this.#smallLimit || this.#small.length > this.#index.capacity / 10);
    invariant(fromSmall || this.#main.length > 0, 'a cache that is over its limit holds something');
    const slot = fromSmall ? this.#small.shift() : this.#main.shift();
    if (this.#buffers[slot] === undefined) {
      this.#index.release(slot);
      return;
    }
    const charge = this.#charges[slot] as number;
    const uses = this.#uses[slot] as number;
    if (fromSmall) this.#smallHeld -= charge;
    else this.#mainHeld -= charge;
    if (fromSmall ? uses >= promotingUses : uses > 0) {
      this.#uses[slot] = fromSmall ? 0 : uses - 1;
      this.#toMain(slot, charge);
      return;
    }
    if (fromSmall) this.#ghosts.add(this.#index.hashOf(slot));
    this.#forget(slot);
    this.#index.release(slot);
    this.#evictions++;
  }
}

/** @param options.bytes bound on the memory of all frames together */
export function createCache(options: { readonly bytes: number }): FrameCache {
  return options.bytes > 0 ? new S3Fifo(options.bytes) : nothing;
}

/** The cache of a server that is told to keep none. */
const nothing: FrameCache = {
  get: () => undefined,
  put: () => {},
  done: () => {},
  remove: () => {},
  statistics: () => ({ hits: 0, misses: 0, evictions: 0, entries: 0, bytes: 0 }),
};
