import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import {
  type Authenticator,
  type CredentialKind,
  type Identity,
  identityOf,
  parseTarget,
  type Target,
} from '../../access/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import type { Clock, Timers } from '../../host/index.ts';
import { InvariantError, invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import { authenticated } from '../http/authentication.ts';
import { Cohort, step } from '../http/cohort.ts';
import { type Consistency, type Freshness, fresh } from '../http/consistency.ts';
import { Exchange } from '../http/exchange.ts';
import { encodeHeader } from '../http/header-text.ts';
import type { AccessLog } from './access-log.ts';
import { announcingService, type Notifications, principalText } from './announce.ts';
import { Authorization } from './authorization.ts';
import { isOwner, ownerIn } from './bucket-rules.ts';
import { header, type S3Call, type S3Service } from './call.ts';
import { applyCors } from './cors.ts';
import { type Detected, detect } from './detect.ts';
import { answerError, invalidArgument, notImplemented } from './failure.ts';
import type { S3Operation } from './names.ts';
import { optionsObject } from './operations/options-object.ts';
import { operations } from './operations.ts';
import { answerPayer } from './payer.ts';
import { bucketsOf, concealed, mayBegin } from './permission.ts';
import { isBucketName, screenConsistency, screenKey, screenRepeated } from './screen.ts';

/** Where failures are written that a client must not see in detail. */
export interface S3Log {
  error(event: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface S3Options {
  readonly objects: ObjectService;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A new id for every request: x-amz-request-id. */
  readonly requestId: () => string;
  readonly region: string;
  /** Lower-case names below which a bucket may stand (virtual-host style); none: path style only. */
  readonly baseDomains: readonly string[];
  readonly log: S3Log;
  /** Newest applied position of a shard, the system shard by default: session tokens are checked against it. */
  readonly position?: (shard?: number) => Position;
  /** How many shards there are. Absent: one. */
  readonly shards?: number;
  /** Where several nodes share the log: how this one gets as fresh as a request asks for. */
  readonly shared?: Freshness['shared'];
  /** Event notifications. Absent: none. */
  readonly notifications?: Notifications;
  /** Where requests of buckets that are logged are written. Absent: nowhere. */
  readonly accessLog?: AccessLog;
  /** Called once per request, when its answer was handed to the socket; status 499 when the client had gone. */
  readonly telemetry?: (operation: string, status: number, seconds: number, bytesIn: number, bytesOut: number) => void;
  /** Length of a day of lifecycles, ms. Absent: 24 hours. */
  readonly lifecycleDayMs?: number | undefined;
  /** Whether keys of customers are taken from any connection, because a proxy took them from TLS. Absent: over TLS, and from this machine. */
  readonly customerKeysOverHttp?: boolean;
  /** Value of x-amz-id-2 and HostId: which server answered. */
  readonly hostId?: string;
  /** What to do about a broken assumption after its request was answered. Default: an uncaught exception, which stops the process. */
  readonly fatal?: (error: InvariantError) => void;
}

const accepted: readonly CredentialKind[] = ['anonymous', 'header', 'query'];

/** Parameters of a presigned URL that are about the signature, not headers in another place. */
const signing: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-content-sha256',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
]);

/** A presigned URL may carry `x-amz-` headers as parameters; they are signed with the rest of the query. */
function withParameters(headers: IncomingHttpHeaders, query: Target['query']): IncomingHttpHeaders {
  let merged: IncomingHttpHeaders | undefined;
  for (const [name, value] of query.pairs) {
    const lower = name.toLowerCase();
    if (!lower.startsWith('x-amz-') || signing.has(lower) || headers[lower] !== undefined) continue;
    merged ??= { ...headers };
    merged[lower] = encodeHeader(value);
  }
  return merged ?? headers;
}

function operationOf(detected: Detected, method: string): S3Operation {
  if (typeof detected === 'string') return detected;
  if (detected.refused === 'Conflicting') {
    throw invalidArgument(
      'ResourceType',
      detected.names.join(', '),
      `Conflicting query string parameters: ${detected.names.join(', ')}`,
    );
  }
  throw new StoreError('MethodNotAllowed', { detail: { Method: method, ResourceType: detected.resource } });
}

/** Bytes that are bad are said to be; everything else that is no StoreError is a bug, and only the log says which. */
function unexpected(error: unknown): StoreError {
  return new StoreError(error instanceof CorruptionError ? 'Damaged' : 'InternalError', { cause: error });
}

class S3Handler {
  readonly #options: S3Options;
  readonly #service: S3Service;
  readonly #hostId: string;
  readonly #cohort: Cohort;

  constructor(options: S3Options) {
    this.#options = options;
    this.#hostId = options.hostId ?? 'dsom';
    this.#cohort = new Cohort(options.timers);
    this.#service = {
      objects: options.objects,
      clock: options.clock,
      region: options.region,
      position: options.position,
      notifications: options.notifications,
      staleMs: options.shared?.staleMs,
      lifecycleDayMs: options.lifecycleDayMs ?? limits.dayMs,
      hostId: this.#hostId,
      customerKeysOverHttp: options.customerKeysOverHttp === true,
      broken: (call, error) => {
        const { operation, exchange, bucket } = call;
        options.log.error('answer broken off', { operation, requestId: exchange.id, bucket, error });
        if (error instanceof InvariantError) this.#fatal(error);
      },
    };
  }

  /** Never rejects: every failure is answered, or breaks its own connection. */
  async serve(exchange: Exchange): Promise<void> {
    // After it, a small body is there to be taken.
    await this.#cohort.gathered();
    let target: Target | undefined;
    try {
      const { request } = exchange;
      screenRepeated(request.rawHeaders);
      target = parseTarget(request.url ?? '/', request.headers.host, this.#options.baseDomains);
      await this.#dispatch(exchange, target);
    } catch (error) {
      this.#fail(exchange, target, error);
    }
  }

  async #dispatch(exchange: Exchange, target: Target): Promise<void> {
    const { request } = exchange;
    const method = request.method ?? 'GET';
    const { query } = target;
    const repeated = query.repeated;
    if (repeated !== undefined)
      throw invalidArgument(repeated, query.get(repeated), 'A query parameter is given more than once.');
    const headers = query.has('X-Amz-Signature') ? withParameters(request.headers, query) : request.headers;
    const detected = detect(method, target, headers);
    if (typeof detected === 'string') exchange.operation = detected;
    const note = this.#options.accessLog?.begin(exchange, target);
    if (note && typeof detected === 'string') note.operation = detected;
    if (detected === 'OptionsObject') return this.#preflight(exchange, target);
    // Before anything can be refused: pages read refusals too.
    if (request.headers.origin !== undefined && target.bucket !== undefined)
      applyCors(exchange, this.#service.objects, target.bucket);
    const { rawPath, rawQuery } = target;
    const attempt = () =>
      this.#options.authenticator.authenticate(
        { method, rawPath, rawQuery, query, headers: request.headers },
        accepted,
      );
    const { position, shared } = this.#options;
    const pending = position ? authenticated({ position, shared }, attempt) : attempt();
    const known = pending instanceof Promise ? await pending : pending;
    const { principal, payload, signature } = known;
    if (note) note.principal = principal;
    if (principal.kind === 'anonymous' && typeof detected !== 'string') throw new StoreError('AccessDenied');
    const operation = operationOf(detected, method);
    const row = operations.get(operation);
    invariant(row, 'every operation that is detected has a row');
    const { bucket } = target;
    const { objects, clock, region } = this.#service;
    const authorizationOf = (identity: Identity) =>
      new Authorization({
        identity,
        signature,
        exchange,
        nowMs: clock.now(),
        region,
        header: (name) => header({ headers }, name),
        parameter: (name) => query.get(name),
        objects,
      });
    const authorization = authorizationOf(identityOf(principal));
    let call: S3Call = {
      exchange,
      operation,
      service: this.#service,
      headers,
      query,
      bucket: bucket ?? '',
      key: target.key,
      rawPath,
      principal,
      authorization,
      // What nobody in particular makes is the bucket's owner's.
      owner: authorization.identity.owner ?? ownerIn(objects, bucket ?? '', undefined),
      payload,
    };
    const admitted = this.#admit(call, bucket);
    if (admitted instanceof Promise) await admitted;
    if (!row.handle) throw notImplemented(operation, { Operation: operation });
    if (bucket !== undefined) this.#screen(call);
    const ready = this.#fresh(call, bucket);
    if (ready) {
      await ready;
      // What was known before, also of who asks, may have been older than what the request must see.
      const now = await attempt();
      const identity = identityOf(now.principal);
      if (identity !== authorization.identity)
        call = { ...call, principal: now.principal, authorization: authorizationOf(identity) };
      if (!(await mayBegin(call))) throw call.authorization.denial();
      if (request.headers.origin !== undefined && bucket !== undefined)
        applyCors(exchange, this.#service.objects, bucket);
    }
    this.#screenOwner(call);
    answerPayer(call);
    await step();
    try {
      await row.handle(this.#announcing(call));
    } catch (error) {
      throw concealed(call.authorization, bucketsOf(call), error);
    }
  }

  /** Lets a request in that may begin. @throws StoreError AccessDenied */
  #admit(call: S3Call, bucket: string | undefined): void | Promise<void> {
    const begun = mayBegin(call);
    if (begun === true) return undefined;
    return this.#admitLater(call, bucket, begun);
  }

  async #admitLater(call: S3Call, bucket: string | undefined, begun: false | Promise<boolean>): Promise<void> {
    if (await begun) return;
    if (this.#options.shared) {
      // What allows it may be newer than what was known here.
      screenConsistency(call.headers);
      await this.#fresh(call, bucket);
      if (await mayBegin(call)) return;
    }
    throw call.authorization.denial();
  }

  /** The call, with an object service that announces what it changes where the bucket wants that. */
  #announcing(call: S3Call): S3Call {
    const { objects, notifications } = this.#service;
    const announcing = announcingService(objects, notifications, {
      operation: call.operation,
      bucket: call.bucket,
      requestId: call.exchange.id,
      hostId: this.#hostId,
      principal: principalText(call.principal),
      address: call.exchange.request.socket.remoteAddress,
      region: this.#service.region,
    });
    return announcing === objects ? call : { ...call, service: { ...this.#service, objects: announcing } };
  }

  #screen(call: S3Call): void {
    if (!isBucketName(call.bucket)) throw new StoreError('InvalidBucketName');
    screenKey(call.key);
    screenConsistency(call.headers);
    if (this.#service.objects.plain && header(call, 'x-amz-server-side-encryption') !== undefined) {
      const what = 'Encryption by a server that was started with --encryption off';
      throw notImplemented(what, { Header: 'x-amz-server-side-encryption' });
    }
  }

  /** Nobody signs it, so it is answered before anybody is asked who he is; as fresh as everything else is. */
  async #preflight(exchange: Exchange, target: Target): Promise<void> {
    const { bucket = '', key } = target;
    // Its level is the bucket's: pages cannot say anything in such a question.
    await this.#fresh({ headers: {}, key }, bucket);
    const { objects } = this.#service;
    optionsObject({ exchange, hostId: this.#hostId, objects, bucket, isObject: key.length > 0 });
  }

  /** Undefined when this server is as fresh as the request asks for. */
  #fresh(call: Pick<S3Call, 'headers' | 'key'>, bucket: string | undefined): Promise<void> | undefined {
    const { position, shared, shards = 1 } = this.#options;
    if (!position) return undefined;
    const level = header(call, 'x-dsom-consistency') as Consistency | undefined;
    // A copy reads another key, maybe of another bucket.
    const copies = header(call, 'x-amz-copy-source') !== undefined;
    const key = copies || call.key.length === 0 ? undefined : call.key;
    return fresh({ position, shared, shards }, level, header(call, 'x-dsom-token'), { bucket, key, wide: copies });
  }

  #screenOwner(call: S3Call): void {
    const owner = header(call, 'x-amz-expected-bucket-owner');
    if (
      owner !== undefined &&
      call.bucket !== '' &&
      call.operation !== 'CreateBucket' &&
      !isOwner(call.service.objects.bucket(call.bucket), owner)
    ) {
      throw new StoreError('AccessDenied');
    }
  }

  #fail(exchange: Exchange, target: Target | undefined, error: unknown): void {
    const known = error instanceof StoreError ? error : unexpected(error);
    this.#options.accessLog?.failed(exchange, known.code);
    if (known.http >= 500 && known.code !== 'NotImplemented') {
      this.#options.log.error('request failed', {
        operation: exchange.operation,
        requestId: exchange.id,
        code: known.code,
        error,
      });
    }
    answerError(known, {
      exchange,
      hostId: this.#hostId,
      rawPath: target?.rawPath,
      bucket: target?.bucket,
      key: target?.key,
      versionId: target?.query.get('versionId'),
      uploadId: target?.query.get('uploadId'),
    });
    if (error instanceof InvariantError) this.#fatal(error);
  }

  #fatal(error: InvariantError): void {
    const { fatal } = this.#options;
    if (fatal) fatal(error);
    else {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/**
 * The S3 protocol as a listener for `request` and `checkContinue` of a node:http server. Paths below `/-/` are DSOM's own and must
 * not be given to it.
 */
export function createS3Handler(options: S3Options): (request: IncomingMessage, response: ServerResponse) => void {
  const handler = new S3Handler(options);
  const { clock, timers, requestId, telemetry } = options;
  const exchangeOptions = {
    clock,
    timers,
    ended(exchange: Exchange, status: number, seconds: number, bytesIn: number, bytesOut: number) {
      telemetry?.(exchange.operation, status, seconds, bytesIn, bytesOut);
      options.accessLog?.ended(exchange, options.hostId ?? 'dsom', { status, seconds, in: bytesIn, out: bytesOut });
    },
  };
  return (request, response) => {
    void handler.serve(new Exchange(request, response, requestId(), exchangeOptions));
  };
}
