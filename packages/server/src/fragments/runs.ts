import { invariant } from '../invariant.ts';
import type { Extent } from './types.ts';

interface Run {
  address: number;
  length: number;
}

/** Separate runs of addresses in order; neighbours are joined. */
export class Runs {
  readonly #runs: Run[];
  #bytes = 0;

  constructor(extents: Iterable<Extent> = []) {
    this.#runs = [];
    for (const extent of extents) this.add(extent);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get list(): readonly Extent[] {
    return this.#runs;
  }

  /** Index of the first run that ends behind `address`. */
  #search(address: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const run = this.#runs[middle] as Run;
      if (run.address + run.length <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  has(extent: Extent): boolean {
    const run = this.#runs[this.#search(extent.address)];
    return (
      run !== undefined && run.address <= extent.address && extent.address + extent.length <= run.address + run.length
    );
  }

  add(extent: Extent): void {
    if (extent.length === 0) return;
    const at = this.#search(extent.address);
    const before = this.#runs[at - 1];
    const after = this.#runs[at];
    invariant(!after || extent.address + extent.length <= after.address, 'a run is added once');
    const joinsBefore = before !== undefined && before.address + before.length === extent.address;
    const joinsAfter = after !== undefined && extent.address + extent.length === after.address;
    if (joinsBefore && joinsAfter) {
      before.length += extent.length + after.length;
      this.#runs.splice(at, 1);
    } else if (joinsBefore) {
      before.length += extent.length;
    } else if (joinsAfter) {
      after.address = extent.address;
      after.length += extent.length;
    } else {
      this.#runs.splice(at, 0, { address: extent.address, length: extent.length });
    }
    this.#bytes += extent.length;
  }

  remove(extent: Extent): void {
    if (extent.length === 0) return;
    invariant(this.has(extent), 'only what a run holds is taken from it');
    const at = this.#search(extent.address);
    const run = this.#runs[at] as Run;
    const tail = run.address + run.length - (extent.address + extent.length);
    run.length = extent.address - run.address;
    if (run.length === 0) this.#runs.splice(at, 1);
    if (tail > 0) {
      const rest = { address: extent.address + extent.length, length: tail };
      this.#runs.splice(run.length === 0 ? at : at + 1, 0, rest);
    }
    this.#bytes -= extent.length;
  }

  /** Takes `bytes` from the start of the first run that has them. */
  take(bytes: number): number | undefined {
    for (const run of this.#runs) {
      if (run.length < bytes) continue;
      const { address } = run;
      this.remove({ address, length: bytes });
      return address;
    }
    return undefined;
  }
}
