import {
  type Asking,
  identityOf,
  networkOf,
  type Principal,
  type RateGate,
  type RateTicket,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { FairPlaces, Place } from './places.ts';
import { type Carried, TenantConnections } from './tenant-connections.ts';

/*
 * Lets requests in, once it is known whose they are: within the limits that are set for him, then in his turn (places.ts). Whoever has no good
 * credentials is nobody in particular, and is told apart from others like him by his network.
 */

/** The class of all who are nobody in particular. */
const anonymous = 'anonymous';

/** What is known of a request that is to be let in. */
export interface Arrival extends Carried {
  readonly connection: { readonly address: string | undefined };
  readonly gone: boolean;
  /** Set once it was let in; given back by whoever ends it. */
  admitted: Admitted | undefined;
}

/** What a request that was let in holds while it is under way. */
export class Admitted {
  readonly tenant: string;
  readonly #place: Place;
  #rates: RateTicket | undefined;

  constructor(tenant: string, place: Place) {
    this.tenant = tenant;
    this.#place = place;
  }

  /** It waits for its client, or for its rate. */
  pause(): void {
    this.#place.pause();
  }

  resume(): Promise<void> | undefined {
    return this.#place.resume();
  }

  /** Bytes of its body have come. @returns ms to wait before more are taken */
  came(bytes: number): number {
    return this.#rates?.came(bytes) ?? 0;
  }

  /** Bytes of its answer go. @returns ms to wait before more do */
  went(bytes: number): number {
    return this.#rates?.went(bytes) ?? 0;
  }

  /** Counts for these limits from now on. */
  limitedBy(rates: RateTicket | undefined): void {
    this.#rates?.leave();
    this.#rates = rates;
  }

  leave(): void {
    this.#rates?.leave();
    this.#place.leave();
  }
}

/** Who a principal is for limits: his account, and the access key that stands behind him; nobody in particular is known by his address alone. */
function askingOf(principal: Principal | undefined, arrival: Arrival): Asking {
  switch (principal?.kind) {
    case 'key':
      return { account: identityOf(principal).account, key: principal.key.id, address: '' };
    case 'identity':
      return { account: principal.identity.account, key: principal.credentials.origin, address: '' };
    default:
      return { account: undefined, key: undefined, address: arrival.connection.address ?? '' };
  }
}

export class Admission {
  readonly #places: FairPlaces;
  readonly #rates: RateGate | undefined;
  readonly #connections: TenantConnections | undefined;

  constructor(places: FairPlaces, rates?: RateGate) {
    this.#places = places;
    this.#rates = rates;
    this.#connections = rates && new TenantConnections(rates);
  }

  /** Open connections to this thread of each tenant that has a limit of them, by account. */
  connections(): ReadonlyMap<string, number> {
    return this.#connections?.open() ?? new Map();
  }

  /**
   * Lets a request in, at once or in its turn. One that was let in stays so; a form whose signer is known by now counts for his limits.
   * @param principal undefined: nobody with good credentials
   * @throws StoreError SlowDown (or rejects with it)
   */
  enter(arrival: Arrival, principal: Principal | undefined): void | Promise<void> {
    const asking = askingOf(principal, arrival);
    if (arrival.admitted) {
      if (asking.account !== undefined) arrival.admitted.limitedBy(this.#limited(arrival, asking));
      return undefined;
    }
    const tenant = asking.account ?? anonymous;
    const place = this.#places.enter(tenant, asking.key ?? networkOf(asking.address));
    if (place instanceof Promise) return this.#inTurn(arrival, tenant, asking, place);
    return this.#begin(arrival, tenant, asking, place);
  }

  /** In its turn a request is refused, too: to be told so costs as much as a small answer. */
  #begin(arrival: Arrival, tenant: string, asking: Asking, place: Place): void {
    arrival.admitted = new Admitted(tenant, place);
    const limited = this.#limited(arrival, asking);
    if (limited) arrival.admitted.limitedBy(limited);
  }

  /** @throws StoreError SlowDown */
  #limited(arrival: Arrival, asking: Asking): RateTicket | undefined {
    if (asking.account !== undefined) this.#connections?.used(arrival, asking.account);
    return this.#rates?.enter(asking);
  }

  async #inTurn(arrival: Arrival, tenant: string, asking: Asking, waiting: Promise<Place>): Promise<void> {
    this.#begin(arrival, tenant, asking, await waiting);
    // Nobody waits for what it would answer.
    if (arrival.gone) throw new StoreError('RequestTimeout');
  }

  /** Before a request is refused that was not let in: whoever sends bad ones waits for his turn as well. */
  async refuse(arrival: Arrival, error: StoreError): Promise<StoreError> {
    if (arrival.admitted) return error;
    try {
      await this.enter(arrival, undefined);
      return error;
    } catch (crowded) {
      return crowded instanceof StoreError ? crowded : error;
    }
  }
}
