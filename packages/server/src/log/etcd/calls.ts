import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { checkServerIdentity as compareIdentity, type PeerCertificate } from 'node:tls';
import type * as Grpc from '@grpc/grpc-js';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { EtcdError } from './types.ts';

/** How TLS is spoken with etcd. PEM. */
export interface EtcdTls {
  /** Certificates of the authorities that etcd's certificate must come from. */
  readonly authority: string;
  /** Who this client is, where etcd asks (`--client-cert-auth`). */
  readonly certificate?: string;
  readonly privateKey?: string;
}

const same = (bytes: Buffer): Buffer => bytes;

let loaded: typeof Grpc | undefined;
/** Loaded with the first connection: a server that is alone needs none of its 65 modules. */
function grpc(): typeof Grpc {
  loaded ??= createRequire(import.meta.url)('@grpc/grpc-js') as typeof Grpc;
  return loaded;
}

/** These say that the call was refused; after any other failure it may have been made, or still be made. */
const refusals = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'UNAUTHENTICATED',
] as const;

function failure(endpoint: string, error: Grpc.ServiceError): EtcdError {
  const { status } = grpc();
  const said = (error.details || error.message).replace(/\.? Resolution note: ?[^.]*\.?$/, '');
  const full = error.code === status.RESOURCE_EXHAUSTED && /space exceeded/.test(said);
  const outcome = refusals.some((name) => status[name] === error.code) ? 'refused' : 'unknown';
  const hint = /too large|larger than max/.test(said)
    ? `: start etcd with --max-request-bytes=${limits.etcdRequestBytes}`
    : '';
  return new EtcdError(`etcd at ${endpoint}: ${said}${hint}`, outcome, full, error);
}

/** A server that answers etcd's calls, and a connection to it that is made when it is needed. */
export class Endpoint {
  readonly address: string;
  readonly #tls: (() => EtcdTls) | undefined;
  readonly #host: Host;
  #shown: EtcdTls | undefined;
  #client: Grpc.Client;
  /** With the certificate before: a watch may still run on it. */
  #former: Grpc.Client | undefined;
  #closed = false;

  /** @param url `host:port`, with `http://` or `https://` before it or not */
  constructor(url: string, tls: (() => EtcdTls) | undefined, host: Host) {
    this.address = url.replace(/^https?:\/\//, '').replace(/\/$/, '');
    this.#tls = tls;
    this.#host = host;
    this.#shown = tls?.();
    this.#client = this.#connect(this.#shown);
  }

  #connect(tls: EtcdTls | undefined): Grpc.Client {
    const { Client, credentials } = grpc();
    const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
    // TLS takes no address for a server's name, so the name is a made-up one, and the certificate is compared with the address.
    const name = this.address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    const checkServerIdentity = (_: string, peer: PeerCertificate) => compareIdentity(name, peer);
    const channel = tls
      ? credentials.createSsl(pem(tls.authority), pem(tls.privateKey), pem(tls.certificate), { checkServerIdentity })
      : credentials.createInsecure();
    return new Client(this.address, channel, {
      ...(isIP(name) && { 'grpc.ssl_target_name_override': 'etcd' }),
      // etcd closes connections that ping more often than each 5 s, or without a call.
      'grpc.keepalive_time_ms': limits.etcdPingMs,
      'grpc.keepalive_timeout_ms': limits.etcdPongMs,
      'grpc.keepalive_permit_without_calls': 0,
      // A transaction must never be sent twice by anybody but the log, which knows what that means.
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': limits.etcdBackoffMs,
      'grpc.max_reconnect_backoff_ms': limits.etcdBackoffMostMs,
      'grpc.max_receive_message_length': limits.etcdAnswerBytes,
      'grpc.max_send_message_length': limits.etcdRequestBytes,
    });
  }

  /** A connection that is made anew must show the newest certificate: the one it was made with expires. */
  #current(): Grpc.Client {
    const tls = this.#tls?.();
    if (tls?.certificate === this.#shown?.certificate && tls?.authority === this.#shown?.authority) return this.#client;
    this.#former?.close();
    this.#former = this.#client;
    this.#shown = tls;
    this.#client = this.#connect(tls);
    return this.#client;
  }

  /** One call, tried once. @param milliseconds after which its outcome is unknown */
  call(method: string, request: Buffer, milliseconds: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw this.#gone();
      const running = this.#current().makeUnaryRequest(
        `/etcdserverpb.${method}`,
        same,
        same,
        request,
        (error: Grpc.ServiceError | null, answer?: Buffer) => {
          cancel();
          if (error)
            reject(failure(this.address, late ? Object.assign(error, { details: slow(milliseconds) }) : error));
          else resolve(answer ?? Buffer.alloc(0));
        },
      );
      let late = false;
      const cancel = this.#host.timers.after(milliseconds, () => {
        late = true;
        running.cancel();
      });
    });
  }

  /** A stream of answers to `requests`, which ends when its member knows no leader. @returns ends it */
  stream(
    method: string,
    requests: readonly Buffer[],
    answer: (message: Buffer) => void,
    ended: (error: EtcdError) => void,
  ): () => void {
    if (this.#closed) return () => {};
    const metadata = new (grpc().Metadata)();
    metadata.set('hasleader', 'true');
    const running = this.#current().makeBidiStreamRequest(`/etcdserverpb.${method}`, same, same, metadata);
    let open = true;
    const end = (error: EtcdError): void => {
      if (!open) return;
      open = false;
      ended(error);
    };
    running.on('data', (message: Buffer) => {
      if (open) answer(message);
    });
    running.on('error', (error: Grpc.ServiceError) => end(failure(this.address, error)));
    running.on('end', () => end(new EtcdError(`etcd at ${this.address} ended a stream`, 'unknown')));
    for (const request of requests) running.write(request);
    return () => {
      open = false;
      running.cancel();
    };
  }

  #gone(): EtcdError {
    return new EtcdError(`the connection to etcd at ${this.address} was closed`, 'refused');
  }

  close(): void {
    this.#closed = true;
    this.#former?.close();
    this.#client.close();
  }
}

const slow = (milliseconds: number): string => `no answer within ${milliseconds} ms`;
