import { isIP } from 'node:net';
import tls, { type PeerCertificate, type TLSSocket } from 'node:tls';
import type { Finding } from './doctor.ts';
import { exitCode, tlsAdvice } from './exit.ts';

const dayMs = 24 * 3600 * 1000;
/** As the server itself warns. */
const soonDays = 14;
const patienceMs = 5000;

/** Connects whatever the certificate is. @returns undefined when nothing answers there, or not in TLS */
function connect(url: URL, signal: AbortSignal): Promise<TLSSocket | undefined> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = tls.connect({
      host,
      port: Number(url.port || 443),
      // It is looked at, and no byte is sent.
      rejectUnauthorized: false,
      timeout: patienceMs,
      ...(isIP(host) === 0 && { servername: host }),
    });
    const give = (found: TLSSocket | undefined) => () => {
      if (!found) socket.destroy();
      resolve(found);
    };
    signal.addEventListener('abort', give(undefined), { once: true });
    socket
      .once('secureConnect', give(socket))
      .once('timeout', give(undefined))
      .once('error', give(undefined))
      .once('close', give(undefined));
  });
}

const nameOf = ({ subjectaltname, subject }: PeerCertificate): string =>
  subjectaltname?.replace(/(?:DNS|IP Address):/g, '') ?? String(subject.CN);

/** What a connection shows. */
function findingOf(socket: TLSSocket, host: string, nowMs: number): Finding {
  const shown = socket.getPeerCertificate();
  const { authorizationError: refused } = socket as { authorizationError: Error | string | undefined };
  const failed = (detail: string, code: string): Finding => {
    const advice = tlsAdvice[code] ?? 'Ask for a certificate of an authority that is trusted here.';
    return { outcome: 'failed', detail, advice, exit: exitCode.unreachable };
  };
  const until = Date.parse(shown.valid_to);
  const date = new Date(until).toISOString().slice(0, 10);
  const names = nameOf(shown);
  if (nowMs > until) return failed(`the certificate for ${names} expired on ${date}`, 'CERT_HAS_EXPIRED');
  const mismatch = tls.checkServerIdentity(host, shown);
  if (mismatch) return failed(`the certificate is for ${names}, not for ${host}`, 'ERR_TLS_CERT_ALTNAME_INVALID');
  if (refused) {
    const code = refused instanceof Error ? ((refused as NodeJS.ErrnoException).code ?? refused.message) : refused;
    return failed(`the certificate for ${names} is not trusted (${code})`, code);
  }
  const days = Math.floor((until - nowMs) / dayMs);
  const detail = `${socket.getProtocol()}, ${socket.getCipher().name}; certificate for ${names}, ${days} days left`;
  if (days > soonDays) return { outcome: 'ok', detail };
  return { outcome: 'warning', detail, advice: `It ends on ${date}: put another one in the files of the server.` };
}

const isLoopback = (host: string): boolean => /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(host);

/**
 * How the way to an endpoint is protected.
 * @returns undefined where there is nothing to say: on this machine without TLS, or when nothing answers, which another test tells of
 */
export async function examineTls(endpoint: string, nowMs: number, signal: AbortSignal): Promise<Finding | undefined> {
  const url = new URL(endpoint);
  if (url.protocol === 'http:') {
    if (isLoopback(url.hostname)) return undefined;
    const advice = 'Start the server with --tls-certificate and --tls-key, and write the endpoint with https://.';
    return { outcome: 'warning', detail: 'none: whoever is on the way reads what goes over it', advice };
  }
  const socket = await connect(url, signal);
  if (!socket) return undefined;
  try {
    return findingOf(socket, url.hostname.replace(/^\[|\]$/g, ''), nowMs);
  } finally {
    socket.destroy();
  }
}
