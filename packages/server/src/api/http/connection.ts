import type { IncomingMessage } from 'node:http';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { type AddressRange, inRange, parseAddress, parseRange } from '../../access/index.ts';
import { invariant } from '../../invariant.ts';

/*
 * By which connection a request came: what policies, logs and links in answers are told of it. All of it is seen on the socket. Only where the socket's other end is a
 * proxy that the operator trusts (`--trusted-proxy`), that proxy's X-Forwarded-For and X-Forwarded-Proto count: anybody can send such headers.
 */

/** Who showed a certificate that was checked. */
export interface Device {
  /** Common name of its subject; undefined where there is none, or more than one. */
  readonly id: string | undefined;
  /** SHA-256 of the certificate, 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
}

export interface Connection {
  /** IP address of the client; undefined when it is gone. */
  readonly address: string | undefined;
  /** The client's connection is encrypted: to this server, or to the proxy. */
  readonly secure: boolean;
  /** Version and cipher suite as OpenSSL names them (`TLSv1.3`); undefined: this server's own connection is not encrypted. */
  readonly tls: string | undefined;
  readonly cipher: string | undefined;
  readonly device: Device | undefined;
}

/** Proxies whose word on their clients counts. */
export class TrustedProxies {
  readonly #ranges: readonly AddressRange[];

  /** @param ranges addresses, or networks in CIDR form */
  constructor(ranges: readonly string[]) {
    this.#ranges = ranges.map((text) => {
      const range = parseRange(text);
      invariant(range, 'the ranges of trusted proxies were checked when the configuration was read');
      return range;
    });
  }

  trusts(text: string | undefined): boolean {
    if (this.#ranges.length === 0 || text === undefined) return false;
    const address = parseAddress(text);
    return address !== undefined && this.#ranges.some((range) => inRange(range, address));
  }

  /**
   * The client behind a trusted proxy: the last address of X-Forwarded-For that is no trusted proxy, since each proxy appends whom it heard from. What stands before it is the
   * client's own word. An entry that is no address ends the search: nobody is known to have been behind it.
   * @param from the proxy's own address
   */
  clientOf(from: string, forwardedFor: string): string {
    let known = from;
    for (const entry of forwardedFor.split(',').reverse()) {
      const address = addressIn(entry.replace(/^[ \t]+|[ \t]+$/g, ''));
      if (address === undefined) break;
      known = address;
      if (!this.trusts(address)) break;
    }
    return known;
  }
}

/** Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function addressIn(entry: string): string | undefined {
  const text = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(entry)?.[1] ?? entry;
  return parseAddress(text) ? text : undefined;
}

/** What a connection with TLS has, from its handshake on. */
interface Handshake {
  readonly tls: string | undefined;
  readonly cipher: string | undefined;
  readonly shown: { readonly device: Device; readonly fromMs: number; readonly untilMs: number } | undefined;
}

/** Kept: reading a certificate costs more than a small request. */
const handshakes = new WeakMap<TLSSocket, Handshake>();

function shownOn(socket: TLSSocket): Handshake['shown'] {
  // Asked both: that a session is authorized says little where it is taken up again without a certificate.
  if (!socket.authorized) return undefined;
  const { subject, fingerprint256, valid_from, valid_to } = socket.getPeerCertificate() as Partial<PeerCertificate>;
  if (fingerprint256 === undefined) return undefined;
  const name: unknown = subject?.CN;
  return {
    device: {
      id: typeof name === 'string' && name !== '' ? name : undefined,
      fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    },
    fromMs: Date.parse(valid_from ?? ''),
    untilMs: Date.parse(valid_to ?? ''),
  };
}

function handshakeOf(socket: TLSSocket): Handshake {
  const held = handshakes.get(socket);
  if (held) return held;
  const made: Handshake = {
    tls: socket.getProtocol() ?? undefined,
    cipher: socket.getCipher()?.name,
    shown: shownOn(socket),
  };
  handshakes.set(socket, made);
  return made;
}

/** A certificate that ran out while its connection stood, or while its session was kept, is none. */
function deviceOf({ shown }: Handshake, nowMs: number): Device | undefined {
  return shown && nowMs >= shown.fromMs && nowMs <= shown.untilMs ? shown.device : undefined;
}

/** @param proxies absent: nobody's word counts */
export function connectionOf(
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
  proxies: TrustedProxies | undefined,
  nowMs: number,
): Connection {
  const address = socket.remoteAddress;
  const handshake = socket instanceof TLSSocket ? handshakeOf(socket) : undefined;
  const [forwardedFor, proto] = [headers['x-forwarded-for'], headers['x-forwarded-proto']];
  const isForwarded = (forwardedFor ?? proto) !== undefined;
  if (address === undefined || !isForwarded || !proxies?.trusts(address))
    return {
      address,
      secure: handshake !== undefined,
      tls: handshake?.tls,
      cipher: handshake?.cipher,
      device: handshake && deviceOf(handshake, nowMs),
    };
  return {
    address: proxies.clientOf(address, String(forwardedFor ?? '')),
    // Of several proxies each has said it of its own client: all of the way must be encrypted.
    secure:
      proto === undefined ? handshake !== undefined : /^[ \t]*https[ \t]*(?:,[ \t]*https[ \t]*)*$/i.test(String(proto)),
    // The version of TLS, and a certificate, would be the proxy's own.
    tls: undefined,
    cipher: undefined,
    device: undefined,
  };
}
