import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Administration,
  type Authenticator,
  type CredentialKind,
  firstAccount,
  type Identity,
  identityOf,
  parseTarget,
  type Quotas,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { InvariantError, invariant } from '../../invariant.ts';
import type { Position } from '../../log/index.ts';
import { localNumber, shardOfNumber } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Admission } from '../http/admission.ts';
import { authenticated, confirmed } from '../http/authentication.ts';
import { type Freshness, fresh, freshIfHeard, isConsistency, pushLevel } from '../http/consistency.ts';
import { Exchange, type ExchangeOptions, type HeaderList } from '../http/exchange.ts';
import { tokenOf } from '../http/token.ts';
import { announcingService, type Notifications, principalText, writingService } from '../s3/announce.ts';
import { ownerIn } from '../s3/bucket-rules.ts';
import type { S3Operation } from '../s3/names.ts';
import { concealed } from '../s3/permission.ts';
import { checked, jsonBody } from './body.ts';
import { keyBytes } from './conditions.ts';
import type { KeyAdmin } from './keyadmin.ts';
import { createMatcher } from './match.ts';
import { openApiDocument } from './openapi.ts';
import { factsOf, mayCall, restAuthorization } from './permission.ts';
import { answerProblem } from './problem.ts';
import type { RestCall, RestService, Route } from './route.ts';
import { accountRoutes } from './routes/accounts.ts';
import { adminRoutes } from './routes/admin.ts';
import { bucketRoutes } from './routes/buckets.ts';
import { inventoryRoutes } from './routes/inventory.ts';
import { kmsRoutes } from './routes/kms.ts';
import { lifecycleRoutes } from './routes/lifecycle.ts';
import { limitRoutes } from './routes/limits.ts';
import { listingRoutes } from './routes/listing.ts';
import { masterKeyRoutes } from './routes/master-key.ts';
import { notificationRoutes } from './routes/notifications.ts';
import { objectRoutes } from './routes/objects.ts';
import { quotaRoutes } from './routes/quotas.ts';
import { shardingRoutes } from './routes/sharding.ts';
import { sourceRoutes } from './routes/sources.ts';
import { uploadRoutes } from './routes/uploads.ts';

/** What the native API needs. */
export interface RestOptions {
  readonly objects: ObjectService;
  readonly keys: KeyAdmin;
  readonly accounts: Administration;
  readonly quotas: Quotas;
  readonly authenticator: Authenticator;
  readonly host: Host;
  readonly region: string;
  readonly version: string;
  readonly position: (shard?: number) => Position;
  /** How many shards there are. Absent: one. */
  readonly shards?: number;
  /** Where several nodes share the log: how this one gets as fresh as a request asks for. */
  readonly shared?: Freshness['shared'];
  readonly admin: (method: string, argument: unknown) => Promise<unknown>;
  readonly exchange: ExchangeOptions;
  /** Who lets requests in. Absent: nobody is held back. */
  readonly admission?: Admission;
  /** Event notifications. Absent: none. */
  readonly notifications?: Notifications;
  readonly requestId: () => string;
  /** A failure that is no StoreError: a bug. */
  readonly unexpected: (error: unknown, operation: string) => void;
}

export const routes: readonly Route[] = [
  ...bucketRoutes,
  ...listingRoutes,
  ...objectRoutes,
  ...uploadRoutes,
  ...adminRoutes,
  ...notificationRoutes,
  ...inventoryRoutes,
  ...accountRoutes,
  ...limitRoutes,
  ...shardingRoutes,
  ...lifecycleRoutes,
  ...kmsRoutes,
  ...masterKeyRoutes,
  ...quotaRoutes,
  ...sourceRoutes,
];

/** What an operation of the native API is to those who are told of events. */
const announcedAs: Readonly<Record<string, S3Operation>> = {
  putObject: 'PutObject',
  patchObject: 'PutObject',
  appendObject: 'PutObject',
  copyObject: 'CopyObject',
  completeUpload: 'CompleteMultipartUpload',
  deleteObject: 'DeleteObject',
  deleteObjects: 'DeleteObjects',
};

const accepted: readonly CredentialKind[] = ['header', 'query', 'bearer'];
const own = '/-/';

/** Handles everything below `/-/` that is not a probe: detect → authenticate → permit → check → run. */
export function createRestHandler(options: RestOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const match = createMatcher(routes);
  let document: object | undefined;
  const service: RestService = {
    objects: options.objects,
    keys: options.keys,
    accounts: options.accounts,
    quotas: options.quotas,
    host: options.host,
    region: options.region,
    version: options.version,
    position: options.position,
    admin: options.admin,
    openapi: () => (document ??= openApiDocument(routes, options.version)),
  };

  const run = async (exchange: Exchange): Promise<void> => {
    const { request } = exchange;
    const method = request.method as string;
    const header = (name: string) => request.headers[name] as string | undefined;
    const target = parseTarget(request.url as string, header('host'), []);
    if (target.query.repeated !== undefined)
      throw new StoreError('InvalidArgument', { message: `The parameter ${target.query.repeated} is given twice.` });
    const found = match(method, target.rawPath.slice(own.length));
    exchange.operation = found.route.id;

    const { position, shared, shards = 1 } = options;
    const signed = { method, ...target, headers: request.headers, rawHeaders: request.rawHeaders };
    const attempt = () => options.authenticator.authenticate(signed, accepted);
    const at = shared && position();
    const known = await authenticated({ position, shared }, attempt);
    const { principal, payload, signature } = known;
    if (principal.kind === 'anonymous') throw new StoreError('AccessDenied');
    // Whoever runs the server is never held back from it.
    const operates = found.route.access === 'admin' && identityOf(principal).account === firstAccount;
    if (!operates) await options.admission?.enter(exchange, principal);
    const { bucket, key } = found.path;
    const authorizationOf = (identity: Identity) =>
      restAuthorization({
        identity,
        signature,
        exchange,
        query: target.query,
        host: options.host,
        region: options.region,
        objects: options.objects,
      });
    let authorization = authorizationOf(identityOf(principal));
    const facts = factsOf(found.path, target.query, request.headers);
    const admitted = await mayCall(found.route, authorization, facts);
    if (!admitted && !options.shared) throw authorization.denial();
    const consistency = header('x-dsom-consistency');
    if (consistency !== undefined && !isConsistency(consistency))
      throw new StoreError('InvalidArgument', { message: 'x-dsom-consistency is strong, causal or eventual.' });
    const carried = header('x-dsom-token');
    // A copy reads another key, maybe of another bucket.
    const scope =
      found.route.id === 'copyObject'
        ? { bucket, wide: true }
        : { bucket, key: key === undefined ? undefined : keyBytes(key) };
    const { whenSilent = false } = found.route;
    const wait = whenSilent ? freshIfHeard : fresh;
    const waiting = wait({ position, shared, shards }, consistency, carried, scope);
    if (waiting) {
      await waiting;
      // What was known before, also of who asks, may have been older than what the request must see.
      const identity = identityOf((await confirmed(position, at, known, attempt)).principal);
      if (identity !== authorization.identity) authorization = authorizationOf(identity);
      if (!(await mayCall(found.route, authorization, facts))) throw authorization.denial();
    } else if (!admitted) throw authorization.denial();

    const parameters = Object.fromEntries(
      target.query.pairs.filter(([name]) => !name.startsWith('X-Amz-') && name !== 'x-id'),
    );
    const { query, body } = found.route;
    const opaque = typeof body === 'string';
    const headers = (...positions: Position[]): HeaderList => {
      const read = positions.length === 0 ? [options.position()] : positions;
      // The bucket was known as well: that is the system shard's.
      if (read.some((one) => shardOfNumber(one) > 0)) read.push(options.position());
      const list: HeaderList = [
        'x-dsom-request-id',
        exchange.id,
        'x-dsom-position',
        String(localNumber(read[0] as Position)),
        'x-dsom-token',
        tokenOf(read, carried),
      ];
      const staleMs = shared?.staleMs();
      const level = consistency ?? (whenSilent && staleMs ? 'eventual' : undefined);
      if (level !== undefined) pushLevel(list, level, staleMs);
      return list;
    };
    const announced = announcedAs[found.route.id];
    const objects = writingService(service.objects, method, authorization.identity);
    const call: RestCall = {
      service:
        announced === undefined || bucket === undefined
          ? { ...service, objects }
          : {
              ...service,
              objects: announcingService(
                objects,
                options.notifications,
                { operation: announced, bucket, replica: false },
                () => ({
                  requestId: exchange.id,
                  hostId: 'dsom',
                  principal: principalText(principal),
                  address: exchange.connection.address,
                  region: options.region,
                }),
              ),
            },
      exchange,
      path: found.path,
      query: checked(query, parameters, 'query'),
      body: opaque ? undefined : await jsonBody(exchange, payload, body),
      payload,
      authorization,
      facts,
      owner:
        bucket === undefined
          ? (authorization.identity.owner ?? '')
          : ownerIn(options.objects, bucket, authorization.identity.owner),
      header,
      headers,
      json(status, value, list = headers()) {
        const bytes = Buffer.from(JSON.stringify(value));
        list.push('Content-Type', 'application/json', 'Content-Length', String(bytes.length));
        exchange.send(status, list, bytes);
      },
      empty: (status, list = headers()) => exchange.send(status, list),
    };
    try {
      await found.route.run(call as RestCall<never, never>);
    } catch (error) {
      throw bucket === undefined ? error : concealed(authorization, [bucket], error);
    }
    invariant(authorization.asked || found.route.access === 'open', 'a route asks what its body names');
  };

  return (request, response) => {
    const exchange = new Exchange(request, response, options.requestId(), options.exchange);
    run(exchange).catch(async (error: unknown) => {
      if (error instanceof InvariantError) throw error;
      if (!(error instanceof StoreError)) options.unexpected(error, exchange.operation);
      let known = error instanceof StoreError ? error : new StoreError('InternalError', { cause: error });
      if (error === known) exchange.refused(known);
      if (options.admission) known = await options.admission.refuse(exchange, known);
      if (known.code === 'SlowDown') await exchange.dropShortBody();
      answerProblem(known, exchange, ['x-dsom-request-id', exchange.id]);
    });
  };
}
