import { CalleeSide } from '../../src/transport/callee.ts';
import { Link } from '../../src/transport/link.ts';
import { linkedPeer } from '../../src/transport/peer.ts';
import { newPools } from '../../src/transport/pool.ts';
import type { Listener, ListenOptions, Peer, Serve, Transport } from '../../src/transport/types.ts';
import type { Dice } from '../world/dice.ts';
import type { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { SimulatedWire, type Way } from './wire.ts';

/*
 * The network between nodes. The links that run over it are those of src/transport, frame by frame; below them lies a connection that is what TCP
 * makes of a bad network (wire.ts). What can happen:
 *
 * - a packet is late, and what goes over two connections overtakes each other;
 * - the way is cut in one direction: what is sent waits, and a link that hears nothing for long gives up;
 * - a process ends: its connections are reset, which the other ends hear of when the way lets them; one that stands still reads nothing;
 * - nobody listens: who connects is told so, or hears nothing when the way is cut.
 *
 * TCP hides loss and duplication of packets, and no byte changes under TLS; the links never repeat a call. A call that is made twice is one that its
 * caller has repeated.
 */

interface Listening {
  readonly life: Life;
  accept(wire: SimulatedWire, node: string): void;
}

const nodeOf = (life: Life): string => life.name.split('.')[0] as string;

export class Network implements Way {
  readonly scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #delayMs: number;
  /** Directions that nothing passes, as `from>to`, with when that ends. */
  readonly #cuts = new Map<string, number>();
  /** By address. */
  readonly #listening = new Map<string, Listening>();

  constructor(scheduler: Scheduler, dice: Dice, delayMs: number) {
    this.scheduler = scheduler;
    this.#dice = dice;
    this.#delayMs = delayMs;
  }

  /** Nothing passes from one node to the other for so long. */
  cut(from: string, to: string, milliseconds: number): void {
    const way = `${from}>${to}`;
    this.#cuts.set(way, Math.max(this.#cuts.get(way) ?? 0, this.scheduler.now + milliseconds));
  }

  heal(): void {
    this.#cuts.clear();
  }

  passesAt(from: string, to: string): number {
    return Math.max(this.scheduler.now, this.#cuts.get(`${from}>${to}`) ?? 0);
  }

  delay(): number {
    // Most messages are quick, a few are late.
    return this.#delayMs * (this.#dice.chance(0.03) ? 20 * this.#dice.float() : 0.5 + this.#dice.float());
  }

  /** The links of one process. */
  transport(life: Life, onError: (cause: unknown) => void): Transport {
    const { host } = life;
    // As the product over TCP has them.
    const bodies = newPools();
    const answers = newPools();
    const open = new Set<{ close(): Promise<void> }>();
    return {
      listen: async (address, serve, options) => {
        const listener = this.#listen(life, address, serve, options, bodies, onError, () => open.delete(listener));
        open.add(listener);
        return listener;
      },
      peer: (node, address) => {
        const peer: Peer = linkedPeer({
          node,
          host,
          pools: answers,
          dial: async (signal) => ({ wire: await this.#dial(life, address, node, signal) }),
          onError: () => {},
          onClosed: () => open.delete(peer),
        });
        open.add(peer);
        return peer;
      },
      close: async () => void (await Promise.all([...open].map((one) => one.close()))),
    };
  }

  #listen(
    life: Life,
    address: string,
    serve: Serve,
    options: ListenOptions | undefined,
    pools: ReturnType<typeof newPools>,
    onError: (cause: unknown) => void,
    onClosed: () => void,
  ): Listener {
    const { host } = life;
    const sides = new Map<Link, CalleeSide>();
    const listening: Listening = {
      life,
      accept(wire, node) {
        if (options?.admits?.(node) === false) return wire.destroy();
        const link = new Link({ wire, host });
        const onBroken = (): void => void sides.delete(link);
        const side = new CalleeSide(link, { host, pools, serve, node, onError, onBroken });
        sides.set(link, side);
        link.start(side);
      },
    };
    this.#listening.set(address, listening);
    return {
      address,
      close: async () => {
        onClosed();
        if (this.#listening.get(address) === listening) this.#listening.delete(address);
        for (const side of sides.values()) side.drain();
        const end = host.clock.monotonic() + 1000;
        while (sides.size > 0 && host.clock.monotonic() < end) await host.timers.sleep(20);
        for (const link of sides.keys()) link.end(new Error('the node is stopping'));
      },
    };
  }

  /** A packet there and one back; each waits while its way is cut. */
  async #dial(from: Life, address: string, node: string, signal: AbortSignal): Promise<SimulatedWire> {
    const self = nodeOf(from);
    const pass = async (a: string, b: string): Promise<void> => {
      await from.wait(this.delay(), 'connect');
      for (let at = this.passesAt(a, b); at > this.scheduler.now; at = this.passesAt(a, b))
        await from.wait(at - this.scheduler.now, 'connect');
    };
    const connecting = (async (): Promise<SimulatedWire> => {
      await pass(self, node);
      const listening = this.#listening.get(address);
      const there = listening?.life.alive ? listening : undefined;
      const ends = there && SimulatedWire.pair(this, from, there.life);
      if (ends) there?.life.after(0, 'accept', () => there.accept(ends[1], self));
      await pass(node, self);
      // The machine says so, as TCP's reset does.
      if (!ends) throw Object.assign(new Error(`nobody listens at ${address}`), { code: 'ECONNREFUSED' });
      if (signal.aborted) ends[0].destroy();
      return ends[0];
    })();
    const givenUp = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason as Error);
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    connecting.catch(() => {});
    return Promise.race([connecting, givenUp]);
  }
}
