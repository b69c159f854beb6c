import { networkOf } from '../../access/index.ts';
import type { Timers } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Exchange } from './exchange.ts';

/*
 * Requests that arrived in one turn of the event loop take each step together: all are authenticated, then all are looked up, then all are
 * opened, then all are answered ("Using Cohort Scheduling to Enhance Server Performance", Larus and Parkes, USENIX 2002). The code and the
 * tables of one step are larger than a core's first caches, so the second of two requests that take it one after the other pays half or
 * less of what it costs on the way through everything else.
 *
 * A request alone loses nothing: a turn's immediates run right after its input, without another look at the sockets.
 *
 * Steps of a cohort cost what its requests cost together, and whose turn it is (places.ts) is known only behind the first of them. So a cohort is bounded:
 * when more came, the others go round in the next turns, one network after the other, and within a network one access key after the other, as
 * each request names it. A name alone proves nothing, but whoever names a key that is not his only waits with his own network.
 */

/** Where a request comes from, as far as it is known before its signature is checked. */
export interface Origin {
  readonly network: string;
  /** The access key that it names. */
  readonly key: string;
}

/** Where a request says that it comes from, before anything of it was checked. */
export function originOf({ connection, request }: Pick<Exchange, 'connection' | 'request'>): Origin {
  const { url = '', headers } = request;
  const [, key = ''] = /Credential=([^/%,]+)/.exec(headers.authorization ?? url) ?? [];
  return { network: networkOf(connection.address ?? ''), key };
}

type Waiting = () => void;

export class Cohort {
  readonly #timers: Pick<Timers, 'soon'>;
  #gathering: Promise<void> | undefined;
  #gathered = 0;
  #scheduled = false;
  #release: Waiting | undefined;
  /** Those beyond a cohort's size, by network and then by key, each in the order of their turns. */
  readonly #left = new Map<string, Map<string, Waiting[]>>();

  constructor(timers: Pick<Timers, 'soon'>) {
    this.#timers = timers;
  }

  /**
   * Resolves when what arrived in the same turn was read off its sockets and parsed, for as many as make a cohort, in one of the next turns for others.
   * @param origin asked only when there are more
   */
  gathered(origin: () => Origin): Promise<void> {
    this.#schedule();
    if (this.#left.size > 0 || this.#gathered >= limits.cohortRequests)
      return new Promise((resolve) => this.#line(origin(), resolve));
    this.#gathered++;
    this.#gathering ??= new Promise((resolve) => {
      this.#release = resolve;
    });
    return this.#gathering;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#timers.soon(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    this.#release?.();
    for (let count = this.#gathered; count < limits.cohortRequests && this.#left.size > 0; count++) this.#next()();
    this.#gathering = undefined;
    this.#release = undefined;
    this.#gathered = 0;
    if (this.#left.size > 0) this.#schedule();
  }

  #line({ network, key }: Origin, waiting: Waiting): void {
    let keys = this.#left.get(network);
    if (!keys) this.#left.set(network, (keys = new Map()));
    const before = keys.get(key);
    if (before) before.push(waiting);
    else keys.set(key, [waiting]);
  }

  /** Takes the next one out; its network and key go behind all others. */
  #next(): Waiting {
    const [network, keys] = this.#left.entries().next().value as [string, Map<string, Waiting[]>];
    const [key, waiting] = keys.entries().next().value as [string, Waiting[]];
    const next = waiting.shift() as Waiting;
    this.#left.delete(network);
    keys.delete(key);
    if (waiting.length > 0) keys.set(key, waiting);
    if (keys.size > 0) this.#left.set(network, keys);
    return next;
  }
}

const taken = Promise.resolve();

/** To be awaited between two steps: the others of the cohort take the first one meanwhile. */
export const step = (): Promise<void> => taken;
