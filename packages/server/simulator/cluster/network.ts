import { StoreError } from '../../src/errors.ts';
import type { Dice } from '../world/dice.ts';
import type { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';

/*
 * Calls between nodes, as a link over TCP carries them (src/transport): each call is answered, or rejects. What can happen to one:
 *
 * - it is late, and calls overtake each other;
 * - it never arrives, or its answer never does, because the way is cut in that direction: its caller learns that at its deadline;
 * - the process that serves it ends: the link breaks, and its caller learns that soon.
 *
 * A call is never made twice by the network, and no byte of it changes.
 */

const deadlineMs = 3000;
const breakMs = 5;

const unreachable = (node: string): StoreError =>
  new StoreError('ServiceUnavailable', { message: `Node ${node} cannot be reached. Try again.`, retryAfter: 1 });

export class Network<Served extends { readonly life: Life }> {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #running: (node: string) => Served | undefined;
  /** Directions that nothing passes, as `from>to`, with when that ends. */
  readonly #cuts = new Map<string, number>();
  readonly #delayMs: number;

  constructor(scheduler: Scheduler, dice: Dice, delayMs: number, running: (node: string) => Served | undefined) {
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#delayMs = delayMs;
    this.#running = running;
  }

  /** Nothing passes from one node to the other for so long. */
  cut(from: string, to: string, milliseconds: number): void {
    const way = `${from}>${to}`;
    this.#cuts.set(way, Math.max(this.#cuts.get(way) ?? 0, this.#scheduler.now + milliseconds));
  }

  heal(): void {
    this.#cuts.clear();
  }

  passes(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) <= this.#scheduler.now;
  }

  /** A node that runs and that nothing cuts off, for a look without a call. */
  reach(from: Life, node: string): Served | undefined {
    const self = from.name.split('.')[0] as string;
    return this.passes(self, node) && this.passes(node, self) ? this.#running(node) : undefined;
  }

  #delay(): number {
    // Most messages are quick, a few are late.
    return this.#delayMs * (this.#dice.chance(0.03) ? 20 * this.#dice.float() : 0.5 + this.#dice.float());
  }

  /** Has a node serve something. @throws StoreError ServiceUnavailable; and what the call throws there */
  call<Result>(from: Life, node: string, serve: (served: Served) => Promise<Result>): Promise<Result> {
    const self = from.name.split('.')[0] as string;
    return new Promise((resolve, reject) => {
      let settled = false;
      const fail = (): void => {
        settled = true;
        stop();
        reject(unreachable(node));
      };
      const stop = from.after(deadlineMs, 'deadline', fail);
      const answer = (settle: () => void): void => {
        if (!this.passes(node, self)) return;
        from.after(this.#delay(), 'answer', () => {
          if (settled) return;
          settled = true;
          stop();
          settle();
        });
      };
      const arrive = (): void => {
        if (!this.passes(self, node)) return;
        const served = this.#running(node);
        if (!served) return void from.after(breakMs, 'refused', fail);
        const { life } = served;
        void life.ended.then(() => {
          if (!settled && this.passes(node, self)) from.after(breakMs, 'broken', fail);
        });
        life.after(0, 'call', () => {
          serve(served).then(
            (result) => answer(() => resolve(result)),
            (error: unknown) => answer(() => reject(error)),
          );
        });
      };
      from.after(this.#delay(), 'send', arrive);
    });
  }
}
