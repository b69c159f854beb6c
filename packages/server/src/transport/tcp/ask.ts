import { createHash, X509Certificate } from 'node:crypto';
import type { ConnectionOptions, DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { CallerSide } from '../caller.ts';
import { Link } from '../link.ts';
import { nodeOf } from '../names.ts';
import { newPools } from '../pool.ts';
import { handshake } from './dial.ts';
import { joinMethod } from './joiners.ts';
import { TlsWire } from './wire.ts';

export interface JoinQuestion {
  readonly address: string;
  /** SHA-256 of the certificate (DER) of the cluster's authority. */
  readonly authorityHash: Buffer;
  readonly request: Uint8Array;
  readonly host: Host;
}

/**
 * Asks a cluster that this node has no certificate of yet. The request is sent to a server whose certificate is of the authority with that hash, and
 * to no other: a first connection asks for the authority's certificate only, a second one verifies everything against it.
 * @returns the body of the answer
 * @throws StoreError AccessDenied when the server is of another cluster or refuses, ServiceUnavailable when it is out of reach
 */
export async function askToJoin({ address, authorityHash, request, host }: JoinQuestion): Promise<Buffer> {
  const giveUp = new AbortController();
  const stop = host.timers.after(limits.joinMs, () => giveUp.abort(new Error(`no answer within ${limits.joinMs} ms`)));
  const closing: (() => void)[] = [stop];
  try {
    const first = await connect(address, { rejectUnauthorized: false }, giveUp.signal);
    closing.push(() => first.destroy());
    const authority = authorityOf(first, authorityHash);
    first.destroy();
    if (!authority) {
      throw new StoreError('AccessDenied', {
        message: `The server at ${address} does not belong to the cluster of this invitation. Check the address, or make a new invitation.`,
      });
    }
    // Of whichever node of the cluster: the address may be that of several.
    const verified = { ca: [authority], rejectUnauthorized: true, checkServerIdentity: () => undefined };
    const socket = await connect(address, verified, giveUp.signal);
    closing.push(() => socket.destroy());
    if (nodeOf(socket.getPeerX509Certificate()?.subjectAltName) === undefined) {
      throw new StoreError('AccessDenied', { message: `The server at ${address} is no node of the cluster.` });
    }
    return await call(socket, request, host);
  } finally {
    for (const close of closing) close();
  }
}

async function connect(address: string, options: ConnectionOptions, signal: AbortSignal): Promise<TLSSocket> {
  try {
    return await handshake(address, options, signal);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    // OpenSSL says it on two lines, in words for those who know it from inside.
    const why =
      code === 'ERR_SSL_WRONG_VERSION_NUMBER' ? 'what answers there speaks no TLS, as the port for clients' : message;
    throw new StoreError('ServiceUnavailable', {
      message: `The node at ${address} cannot be reached: ${why}. Start it, and see that this machine reaches that port; or make a new invitation on a node that runs (dsom cluster invite).`,
      cause,
    });
  }
}

/** The certificate with that hash among those which the server showed, PEM. */
function authorityOf(socket: TLSSocket, hash: Buffer): string | undefined {
  const seen = new Set<DetailedPeerCertificate>();
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw && !seen.has(certificate)) {
    if (createHash('sha256').update(certificate.raw).digest().equals(hash))
      return new X509Certificate(certificate.raw).toString();
    seen.add(certificate);
    certificate = certificate.issuerCertificate;
  }
  return undefined;
}

function call(socket: TLSSocket, request: Uint8Array, host: Host): Promise<Buffer> {
  const pools = newPools();
  return new Promise((resolve, reject) => {
    const link = new Link({ wire: new TlsWire(socket), host });
    const caller = new CallerSide(link, host, pools, {
      opened: () => {
        caller
          .call(joinMethod, request, { deadlineMs: limits.joinMs })
          .then(({ body }) => resolve(body), reject)
          .finally(() => caller.retire());
      },
      goodbye: () => {},
      broken: reject,
    });
    link.start(caller);
  });
}
