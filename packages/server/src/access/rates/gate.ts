import { StoreError } from '../../errors.ts';
import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { RateLimits } from '../../metadata/index.ts';
import { type CountedRate, networkOf, RateCounters } from './counters.ts';

/*
 * What tenants, access keys and anonymous readers may ask of this node. A request is refused before anything is done for it: when no token is left
 * for it, when as many are under way as may be, or when bodies under way have used up the bytes of the next seconds. Bodies that are under way are not
 * broken off, they are slowed down to their rate: each piece waits until its bytes are there.
 *
 * In a cluster the nodes on which a limit is asked for have even shares of it. Each tells the others once a second which those are (daemon/rates.ts): so who speaks to one node
 * has all of his limit there, and it holds over all nodes but for the second or two until they have heard of each other. Rejected: a share for every node, asked for or not. Most clients
 * speak to one of them, and would have a part of what was set.
 */

/** Who asks. */
export interface Asking {
  /** Twelve digits; undefined: nobody in particular. */
  readonly account: string | undefined;
  /** The access key for good that stands behind the request. */
  readonly key: string | undefined;
  /** Of whoever has no account. */
  readonly address: string;
}

/** A request that was let in; what its limits count of it. */
export interface RateTicket {
  /** Bytes of its body have come, or are to go. @returns ms that the next ones must wait */
  came(bytes: number): number;
  went(bytes: number): number;
  /** Once, when it is over. */
  leave(): void;
}

export type RateReason = 'requests' | 'bytes' | 'concurrency' | 'connections';

export interface RateGateOptions {
  readonly rates: () => readonly RateLimits[];
  readonly memory: SharedArrayBuffer;
  readonly clock: Clock;
  readonly onRefused?: (tenant: string, reason: RateReason) => void;
}

interface Held {
  readonly limit: RateLimits;
  readonly slot: number;
}

const texts: Readonly<Record<RateReason, (limit: RateLimits) => string>> = {
  requests: ({ requestsPerSecond }) => `${requestsPerSecond} requests per second`,
  bytes: ({ bytesInPerSecond, bytesOutPerSecond }) =>
    [bytesInPerSecond && `${bytesInPerSecond} bytes in`, bytesOutPerSecond && `${bytesOutPerSecond} bytes out`]
      .filter(Boolean)
      .join(' and ')
      .concat(' per second'),
  concurrency: ({ concurrentRequests }) => `${concurrentRequests} requests at the same time`,
  connections: ({ connections }) =>
    `${connections} open connections to this node (use those that are open, or close some)`,
};

function refusal(limit: RateLimits, reason: RateReason, milliseconds: number, nodes: number): StoreError {
  const retryAfter = Math.max(1, Math.ceil(milliseconds / 1000));
  const whose =
    limit.subject === 'anonymous'
      ? 'of requests without credentials on this node'
      : `of ${limit.subject.replace('/', ' ')}`;
  const shared = nodes > 1 ? `, of which this node has one part of ${nodes} now` : '';
  return new StoreError('SlowDown', {
    message: `Please reduce your request rate. The limit ${whose} is ${texts[reason](limit)}${shared}: try again in ${retryAfter} s.`,
    retryAfter,
  });
}

class Ticket implements RateTicket {
  readonly #counters: RateCounters;
  readonly #held: readonly Held[];

  constructor(counters: RateCounters, held: readonly Held[]) {
    this.#counters = counters;
    this.#held = held;
  }

  came(bytes: number): number {
    return this.#spend('in', bytes, 'bytesInPerSecond');
  }

  went(bytes: number): number {
    return this.#spend('out', bytes, 'bytesOutPerSecond');
  }

  leave(): void {
    for (const { limit, slot } of this.#held) if (limit.concurrentRequests !== undefined) this.#counters.leave(slot);
  }

  #spend(rate: CountedRate, bytes: number, figure: 'bytesInPerSecond' | 'bytesOutPerSecond'): number {
    let wait = 0;
    for (const { limit, slot } of this.#held) {
      const perSecond = limit[figure];
      if (perSecond === undefined) continue;
      wait = Math.max(wait, this.#counters.spend(slot, rate, bytes, perSecond / this.#counters.share(slot)));
    }
    return wait;
  }
}

export class RateGate {
  readonly #options: RateGateOptions;
  readonly #counters: RateCounters;
  #limits = new Map<string, RateLimits>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RateGateOptions) {
    this.#options = options;
    this.#counters = new RateCounters(options.memory, options.clock);
  }

  /**
   * Lets a request in.
   * @returns undefined when nobody set a limit for whoever asks
   * @throws StoreError SlowDown, with the seconds after which a token is there
   */
  enter(asking: Asking): RateTicket | undefined {
    this.#look();
    if (this.#limits.size === 0) return undefined;
    const held: Held[] = [];
    const add = (subject: string, slot?: number): void => {
      const limit = this.#limits.get(subject);
      if (limit) held.push({ limit, slot: slot ?? limit.slot });
    };
    if (asking.account === undefined) add('anonymous', this.#counters.slotOf(networkOf(asking.address)));
    else add(`tenant/${asking.account}`);
    if (asking.key !== undefined) add(`key/${asking.key}`);
    for (let at = 0; at < held.length; at++) {
      const error = this.#refused(held[at] as Held, asking.account ?? 'anonymous');
      if (!error) continue;
      for (const one of held.slice(0, at)) this.#takeBack(one);
      throw error;
    }
    return held.length === 0 ? undefined : new Ticket(this.#counters, held);
  }

  /** Counts a request for one limit. @returns why it is refused, and then it is not counted */
  #refused({ limit, slot }: Held, tenant: string): StoreError | undefined {
    const counters = this.#counters;
    const { requestsPerSecond, bytesInPerSecond, bytesOutPerSecond, concurrentRequests } = limit;
    if (slot === limit.slot) counters.renew(slot, limit.changedMs);
    const nodes = counters.share(slot);
    const late = Math.max(
      bytesInPerSecond === undefined ? 0 : counters.behind(slot, 'in'),
      bytesOutPerSecond === undefined ? 0 : counters.behind(slot, 'out'),
    );
    if (late > 0) return this.#refuse(tenant, limit, 'bytes', late, nodes);
    // When one of those under way ends nobody knows.
    if (concurrentRequests !== undefined && !counters.enter(slot, Math.max(1, Math.floor(concurrentRequests / nodes))))
      return this.#refuse(tenant, limit, 'concurrency', 0, nodes);
    const missing = requestsPerSecond === undefined ? 0 : counters.take(slot, 'requests', requestsPerSecond / nodes);
    if (missing === 0) return undefined;
    if (concurrentRequests !== undefined) counters.leave(slot);
    return this.#refuse(tenant, limit, 'requests', missing, nodes);
  }

  /**
   * An open connection counts for the tenant of its newest request that had good credentials; on each node by itself.
   * @param counted in which slot it counts, as this said before
   * @returns in which it counts from now on; undefined: in none
   * @throws StoreError SlowDown where the tenant has as many as it may; it counts where it did
   */
  connected(account: string, counted: number | undefined): number | undefined {
    this.#look();
    if (this.#limits.size === 0 && counted === undefined) return undefined;
    const limit = this.#limits.get(`tenant/${account}`);
    const most = limit?.connections;
    const slot = most === undefined ? undefined : limit?.slot;
    if (slot === counted) return slot;
    if (limit && most !== undefined && !this.#counters.connect(limit.slot, most))
      throw this.#refuse(account, limit, 'connections', 0, 1);
    if (counted !== undefined) this.#counters.disconnect(counted);
    return slot;
  }

  /** A connection that counted there is closed. */
  disconnected(counted: number): void {
    this.#counters.disconnect(counted);
  }

  #refuse(tenant: string, limit: RateLimits, reason: RateReason, milliseconds: number, nodes: number): StoreError {
    this.#options.onRefused?.(tenant, reason);
    return refusal(limit, reason, milliseconds, nodes);
  }

  #takeBack({ limit, slot }: Held): void {
    const { requestsPerSecond, concurrentRequests } = limit;
    if (concurrentRequests !== undefined) this.#counters.leave(slot);
    if (requestsPerSecond !== undefined)
      this.#counters.giveBack(slot, 'requests', requestsPerSecond / this.#counters.share(slot));
  }

  #look(): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#lookedAt < limits.rateLookMs) return;
    this.#lookedAt = now;
    const rates = this.#options.rates();
    if (rates.length === 0 && this.#limits.size === 0) return;
    this.#limits = new Map(rates.map((one) => [one.subject, one]));
  }
}
