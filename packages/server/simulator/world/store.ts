import type { Host } from '../../src/host/index.ts';
import { type Kv, type MemoryKv, memoryKv } from '../../src/kv/index.ts';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';

/** Timers of a KV that lies there while no process runs: nobody holds a snapshot then. */
const idleHost: Host = {
  clock: { now: () => 0, monotonic: () => 0 },
  entropy: { bytes: (length) => Buffer.alloc(length) },
  timers: { after: () => () => {}, every: () => () => {}, soon: () => {}, sleep: async () => {} },
};

/** An ordered KV on a machine: what is left of it when the process that had it open is gone. src/kv shows that LMDB does the same. */
export class SimulatedKv {
  #kv: MemoryKv = memoryKv(idleHost, false);
  readonly #dice: Dice;
  readonly #label: string;
  checkpoints = 0;

  constructor(label: string, dice: Dice) {
    this.#label = label;
    this.#dice = dice;
  }

  /** The process is gone: it opens again at its newest complete checkpoint. */
  crash(): void {
    this.#kv = this.#kv.crash();
  }

  /** Everything in it is gone. */
  lose(): void {
    this.#kv = memoryKv(idleHost, false);
  }

  /** An empty one on the same machine. */
  beside(): SimulatedKv {
    return new SimulatedKv(this.#label, this.#dice);
  }

  /** The other one takes its place, as by a rename. */
  become(other: SimulatedKv): void {
    this.#kv = other.#kv;
  }

  /** A checkpoint takes its time, and covers what was committed when it began or a little later. */
  open(life: Life): Kv {
    const kv = this.#kv;
    return {
      changeCount: (first) => kv.changeCount(first),
      get: (key) => kv.get(key),
      range: (range) => kv.range(range),
      snapshot: () => kv.snapshot(),
      commit: (changes) => kv.commit(changes),
      statistics: () => kv.statistics(),
      checkpoint: async () => {
        await life.wait(this.#dice.float() * 4, this.#label);
        await kv.checkpoint();
        this.checkpoints++;
        await life.wait(this.#dice.float() * 4, this.#label);
      },
      close: async () => {
        await kv.checkpoint();
      },
    };
  }
}
