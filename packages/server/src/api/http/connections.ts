import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf } from '../../access/index.ts';
import { limits } from '../../limits.ts';

/*
 * Who may have how many of the connections of one thread. A connection is made before anybody knows whose it is, so they are shared out among networks: an address, of
 * IPv6 a /64. One that has some gets another only while enough places are free (dynamic thresholds, as for the memory of bodies): alone it has three quarters of
 * them, two have three sevenths each, and somebody new finds a place.
 *
 * When there is none for a newcomer, a connection without a request gives way to him: of his own network where that has its share, else of the one that has most, else of any;
 * the one whose last request is longest ago. One with a request under way never does: then the newcomer is refused. Proxies that the operator trusts speak for many, so they have no share:
 * what comes through them gives way to nobody.
 */

interface Held {
  readonly socket: Socket;
  readonly network: string;
  /** The answer to its newest request. */
  response: ServerResponse | undefined;
}

/** What came of a connection that there was no place for: another one gave way, or it was refused. */
export type Shortage = 'displaced' | 'refused';

export interface ConnectionsOptions {
  /** Connections of this thread. */
  readonly most: number;
  readonly trusts: (address: string | undefined) => boolean;
  readonly onShortage?: (what: Shortage) => void;
}

/** The network of those that have no share. */
const proxies = 'proxies';

export class Connections {
  readonly #options: ConnectionsOptions;
  /** By network; the connection that was used longest ago is first. */
  readonly #networks = new Map<string, Set<Held>>();
  readonly #held = new Map<Socket, Held>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  /** A connection was made. @returns false when there is no place for it: it was broken off */
  add(socket: Socket): boolean {
    const address = socket.remoteAddress;
    // It has gone already.
    if (address === undefined) {
      socket.destroy();
      return false;
    }
    const network = this.#options.trusts(address) ? proxies : networkOf(address);
    if (!this.#makeRoom(network)) {
      this.#options.onShortage?.('refused');
      socket.destroy();
      return false;
    }
    const held: Held = { socket, network, response: undefined };
    this.#held.set(socket, held);
    const there = this.#networks.get(network);
    if (there) there.add(held);
    else this.#networks.set(network, new Set([held]));
    socket.once('close', () => this.#forget(held));
    return true;
  }

  /** A request came on it. */
  used(socket: Socket, response: ServerResponse): void {
    // A request over TLS is of the socket above the one that was accepted.
    const { _parent: below } = socket as { readonly _parent?: Socket };
    const held = this.#held.get(below ?? socket);
    if (!held) return;
    held.response = response;
    const there = this.#networks.get(held.network);
    there?.delete(held);
    there?.add(held);
  }

  #makeRoom(network: string): boolean {
    const free = this.#options.most - this.#held.size;
    const own = this.#networks.get(network);
    if (network !== proxies && own && own.size >= limits.connectionsPerFree * free) return this.#displace(own);
    return free > 0 || this.#displace(this.#largest()) || this.#displace(this.#shared());
  }

  #largest(): Iterable<Held> {
    let largest = new Set<Held>();
    for (const [network, there] of this.#networks)
      if (network !== proxies && there.size > largest.size) largest = there;
    return largest;
  }

  *#shared(): Iterable<Held> {
    for (const held of this.#held.values()) if (held.network !== proxies) yield held;
  }

  /** Breaks off the connection that has had no request for longest; those that never had one are after those whose request is answered. */
  #displace(there: Iterable<Held>): boolean {
    let found: Held | undefined;
    for (const held of there) {
      if (held.response === undefined) found ??= held;
      else if (held.response.writableFinished) {
        found = held;
        break;
      }
    }
    if (!found) return false;
    this.#options.onShortage?.('displaced');
    this.#forget(found);
    found.socket.destroy();
    return true;
  }

  #forget(held: Held): void {
    if (!this.#held.delete(held.socket)) return;
    const there = this.#networks.get(held.network);
    there?.delete(held);
    if (there?.size === 0) this.#networks.delete(held.network);
  }
}
