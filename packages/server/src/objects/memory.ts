import { StoreError } from '../errors.ts';
import type { Cancel, Timers } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';

/*
 * The memory that bodies under way may hold in one thread, shared out evenly: among tenants, and among the bodies of each.
 *
 * Nobody reserves bytes: each body asks how much it may hold at once, and that is less the more of them there are. So a body that a slow
 * client trickles holds back none of what others could use, no two can wait for each other, and a few large transfers still move in
 * the large groups that are fastest. Below a least share a body cannot move at all; those that would push the others below it wait, with nothing
 * taken off their sockets.
 *
 * No tenant may take all places, whatever his clients do with them: one that has some gets another only while more than a part of what he has is free
 * (`limits.bodyPlacesPerFree`; dynamic thresholds, Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998). One alone
 * has three quarters of them, two have three sevenths each, and somebody new finds a free one. Of those who wait, whoever has fewest places gets the next, which
 * is max-min; with places for nobody left, who has none yet is next.
 *
 * Rejected: counting the bytes themselves. When all of them lie in groups that are not full yet, nobody can go on. Rejected: fixed shares. A tenant alone
 * would have a part of what is there.
 */

/** One body's place; given back once, when the last of its bytes has left. */
export interface Place {
  /**
   * Bytes that the body may gather, or fetch, at once; it holds up to about four times as many: those, as many on their way to or from a device, and
   * what waits for digests, the client, or to become a frame. Whole frames.
   * @param most what is best when there is room
   */
  group(most: number): number;
  leave(): void;
}

interface Waiting {
  readonly admit: (place: Place) => void;
  readonly cancel: Cancel;
}

/** The bodies of one tenant. */
interface Holder {
  readonly name: string;
  places: number;
  /** In the order of their coming. */
  readonly waiting: Set<Waiting>;
}

export interface BodyMemoryOptions {
  readonly timers: Pick<Timers, 'after'>;
  /** Bytes of all bodies together. */
  readonly bytes: number;
}

/** What a body holds at least: four times a group of one frame. */
const floorBytes = 4 * limits.frameBytes;

export class BodyMemory {
  readonly #timers: Pick<Timers, 'after'>;
  readonly #bytes: number;
  readonly #most: number;
  /** Those with bodies under way or waiting; of equal ones, whoever had a place longest ago is first. */
  readonly #holders = new Map<string, Holder>();
  #places = 0;
  #waiting = 0;

  constructor({ timers, bytes }: BodyMemoryOptions) {
    this.#timers = timers;
    this.#bytes = bytes;
    this.#most = Math.floor(bytes / limits.bodyShareBytes);
    invariant(this.#most >= 1, 'there is memory for at least one body');
  }

  /** Bodies under way, and bodies that wait for their place. */
  get load(): { readonly places: number; readonly waiting: number } {
    return { places: this.#places, waiting: this.#waiting };
  }

  /**
   * Takes a place, at once or when others have left.
   * @param name whose body it is; the server's own are together one
   * @throws StoreError SlowDown when too many of his wait already, or when none became free in `limits.bodyWaitMs`
   */
  enter(name = ''): Place | Promise<Place> {
    const holder = this.#holders.get(name) ?? { name, places: 0, waiting: new Set() };
    if (holder.waiting.size === 0 && this.#mayTake(holder)) return this.#take(holder);
    if (holder.waiting.size >= limits.waitingBodies) throw crowded();
    this.#holders.set(name, holder);
    return new Promise((admit, refuse) => {
      const one: Waiting = {
        admit,
        cancel: this.#timers.after(limits.bodyWaitMs, () => {
          this.#forget(holder, one);
          refuse(crowded());
        }),
      };
      holder.waiting.add(one);
      this.#waiting++;
    });
  }

  #mayTake({ places }: Holder): boolean {
    const free = this.#most - this.#places;
    return free > 0 && (places === 0 || places < limits.bodyPlacesPerFree * free);
  }

  #group(holder: Holder, most: number): number {
    let classes = 0;
    for (const { places } of this.#holders.values()) if (places > 0) classes++;
    const spare = (this.#bytes - this.#places * floorBytes) / classes / holder.places;
    const frames = Math.max(1, Math.floor((floorBytes + spare) / 4 / limits.frameBytes));
    return Math.min(most, frames * limits.frameBytes);
  }

  #take(holder: Holder): Place {
    holder.places++;
    this.#places++;
    // Behind all others like it.
    this.#holders.delete(holder.name);
    this.#holders.set(holder.name, holder);
    let left = false;
    return {
      group: (most) => this.#group(holder, most),
      leave: () => {
        invariant(!left, 'a place is left once');
        left = true;
        holder.places--;
        this.#places--;
        this.#settle(holder);
        this.#admit();
      },
    };
  }

  /** Free places go to those who wait and may take them, to whoever has fewest first. */
  #admit(): void {
    while (this.#waiting > 0) {
      let next: Holder | undefined;
      for (const holder of this.#holders.values())
        if (holder.waiting.size > 0 && (!next || holder.places < next.places)) next = holder;
      if (!next || !this.#mayTake(next)) return;
      const [first] = next.waiting as Iterable<Waiting> as [Waiting];
      first.cancel();
      this.#forget(next, first);
      first.admit(this.#take(next));
    }
  }

  #forget(holder: Holder, waiting: Waiting): void {
    if (holder.waiting.delete(waiting)) this.#waiting--;
    this.#settle(holder);
  }

  #settle(holder: Holder): void {
    if (holder.places === 0 && holder.waiting.size === 0) this.#holders.delete(holder.name);
  }
}

const crowded = (): StoreError =>
  new StoreError('SlowDown', { message: 'Too many bodies are under way at the same time. Try again in a moment.' });
