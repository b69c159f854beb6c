import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { CalleeSide } from '../callee.ts';
import type { Hello } from '../hello.ts';
import { Link } from '../link.ts';
import { nodeOf } from '../names.ts';
import type { Pools } from '../pool.ts';
import type { Credentials, Listener, ListenOptions, Serve } from '../types.ts';
import { formatAddress, parseAddress } from './address.ts';
import { tlsRules } from './dial.ts';
import { joinOnly, joinPools, Turnstile } from './joiners.ts';
import { TlsWire } from './wire.ts';

export interface ListenerOptions extends ListenOptions {
  readonly address: string;
  readonly serve: Serve;
  readonly credentials: Credentials;
  readonly host: Host;
  readonly pools: Pools;
  readonly hello?: Hello;
  readonly onError: (cause: unknown) => void;
  readonly onClosed: () => void;
}

/** Who is at the other end, as its certificate proves; `joiner` when it showed none. Throws for everybody else. */
function callerOf(socket: TLSSocket): { readonly node: string; readonly validUntilMs: number } | 'joiner' {
  if (socket.alpnProtocol !== tlsRules.ALPNProtocols[0]) throw new Error('it speaks another protocol');
  // A resumed session shows no certificate again, so it could outlive one that has expired.
  if (socket.isSessionReused()) throw new Error('it resumes a session');
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return 'joiner';
  if (!socket.authorized) throw new Error(`its certificate is not valid here: ${String(socket.authorizationError)}`);
  const node = nodeOf(certificate.subjectAltName);
  if (node === undefined) throw new Error('its certificate names no node');
  return { node, validUntilMs: certificate.validToDate.getTime() };
}

/** Takes connections and serves the calls that come over them. */
class TlsListener implements Listener {
  address = '';
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #links = new Map<Link, CalleeSide>();
  readonly #sockets = new Set<Socket>();
  readonly #turnstile: Turnstile;
  #shown: ReturnType<Credentials['current']> | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #closing: Promise<void> | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#turnstile = new Turnstile(options.host.clock);
    this.#server = createServer({
      ...tlsRules,
      requestCert: true,
      rejectUnauthorized: options.join === undefined,
      handshakeTimeout: limits.linkConnectMs,
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    this.#server.maxConnections = limits.links;
    this.#server.prependListener('connection', (socket: Socket) => this.#arrived(socket));
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (cause, socket) => {
      this.#refused(socket, cause);
      socket.destroy();
    });
    this.#server.on('error', (cause) => options.onError(cause));
  }

  async listen(): Promise<void> {
    this.#showCredentials();
    this.#server.listen({ ...parseAddress(this.#options.address), reusePort: true });
    await once(this.#server, 'listening');
    this.address = formatAddress(this.#server.address() as AddressInfo);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#options.onClosed();
    this.#server.close();
    for (const side of this.#links.values()) side.drain();
    if (this.#links.size > 0) {
      const enough = new AbortController();
      this.#emptied = () => enough.abort();
      await this.#options.host.timers.sleep(limits.linkDrainMs, enough.signal);
    }
    for (const link of this.#links.keys()) link.end(new Error('the node is stopping'));
    for (const socket of this.#sockets) socket.destroy();
  }

  /** New connections see the newest certificate. */
  #showCredentials(): void {
    const current = this.#options.credentials.current();
    const { certificate, privateKey, authorities } = current;
    if (this.#shown?.certificate === certificate && this.#shown.authorities.join() === authorities.join()) return;
    // The authorities go along, so that a node that joins can compare them with the hash in its invitation.
    const chain = [certificate, ...authorities].map((pem) => `${pem.trim()}\n`).join('');
    this.#server.setSecureContext({
      minVersion: tlsRules.minVersion,
      maxVersion: tlsRules.maxVersion,
      secureOptions: constants.SSL_OP_NO_TICKET,
      cert: chain,
      key: privateKey,
      ca: [...authorities],
    });
    this.#shown = current;
  }

  #arrived(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    try {
      this.#showCredentials();
    } catch (cause) {
      // Better no connection than one with credentials that are out of date.
      this.#options.onError(cause);
      socket.destroy();
    }
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', () => {});
    try {
      const caller = callerOf(socket);
      if (caller === 'joiner') return this.#acceptJoiner(socket);
      if (this.#options.admits?.(caller.node) === false) throw new Error(`the node ${caller.node} is no member`);
      this.#begin(socket, this.#guarded(), caller.node, caller.validUntilMs, this.#options.pools);
    } catch (cause) {
      this.#refused(socket, cause as Error);
      socket.destroy();
    }
  }

  /** A node may be removed while its link stands: each call asks. */
  #guarded(): Serve {
    const { serve, admits } = this.#options;
    if (!admits) return serve;
    return async (call) => {
      if (!admits(call.node))
        throw new StoreError('AccessDenied', { message: `The node ${call.node} is no member of this cluster.` });
      return serve(call);
    };
  }

  #acceptJoiner(socket: TLSSocket): void {
    const { join, host } = this.#options;
    if (!join) throw new Error('it has no certificate');
    const leave = this.#turnstile.enter();
    if (!leave) throw new Error('too many nodes want to join at the same time');
    const link = this.#begin(socket, joinOnly(join), '', host.clock.now() + limits.joinMs, joinPools);
    const stop = host.timers.after(limits.joinMs, () => link.end(new Error('joining took too long')));
    socket.on('close', () => {
      stop();
      leave();
    });
  }

  #begin(socket: TLSSocket, serve: Serve, node: string, validUntilMs: number, pools: Pools): Link {
    const { host, hello, onError } = this.#options;
    const link = new Link({ wire: new TlsWire(socket), host, validUntilMs, ...(hello && { hello }) });
    const side = new CalleeSide(link, {
      host,
      pools,
      serve,
      node,
      onError,
      onBroken: () => {
        this.#links.delete(link);
        if (this.#links.size === 0) this.#emptied?.();
      },
    });
    this.#links.set(link, side);
    link.start(side);
    if (this.#closing) side.drain();
    return link;
  }

  #refused(socket: TLSSocket, cause: Error): void {
    const now = this.#options.host.clock.monotonic();
    if (now - this.#reportedAt < limits.refusalReportMs) return;
    this.#reportedAt = now;
    const from = socket.remoteAddress === undefined ? '' : ` from ${socket.remoteAddress}`;
    this.#options.onError(new Error(`a connection${from} was refused: ${cause.message}`, { cause }));
  }
}

export async function listenTls(options: ListenerOptions): Promise<Listener> {
  const listener = new TlsListener(options);
  await listener.listen();
  return listener;
}
