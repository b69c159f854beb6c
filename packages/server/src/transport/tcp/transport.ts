import type { Host } from '../../host/index.ts';
import type { Hello } from '../hello.ts';
import { linkedPeer } from '../peer.ts';
import { newPools } from '../pool.ts';
import type { Credentials, Listener, ListenOptions, Peer, Serve, Transport } from '../types.ts';
import { dialNode } from './dial.ts';
import { listenTls } from './listener.ts';

export interface TcpTransportOptions {
  readonly credentials: Credentials;
  readonly host: Host;
  /** Hears what nobody awaits: links that broke or could not be made, refused connections, failures of served calls that are no StoreError. */
  readonly onError: (cause: unknown) => void;
  /** What this node says of itself when a link begins; left out: what this version is. */
  readonly hello?: Hello;
}

/** Calls over TLS 1.3 on TCP, both sides proving with a certificate of the cluster who they are. */
class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions;
  /** Calls that are served may wait for answers, never the other way round: so answers have pools of their own. */
  readonly #bodies = newPools();
  readonly #answers = newPools();
  readonly #open = new Set<{ close(): Promise<void> }>();

  constructor(options: TcpTransportOptions) {
    this.#options = options;
  }

  async listen(address: string, serve: Serve, options: ListenOptions = {}): Promise<Listener> {
    const listener = await listenTls({
      ...this.#options,
      ...options,
      address,
      serve,
      pools: this.#bodies,
      onClosed: () => this.#open.delete(listener),
    });
    this.#open.add(listener);
    return listener;
  }

  peer(node: string, address: string): Peer {
    const { credentials } = this.#options;
    const peer = linkedPeer({
      ...this.#options,
      node,
      pools: this.#answers,
      dial: (signal) => dialNode(node, address, credentials, signal),
      onClosed: () => this.#open.delete(peer),
    });
    this.#open.add(peer);
    return peer;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((one) => one.close()));
  }
}

export function openTcpTransport(options: TcpTransportOptions): Transport {
  return new TcpTransport(options);
}
