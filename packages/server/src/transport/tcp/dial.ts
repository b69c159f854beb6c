import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { nodeOf } from '../names.ts';
import type { Dialled } from '../peer.ts';
import type { Credentials } from '../types.ts';
import { parseAddress } from './address.ts';
import { TlsWire } from './wire.ts';

/** What both ends of every connection insist on. */
export const tlsRules = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  /** Who speaks another protocol by mistake, or was led here, is refused in the handshake. */
  ALPNProtocols: ['dsom'],
} as const;

/** A TLS connection after its handshake. Whatever `options` refuse rejects. */
export function handshake(address: string, options: ConnectionOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ ...parseAddress(address), ...tlsRules, ...options });
    const onClose = () => fail(new Error('the connection ended during the handshake'));
    const fail = (cause: Error) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(cause);
    };
    const onAbort = () => fail(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', fail);
    socket.on('close', onClose);
    socket.on('secureConnect', () => {
      if (socket.alpnProtocol !== tlsRules.ALPNProtocols[0])
        return fail(new Error('the other side is no node of DSOM'));
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('close', onClose);
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}

/** Connects to `node` at `address` as who `credentials` say, and to nobody else. */
export async function dialNode(
  node: string,
  address: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<Dialled> {
  const { certificate, privateKey, authorities } = credentials.current();
  const options: ConnectionOptions = {
    cert: certificate,
    key: privateKey,
    ca: [...authorities],
    rejectUnauthorized: true,
    // Not by the name of the host: by that of the node, below.
    checkServerIdentity: () => undefined,
  };
  const socket = await handshake(address, options, signal);
  const shown = socket.getPeerX509Certificate();
  const named = nodeOf(shown?.subjectAltName);
  if (named !== node || !shown) {
    socket.destroy();
    throw new Error(
      `the certificate there names ${named === undefined ? 'no node' : `the node ${named}`}, not ${node}`,
    );
  }
  return { wire: new TlsWire(socket), validUntilMs: shown.validToDate.getTime() };
}
