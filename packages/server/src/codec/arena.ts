/** Cut up for buffers of up to a quarter of it. */
const slabBytes = 64 * 1024;

/**
 * Cuts buffers of some kilobytes from larger ones. Each would have a backing store of its own otherwise, which costs more than filling it.
 * A buffer keeps its whole slab in memory: for bytes that are soon let go of.
 */
export class Arena {
  #slab = Buffer.alloc(0);
  #used = 0;

  /** Bytes that nobody else has, with anything in them. */
  take(bytes: number): Buffer {
    if (bytes > slabBytes / 4) return Buffer.allocUnsafeSlow(bytes);
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#used = 0;
    }
    const at = this.#used;
    // Whole words: what reads and writes them stays aligned.
    this.#used = (at + bytes + 7) & ~7;
    return this.#slab.subarray(at, at + bytes);
  }
}
