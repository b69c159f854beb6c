import type { Timers } from '../../host/index.ts';

/*
 * Requests that arrived in one turn of the event loop take each step together: all are authenticated, then all are looked up, then all are
 * opened, then all are answered ("Using Cohort Scheduling to Enhance Server Performance", Larus and Parkes, USENIX 2002). The code and the
 * tables of one step are larger than a core's first caches, so the second of two requests that take it one after the other pays half or
 * less of what it costs on the way through everything else.
 *
 * A request alone loses nothing: a turn's immediates run right after its input, without another look at the sockets.
 */
export class Cohort {
  readonly #timers: Pick<Timers, 'soon'>;
  #gathering: Promise<void> | undefined;

  constructor(timers: Pick<Timers, 'soon'>) {
    this.#timers = timers;
  }

  /** Resolves, for all that asked in one turn, when what arrived in it was read off its sockets and parsed. */
  gathered(): Promise<void> {
    this.#gathering ??= new Promise((resolve) =>
      this.#timers.soon(() => {
        this.#gathering = undefined;
        resolve();
      }),
    );
    return this.#gathering;
  }
}

const taken = Promise.resolve();

/** To be awaited between two steps: the others of the cohort take the first one meanwhile. */
export const step = (): Promise<void> => taken;
