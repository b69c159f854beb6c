import { StoreError } from '../../errors.ts';
import type { Cancel, Clock, Timers } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';

/*
 * Who may work, when there are more requests than one thread should have in work at a time. Each tenant is a class; whoever has no credentials, or
 * bad ones, is in one class with all of his kind. A thread has `limits.placesShared` places. While requests of several classes come, each class
 * is sure of an even share of them, and takes it at once, even when others hold more than theirs; what is beyond goes round, one class after the
 * other, and within a class one source after the other (an access key, a network). So a class with hundreds of connections waits for itself: a
 * request of another one is behind the few that are in work, not behind all that have come. While a class is alone it has as many places
 * as it can use.
 *
 * What waits for its client is not in work: it gives its place up for so long. So a place is left after a bounded time, and slow clients hold
 * back nobody. Whoever waits gets a place: every class that has waiting requests has its turn before another one has its second.
 *
 * Rejected: a queue for each class and no shares. A large body keeps its place for a thousand times as long as a small object, and places that are given
 * in turn all end with those who keep them longest. Rejected: classes by the access key that a request names. Who it is is known only once
 * its signature was checked; before that, anybody could take the places of anybody.
 *
 * A request that goes on with a body takes several places. At most places × (1 + 1/2 + … + 1/classes) + those of one body for each class are taken at the same time.
 */

/** The place of one request. */
export interface Place {
  /** It waits for its client. Nothing when it does already. */
  pause(): void;
  /** The client has done his part. @returns undefined when the work may go on at once */
  resume(): Promise<void> | undefined;
  /** Once, when it is over. */
  leave(): void;
}

/** One class; its figures are counted since it is remembered. */
export interface PlaceHolder {
  readonly name: string;
  /** Places that its requests have. */
  readonly inWork: number;
  readonly waiting: number;
}

interface Waiter {
  readonly admit: () => void;
  readonly weight: number;
  cancel: Cancel | undefined;
}

const crowded = (): StoreError =>
  new StoreError('SlowDown', {
    message: 'Please reduce your request rate. Too many of your requests wait already: try again in a moment.',
    retryAfter: 1,
  });

class Holder implements PlaceHolder {
  readonly name: string;
  inWork = 0;
  /** Requests that have begun, and go on. */
  readonly #begun = new Set<Waiter>();
  /** By source, in the order in which sources have their turn. */
  readonly #coming = new Map<string, Set<Waiter>>();
  waiting = 0;

  constructor(name: string) {
    this.name = name;
  }

  get idle(): boolean {
    return this.inWork === 0 && this.waiting === 0;
  }

  /** @param source undefined: the request has begun */
  add(source: string | undefined, waiter: Waiter): void {
    this.waiting++;
    if (source === undefined) {
      this.#begun.add(waiter);
      return;
    }
    const there = this.#coming.get(source);
    if (there) there.add(waiter);
    else this.#coming.set(source, new Set([waiter]));
  }

  remove(source: string, waiter: Waiter): void {
    const there = this.#coming.get(source);
    if (!there?.delete(waiter)) return;
    this.waiting--;
    if (there.size === 0) this.#coming.delete(source);
  }

  next(): Waiter {
    this.waiting--;
    for (const waiter of this.#begun) {
      this.#begun.delete(waiter);
      return waiter;
    }
    const [source, waiters] = this.#coming.entries().next().value as [string, Set<Waiter>];
    const [waiter] = waiters as unknown as [Waiter];
    waiters.delete(waiter);
    this.#coming.delete(source);
    if (waiters.size > 0) this.#coming.set(source, waiters);
    return waiter;
  }
}

class HeldPlace implements Place {
  readonly #places: FairPlaces;
  readonly #holder: Holder;
  #held = true;
  /** Of a request that goes on with a body: pieces of these are more work than most requests are. */
  #weight = 1;
  #over = false;
  #resuming: Promise<void> | undefined;

  constructor(places: FairPlaces, holder: Holder) {
    this.#places = places;
    this.#holder = holder;
  }

  pause(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#places.release(this.#holder, this.#weight);
    this.#weight = limits.placesOfBody;
  }

  resume(): Promise<void> | undefined {
    if (this.#held || this.#over) return undefined;
    if (this.#places.mayTake(this.#holder)) {
      this.#held = true;
      this.#places.take(this.#holder, this.#weight);
      return undefined;
    }
    this.#resuming ??= new Promise((resolve) => {
      const admit = (): void => {
        this.#resuming = undefined;
        if (this.#over) this.#places.release(this.#holder, this.#weight);
        else this.#held = true;
        resolve();
      };
      this.#places.line(this.#holder, undefined, { admit, weight: this.#weight, cancel: undefined });
    });
    return this.#resuming;
  }

  leave(): void {
    invariant(!this.#over, 'a request is over once');
    this.#over = true;
    this.pause();
  }
}

export class FairPlaces {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #timers: Pick<Timers, 'after'>;
  readonly #holders = new Map<string, Holder>();
  /** Those with waiting requests, in the order of their turns. */
  readonly #turns = new Set<Holder>();
  #inWork = 0;
  /** Holders with requests in work or waiting. */
  #active = 0;
  #last: Holder | undefined;
  #sharedUntil = Number.NEGATIVE_INFINITY;

  constructor({ clock, timers }: { readonly clock: Pick<Clock, 'monotonic'>; readonly timers: Pick<Timers, 'after'> }) {
    this.#clock = clock;
    this.#timers = timers;
  }

  get inWork(): number {
    return this.#inWork;
  }

  holders(): readonly PlaceHolder[] {
    return [...this.#holders.values()];
  }

  /**
   * Takes a place, at once or when its turn comes.
   * @param name of the class
   * @param source within the class
   * @throws StoreError SlowDown (or rejects with it) when too many of the class wait, or none became free in `limits.placeWaitMs`
   */
  enter(name: string, source: string): Place | Promise<Place> {
    const holder = this.#holder(name);
    if (this.mayTake(holder)) {
      this.take(holder, 1);
      return new HeldPlace(this, holder);
    }
    if (holder.waiting >= limits.waitingRequests) throw crowded();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { admit: () => resolve(new HeldPlace(this, holder)), weight: 1, cancel: undefined };
      waiter.cancel = this.#timers.after(limits.placeWaitMs, () => {
        holder.remove(source, waiter);
        if (holder.waiting === 0) this.#turns.delete(holder);
        this.#settle(holder);
        reject(crowded());
      });
      this.line(holder, source, waiter);
    });
  }

  #holder(name: string): Holder {
    let holder = this.#last;
    if (holder?.name === name) return holder;
    holder = this.#holders.get(name);
    if (!holder) {
      if (this.#holders.size >= limits.placeHolders)
        for (const one of this.#holders.values()) if (one.idle) this.#holders.delete(one.name);
      holder = new Holder(name);
      this.#holders.set(name, holder);
    }
    if (this.#last) this.#sharedUntil = this.#clock.monotonic() + limits.sharedMs;
    this.#last = holder;
    return holder;
  }

  /** Whether there is room beyond the shares. */
  #hasRoom(): boolean {
    if (this.#inWork < limits.placesShared) return true;
    return this.#inWork < limits.placesAlone && this.#clock.monotonic() >= this.#sharedUntil;
  }

  #isBelowShare(holder: Holder): boolean {
    const active = this.#active + (holder.idle ? 1 : 0);
    return holder.inWork < Math.max(1, Math.floor(limits.placesShared / active));
  }

  /** For {@link HeldPlace}, as what follows. */
  mayTake(holder: Holder): boolean {
    if (holder.waiting > 0) return false;
    return (this.#turns.size === 0 && this.#hasRoom()) || this.#isBelowShare(holder);
  }

  take(holder: Holder, weight: number): void {
    if (holder.idle) this.#active++;
    holder.inWork += weight;
    this.#inWork += weight;
  }

  line(holder: Holder, source: string | undefined, waiter: Waiter): void {
    if (holder.idle) this.#active++;
    holder.add(source, waiter);
    this.#turns.add(holder);
  }

  #settle(holder: Holder): void {
    if (holder.idle) this.#active--;
  }

  /** Gives up a place, and those that are free then to whoever's turn it is. */
  release(holder: Holder, weight: number): void {
    invariant(holder.inWork >= weight, 'a place that is left was taken');
    holder.inWork -= weight;
    this.#inWork -= weight;
    this.#settle(holder);
    while (this.#turns.size > 0) {
      const next = this.#hasRoom() ? this.#turns.values().next().value : this.#belowShare();
      if (!next) return;
      this.#turns.delete(next);
      const waiter = next.next();
      next.inWork += waiter.weight;
      this.#inWork += waiter.weight;
      if (next.waiting > 0) this.#turns.add(next);
      waiter.cancel?.();
      waiter.admit();
    }
  }

  #belowShare(): Holder | undefined {
    for (const one of this.#turns) if (this.#isBelowShare(one)) return one;
    return undefined;
  }
}
