import type http from 'node:http';
import { limits } from '../../limits.ts';
import { claimPort } from '../claim.ts';
import { parseAddress } from '../config.ts';

/*
 * Plain HTTP beside HTTPS (`--tls-redirect-address`): who only reads, without credentials, is sent on; everything else is refused, since its credentials and bytes were in the clear
 * already and a client that is sent on would do it again.
 */

const hostName = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[a-z0-9](?:[a-z0-9.-]{0,252}))(?::\d{1,5})?$/i;

/** Where a request is sent; undefined: it is refused. @param port of HTTPS */
export function redirectOf(
  { method, url = '/', headers }: Pick<http.IncomingMessage, 'method' | 'url' | 'headers'>,
  port: number,
): string | undefined {
  const { host = '', authorization } = headers;
  if ((method !== 'GET' && method !== 'HEAD') || authorization !== undefined || /[?&]X-Amz-/i.test(url))
    return undefined;
  // An absolute target, or `//elsewhere`, would lead somewhere else.
  if (!/^\/(?!\/)/.test(url) || !hostName.test(host)) return undefined;
  return `https://${host.replace(/:\d{1,5}$/, '')}${port === 443 ? '' : `:${port}`}${url}`;
}

const refusal = (port: number) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidRequest</Code><Message>Requests are taken over TLS: use https:// and port ${port}.</Message></Error>`;

function createRedirectServer(port: number): http.Server {
  const { createServer } = process.getBuiltinModule('node:http');
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.connectionCheckMs,
    keepAliveTimeout: limits.keepAliveMs,
  });
  server.maxConnections = limits.connections;
  return server.on('request', (request, response) => {
    const location = redirectOf(request, port);
    const body = location === undefined ? refusal(port) : '';
    response.writeHead(location === undefined ? 400 : 308, {
      'content-length': Buffer.byteLength(body),
      connection: 'close',
      ...(location === undefined ? { 'content-type': 'application/xml' } : { location }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
}

/** Where plain HTTP is to listen; undefined: nowhere. @throws ConfigError where it cannot listen */
export async function claimRedirect(address: string | undefined): Promise<{ host: string; port: number } | undefined> {
  if (address === undefined) return undefined;
  const { host, port } = parseAddress(address);
  return { host, port: await claimPort(host, port, '--tls-redirect-address') };
}

/** @param port of HTTPS */
export async function listenToRedirect(at: { host: string; port: number }, port: number): Promise<http.Server> {
  const server = createRedirectServer(port);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(at, () => resolve());
  });
  return server;
}
