import type { Socket } from 'node:net';
import type { RateGate } from '../../access/index.ts';

/*
 * Which of a thread's connections count for which tenant, where a tenant has a limit of them. A connection is the tenant's whose request with good credentials
 * was the last on it; with another tenant's it goes over to him, and it counts until it is closed. How many there are is counted over all threads (access/rates).
 *
 * Rejected: counting only while a request is under way. That is the limit of concurrent requests; a connection costs its memory and its place while nothing is asked on it.
 */

/** A request, as far as the connection is concerned that carries it. */
export interface Carried {
  readonly socket: Socket;
  /** The connection is closed once it is answered. */
  isLast(): void;
}

interface Counted {
  account: string;
  /** Where it counts (access/rates); undefined: its tenant has no such limit. */
  slot: number | undefined;
}

export class TenantConnections {
  readonly #gate: Pick<RateGate, 'connected' | 'disconnected'>;
  /** Connections that count, or did; until they are closed. */
  readonly #counted = new Map<Socket, Counted>();

  constructor(gate: Pick<RateGate, 'connected' | 'disconnected'>) {
    this.#gate = gate;
  }

  /**
   * A request of the account came on a connection.
   * @throws StoreError SlowDown where it would be one too many for him; it is closed with that answer
   */
  used(request: Carried, account: string): void {
    const { socket } = request;
    // Of one that is closed already no end would be heard.
    if (socket.destroyed) return;
    const counted = this.#counted.size === 0 ? undefined : this.#counted.get(socket);
    const slot = this.#connected(request, account, counted?.slot);
    if (counted) Object.assign(counted, { account, slot });
    else if (slot !== undefined) this.#count(socket, { account, slot });
  }

  /** How many connections count, by account. */
  open(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const { account, slot } of this.#counted.values())
      if (slot !== undefined) found.set(account, (found.get(account) ?? 0) + 1);
    return found;
  }

  #connected(request: Carried, account: string, slot: number | undefined): number | undefined {
    try {
      return this.#gate.connected(account, slot);
    } catch (error) {
      request.isLast();
      throw error;
    }
  }

  #count(socket: Socket, counted: Counted): void {
    this.#counted.set(socket, counted);
    socket.once('close', () => {
      this.#counted.delete(socket);
      if (counted.slot !== undefined) this.#gate.disconnected(counted.slot);
    });
  }
}
