import { createHash, X509Certificate } from 'node:crypto';
import type https from 'node:https';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import { limits } from '../../limits.ts';
import type { TlsMaterial, TlsPair } from './material.ts';

/** What connections are made with that are shown this certificate. */
function contextOf({ minimum, clientAuthority }: TlsMaterial, { certificate, key }: TlsPair): SecureContextOptions {
  return {
    cert: certificate,
    key,
    minVersion: `TLSv${minimum}`,
    // Forward secrecy and authenticated encryption only. AES with 128 bits first: it is the fastest where the processor has it.
    ciphers: [
      'TLS_AES_128_GCM_SHA256',
      'TLS_AES_256_GCM_SHA384',
      'TLS_CHACHA20_POLY1305_SHA256',
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ].join(':'),
    honorCipherOrder: true,
    ...(clientAuthority !== undefined && { ca: clientAuthority }),
  };
}

/** Told apart by the authorities: a session with a certificate of one that is trusted no more is not taken up again. */
const sessionContext = ({ clientAuthority = '' }: TlsMaterial): string =>
  createHash('sha256').update(clientAuthority).digest('hex').slice(0, 32);

const defaultOptions = (material: TlsMaterial) => ({
  ...contextOf(material, material.pairs[0]!),
  ticketKeys: Buffer.from(material.ticketKeys),
  sessionTimeout: limits.tlsSessionSeconds,
  sessionIdContext: sessionContext(material),
});

interface Named {
  readonly certificate: X509Certificate;
  readonly context: SecureContext;
}

/** Every certificate, with what tells which names it is for. */
function namedContexts(material: TlsMaterial): Named[] {
  return material.pairs.map((pair) => ({
    certificate: new X509Certificate(pair.certificate),
    context: createSecureContext({ ...contextOf(material, pair), sessionIdContext: sessionContext(material) }),
  }));
}

const plainBody =
  '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidRequest</Code><Message>This port speaks TLS: write the endpoint with https:// instead of http://.</Message></Error>';
const plainAnswer = `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length: ${plainBody.length}\r\n\r\n${plainBody}`;

/** Before TLS is agreed on there is nobody to answer, but for somebody who speaks plain HTTP to this port: he is told, on the connection below. */
function refuseHandshake(error: Error & { readonly code?: string }, socket: TLSSocket): void {
  const { _parent: below } = socket as { readonly _parent?: Socket };
  if (error.code === 'ERR_SSL_HTTP_REQUEST' && below?.writable) below.end(plainAnswer, () => socket.destroy());
  else socket.destroy();
}

/** Node knows it, and tells it of clients only. */
const isHandshaking = (socket: TLSSocket): boolean =>
  (socket as { readonly secureConnecting?: boolean }).secureConnecting === true;

export interface SecureServer {
  readonly server: https.Server;
  /** New connections get what is in it; those that stand stay as they are. */
  renew(material: TlsMaterial): void;
}

/**
 * An HTTPS server.
 * @param options of node:http, without those of TLS
 * @param malformed hears of what is no HTTP, as a listener for `clientError`
 */
export function createSecureServer(
  options: https.ServerOptions,
  material: TlsMaterial,
  malformed: (error: Error, socket: Socket) => void,
): SecureServer {
  let named = namedContexts(material);
  const { createServer } = process.getBuiltinModule('node:https');
  const server = createServer({
    ...options,
    ...defaultOptions(material),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: limits.tlsHandshakeMs,
    // A certificate of a device is a fact for policies, and no condition of a connection.
    requestCert: material.clientAuthority !== undefined,
    rejectUnauthorized: false,
    SNICallback(name, done) {
      done(null, named.find(({ certificate }) => certificate.checkHost(name) !== undefined)?.context);
    },
  });
  server.on('clientError', (error, socket) => {
    if (socket instanceof TLSSocket && isHandshaking(socket)) refuseHandshake(error, socket);
    else malformed(error, socket as Socket);
  });
  return {
    server,
    renew(next) {
      named = namedContexts(next);
      server.setSecureContext(defaultOptions(next));
    },
  };
}
