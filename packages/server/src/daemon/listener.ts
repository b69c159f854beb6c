import type http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  Administration,
  createAuthenticator,
  Directory,
  KeyUses,
  Quotas,
  RateGate,
  SessionTokens,
  websiteBucket,
} from '../access/index.ts';
import {
  AccessLog,
  Admission,
  breakStalled,
  Connections,
  createCors,
  createIdentityHandler,
  createRestHandler,
  createS3Handler,
  FairPlaces,
  isIdentityRequest,
  type Notifications,
  Refusals,
  RequestMetrics,
  type RestOptions,
  refuseMalformed,
  TrustedProxies,
} from '../api/index.ts';
import type { Host } from '../host/index.ts';
import { type KeyService, openSecret, sealSecret } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { AccessKeyRecord, Feature, Proposer } from '../metadata/index.ts';
import { shownTarget } from '../notifications/index.ts';
import {
  createLog,
  createRegistry,
  expositionType,
  type RegistrySnapshot,
  tenantMetrics,
  threadMetrics,
} from '../telemetry/index.ts';
import { emptyQueue } from './accepting.ts';
import { accessDeliveryOf, accessLogMetrics } from './access-logs.ts';
import { freshnessOf, type GateCalls, type Heard } from './cluster/gate.ts';
import type { Config } from './config.ts';
import { dayMsOf } from './day.ts';
import { createKeyAdmin } from './keyadmin.ts';
import type { ConnectionShare } from './open-files.ts';
import type { OwnerMethods } from './protocol.ts';
import { readThroughOf } from './read-through.ts';
import { askReadiness } from './readiness.ts';
import { requestIds } from './request-ids.ts';
import { requestMetrics } from './request-metrics.ts';
import { GivenRoot } from './rootkey.ts';
import type { Thread } from './thread.ts';
import type { TlsMaterial } from './tls/material.ts';
import { createSecureServer } from './tls/server.ts';

// An import would touch every export of the module, of which one loads the whole of `fetch`: 7 MB in every thread, and a slower start.
const { createServer } = process.getBuiltinModule('node:http');

const closeListening = process.getBuiltinModule('node:net').Server.prototype.close;

/** What a listener asks of the owner's thread, which may be its own. */
export type OwnerCalls = Pick<OwnerMethods, 'readiness' | 'metrics' | 'admin'>;

/** What a listener needs. */
export interface ListenerOptions {
  readonly config: Config;
  readonly host: string;
  readonly port: number;
  readonly root: AccessKeyRecord | undefined;
  readonly version: string;
  readonly thread: Thread;
  readonly keyring: KeyService;
  readonly owner: OwnerCalls;
  readonly realHost: Host;
  readonly proposer: Proposer;
  /** Where the threads of this process count what was used of limits. */
  readonly rates: SharedArrayBuffer;
  /** How this node gets as fresh as a request asks for; absent where it is alone. */
  readonly gate?: { readonly calls: GateCalls; readonly heard: Heard } | undefined;
  /** What HTTPS is spoken with. Absent: the listener speaks HTTP. */
  readonly tls?: TlsMaterial | undefined;
  /** How many this thread may have. */
  readonly connections: ConnectionShare;
  /** Number of this worker, in its log lines. */
  readonly worker: number;
}

export interface Listener {
  listen(): Promise<void>;
  /** What HTTPS is spoken with from now on. */
  renewTls(material: TlsMaterial): void;
  /** The keyring seals with another master key: so is the root key of this run from now on, which no row has. */
  rekey(): Promise<void>;
  metrics(): RegistrySnapshot;
  /** Closes the listening socket and waits for running requests, at most so long; then breaks what is left. */
  drain(milliseconds: number): Promise<void>;
}

/** What requests need of event notifications: the targets are in every thread's replica, and the owner's thread speaks to them. */
function notificationsOf({ thread, owner, gate }: ListenerOptions): Notifications {
  const { reader } = thread;
  const knows = (feature: Feature): boolean => gate === undefined || reader.features().includes(feature);
  return {
    targets: () => new Map([...reader.targets()].map(([name, record]) => [name, shownTarget(record)])),
    ready: () => knows('notifications'),
    test: (call) => owner.admin({ method: 'notify.test', argument: call }) as ReturnType<Notifications['test']>,
    replicates: () => knows('replication'),
    tellsReplicas: () => knows('replicationStatus'),
    lacks: (destination) =>
      owner.admin({ method: 'replication.lacks', argument: destination }) as ReturnType<Notifications['lacks']>,
  };
}

/** The HTTP side of one worker: S3 at `/`, everything of DSOM's own below `/-/`. */
export function createListener(options: ListenerOptions): Listener {
  const { config, thread, owner, realHost } = options;
  const { clock, timers } = realHost;
  const { reader } = thread;
  const log = createLog({
    clock,
    level: config.logLevel,
    write: (line) => process.stderr.write(line),
    fields: { worker: options.worker },
  });
  const refusals = new Refusals(log, clock);
  const registry = createRegistry();
  const metrics = threadMetrics(registry, {
    cache: () => thread.cache.statistics(),
    stripes: () => thread.stripes.counts(),
  });
  const finished = (operation: string, status: number, seconds: number, bytesIn: number, bytesOut: number): void =>
    metrics.finished({ operation, status, milliseconds: seconds * 1000, bytesIn, bytesOut });
  const places = new FairPlaces({ clock, timers });
  const tenants = tenantMetrics(
    registry,
    () => places.holders(),
    () => admission.connections(),
  );
  const gate = new RateGate({
    rates: () => reader.rates(),
    memory: options.rates,
    clock,
    onRefused: (tenant, reason) => tenants.refused(tenant, reason),
  });
  const admission = new Admission(places, gate);
  const { keyring } = options;
  const root = new GivenRoot(keyring, options.root);
  const objects = readThroughOf(options, registry, log);
  const directory = new Directory(reader.identities);
  const tokens = new SessionTokens(keyring);
  const administration = new Administration({
    reader,
    proposer: options.proposer,
    sealSecret: (id, secret) => sealSecret(keyring, id, secret),
    entropy: realHost.entropy,
  });
  const keyUses = new KeyUses({
    reader,
    proposer: options.proposer,
    clock,
    timers,
    onFailure: (fields) => log.warn('the last uses of access keys could not be written; later ones will be', fields),
  });
  const authenticator = createAuthenticator({
    used: (id, service, of) => keyUses.used(id, service, of),
    lookup: (id) => root.named(id) ?? reader.accessKey(id),
    openSecret: (record) => openSecret(keyring, record.id, record.sealedSecret),
    clock,
    region: config.region,
    accounts: { directory, tokens },
  });
  const requestId = requestIds(realHost.entropy);
  const position = (shard?: number) => reader.position(shard);
  const shared = options.gate && freshnessOf(options.gate.calls, reader, options.gate.heard, clock);
  const proxies = new TrustedProxies(config.trustedProxy);
  const exchange: RestOptions['exchange'] = {
    clock,
    timers,
    refusals,
    proxies,
    ended({ operation, admitted }, status, seconds, bytesIn, bytesOut) {
      finished(operation, status, seconds, bytesIn, bytesOut);
      if (admitted) tenants.finished(admitted.tenant, bytesIn, bytesOut);
    },
  };
  const cors = createCors({ allowed: config.allowOrigin, requestId, exchange });
  const notifications = notificationsOf(options);
  const accessLog = new AccessLog(accessDeliveryOf(objects, config, realHost, log));
  accessLogMetrics(registry, () => accessLog.totals());
  const websites = { domains: config.websiteDomain, hosts: config.websiteHost };
  const s3 = createS3Handler({
    admission,
    customerKeysOverHttp: config.customerKeysOverHttp,
    objects,
    notifications,
    accessLog,
    requestMetrics: new RequestMetrics(objects, requestMetrics(registry)),
    authenticator,
    clock,
    timers,
    proxies,
    requestId,
    region: config.region,
    baseDomains: config.domain,
    websites,
    log,
    refusals,
    position,
    get shards() {
      return reader.shards;
    },
    lifecycleDayMs: dayMsOf(config),
    ...(shared && { shared }),
    telemetry: finished,
    tenants,
  });
  const rest = createRestHandler({
    admission,
    objects,
    notifications,
    accounts: administration,
    quotas: new Quotas(reader, options.proposer, administration),
    keys: createKeyAdmin(reader, options.proposer, keyring, realHost.entropy, options.root?.id),
    authenticator,
    host: realHost,
    region: config.region,
    version: options.version,
    position,
    get shards() {
      return reader.shards;
    },
    ...(shared && { shared }),
    admin: (method, argument) => owner.admin({ method, argument }),
    exchange,
    requestId,
    unexpected: (error, operation) => log.error('request failed', { operation, error }),
  });

  const iam = createIdentityHandler({
    admission,
    authenticator,
    administration,
    directory,
    tokens,
    clock,
    region: config.region,
    position,
    ...(shared && { shared }),
    exchange,
    requestId,
    unexpected: (error, operation) => log.error('request failed', { operation, error }),
  });

  const plain = (response: http.ServerResponse, status: number, type: string, body: string) => {
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
    });
    response.end(body);
  };
  /** Health and metrics: what load balancers and Prometheus ask, without credentials. */
  const probe = async (path: string, response: http.ServerResponse): Promise<boolean> => {
    switch (path) {
      case '/-/health/live':
        plain(response, 200, 'text/plain', 'live\n');
        return true;
      case '/-/health/ready': {
        const answer = await askReadiness(owner, timers);
        plain(
          response,
          answer.ready ? 200 : 503,
          'application/json',
          `${JSON.stringify({ ...answer, encryption: config.encryption })}\n`,
        );
        return true;
      }
      case '/-/metrics':
        if (!config.metricsPublic) return false;
        plain(response, 200, expositionType, await owner.metrics());
        return true;
      default:
        return false;
    }
  };
  let draining = false;
  // What an operator asks is answered by every node.
  const isClients = (url: string): boolean => !url.startsWith('/-/') || url.startsWith('/-/v1/');
  const gateway = config.roles.includes('gateway');
  const shortages = registry.counter(
    'dsom_connection_shortages_total',
    'Connections for which there was no place: an idle one gave way, or they were refused.',
    ['outcome'],
  );
  // An alert on their rate needs them before the first one.
  for (const outcome of ['displaced', 'refused'] as const) shortages.at(outcome);
  const connections = new Connections({
    most: options.connections.most,
    trusts: (address) => proxies.trusts(address),
    onShortage: (outcome) => shortages.add(shortages.at(outcome)),
  });
  const handle = (request: http.IncomingMessage, response: http.ServerResponse) => {
    metrics.started();
    response.on('close', metrics.ended);
    connections.used(request.socket, response);
    if (draining) response.shouldKeepAlive = false;
    if (!gateway && isClients(request.url as string))
      return plain(response, 503, 'text/plain', 'This node serves no clients (--roles): ask one that is a gateway.\n');
    const url = request.url as string;
    // A website has no paths that are not its own.
    if (websiteBucket(request.headers.host, websites) !== undefined) return s3(request, response);
    if (cors(request, response)) return;
    if (isIdentityRequest(request, config.domain)) return iam(request, response);
    if (!url.startsWith('/-/')) return s3(request, response);
    const end = url.indexOf('?');
    if (request.method !== 'GET') return rest(request, response);
    probe(end < 0 ? url : url.slice(0, end), response).then(
      (done) => {
        if (!done) rest(request, response);
      },
      () => response.destroy(),
    );
  };

  const serverOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.connectionCheckMs,
    // Bodies have an idle limit of their own; a large upload may take hours.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    requireHostHeader: true,
    insecureHTTPParser: false,
    noDelay: true,
  };
  const malformed = (error: Error, socket: Duplex) => refuseMalformed(error, socket, refusals);
  const secure = options.tls && createSecureServer(serverOptions, options.tls, malformed);
  const server = secure?.server ?? createServer(serverOptions).on('clientError', malformed);
  server.maxConnections = options.connections.most + options.connections.ending;
  breakStalled(server, limits.stalledConnectionMs);
  server.on('request', handle).on('checkContinue', handle);
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket) => {
    accepted++;
    if (!connections.add(socket)) return;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  return {
    listen: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host: options.host, port: options.port, reusePort: true, backlog: limits.backlog }, () =>
          resolve(),
        );
      }),
    renewTls: (material) => secure?.renew(material),
    rekey: () => root.rekey(),
    metrics: () => registry.snapshot(),
    async drain(milliseconds) {
      draining = true;
      await emptyQueue(server, () => accepted, clock, timers);
      // Not the close of HTTP, which at once breaks every connection without a request: some have just been accepted, and theirs is on its way.
      const closed = new Promise<void>((resolve) => void closeListening.call(server, () => resolve()));
      await Promise.race([closed, timers.sleep(limits.drainIdleMs)]);
      // And those that are idle later on.
      const cancel = timers.every(limits.drainIdleMs, () => server.closeIdleConnections());
      server.closeIdleConnections();
      const over = new AbortController();
      await Promise.race([closed, timers.sleep(milliseconds, over.signal)]);
      over.abort();
      cancel();
      for (const socket of sockets) socket.destroy();
      await closed;
      await accessLog.close();
      await keyUses.close();
      // For the timers that HTTP has.
      server.close(() => {});
    },
  };
}
