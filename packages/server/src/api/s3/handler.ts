import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import {
  type CredentialKind,
  type Identity,
  identityOf,
  parseTarget,
  parseWebsiteTarget,
  type SignedBy,
  type Target,
  websiteBucket,
} from '../../access/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { InvariantError, invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { authenticated, confirmed } from '../http/authentication.ts';
import { Cohort, originOf, step } from '../http/cohort.ts';
import { type Consistency, fresh } from '../http/consistency.ts';
import { Exchange } from '../http/exchange.ts';
import { announcingService, principalText, writingService } from './announce.ts';
import { arrive } from './arrival.ts';
import { Authorization } from './authorization.ts';
import { checkOwner, ownerIn } from './bucket-rules.ts';
import { header, type S3Call, type S3Service } from './call.ts';
import { applyCors } from './cors.ts';
import { type Detected, detect } from './detect.ts';
import { answerError, invalidArgument, notImplemented } from './failure.ts';
import type { S3Operation } from './names.ts';
import { optionsObject } from './operations/options-object.ts';
import { formBoundary } from './operations/post-object.ts';
import { operations } from './operations.ts';
import type { S3Options } from './options.ts';
import { answerPayer } from './payer.ts';
import { bucketsOf, concealed, mayBegin } from './permission.ts';
import { replicaHeader } from './permissions.ts';
import { withParameters } from './presigned.ts';
import { screenCall, screenConsistency, screenRepeated } from './screen.ts';
import { answerPage } from './website/page.ts';
import { readersHeaders, serveWebsite } from './website/serve.ts';

const accepted: readonly CredentialKind[] = ['anonymous', 'header', 'query'];
const unsigned: readonly CredentialKind[] = ['anonymous'];

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
      accessLog: options.accessLog,
      staleMs: options.shared?.staleMs,
      lifecycleDayMs: options.lifecycleDayMs ?? limits.dayMs,
      hostId: this.#hostId,
      customerKeysOverHttp: options.customerKeysOverHttp === true,
      signedBy: async (call, fields, headersOf) => {
        const { principal, signature } = await options.authenticator.authenticateForm(fields);
        options.accessLog?.signed(call.exchange, principal);
        await options.admission?.enter(call.exchange, principal);
        const headers = headersOf();
        const authorization = this.#authorizationOf(
          call.exchange,
          identityOf(principal),
          signature,
          headers,
          call.query,
        );
        const owner = this.#ownerOf(authorization, call.bucket);
        return this.#announcing({ ...call, service: this.#service, headers, principal, authorization, owner });
      },
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
    await this.#cohort.gathered(() => originOf(exchange));
    let target: Target | undefined;
    let answer = answerError;
    try {
      const { url = '/', headers, rawHeaders } = exchange.request;
      screenRepeated(rawHeaders);
      const { websites, baseDomains } = this.#options;
      const site = websites && websiteBucket(headers.host, websites);
      if (site !== undefined) {
        answer = answerPage;
        exchange.operation = 'Website';
        target = parseWebsiteTarget(url, headers.host, site);
        await this.#website(exchange, target);
      } else {
        target = parseTarget(url, headers.host, baseDomains);
        await this.#dispatch(exchange, target);
      }
    } catch (error) {
      await this.#fail(exchange, target, error, answer);
    }
  }

  /** Credentials are not looked at: whoever reads a website is nobody in particular. */
  async #website(exchange: Exchange, target: Target): Promise<void> {
    const { request } = exchange;
    const { bucket = '', key, query, rawPath } = target;
    this.#options.requestMetrics?.begin(exchange, target);
    const note = this.#options.accessLog?.begin(exchange, target, undefined, true);
    if (note) note.operation = 'GetObject';
    if (request.headers.origin !== undefined) applyCors(exchange, this.#service.objects, bucket);
    const principal = { kind: 'anonymous' } as const;
    await this.#options.admission?.enter(exchange, principal);
    const call: S3Call = {
      exchange,
      operation: 'GetObject',
      service: this.#service,
      headers: readersHeaders(request.headers),
      query,
      bucket,
      key,
      rawPath,
      principal,
      authorization: this.#authorizationOf(exchange, identityOf(principal), undefined, request.headers, query),
      owner: '',
      payload: { kind: 'none' },
    };
    await this.#fresh(call, bucket);
    await serveWebsite(call);
  }

  /** What nobody in particular makes is the bucket's owner's. */
  #ownerOf({ identity }: Authorization, bucket: string): string {
    return identity.owner ?? ownerIn(this.#service.objects, bucket, undefined);
  }

  #authorizationOf(
    exchange: Exchange,
    identity: Identity,
    signature: SignedBy | undefined,
    headers: IncomingHttpHeaders,
    query: Target['query'],
  ): Authorization {
    const { objects, clock, region } = this.#service;
    return new Authorization({
      identity,
      signature,
      exchange,
      nowMs: clock.now(),
      region,
      header: (name) => header({ headers }, name),
      parameter: (name) => query.get(name),
      objects,
    });
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
    this.#options.requestMetrics?.begin(exchange, target);
    const note = this.#options.accessLog?.begin(exchange, target, headers['x-amz-copy-source']);
    if (note && typeof detected === 'string') note.operation = detected;
    if (detected === 'OptionsObject') return this.#preflight(exchange, target);
    // Before anything can be refused: pages read refusals too.
    if (request.headers.origin !== undefined && target.bucket !== undefined)
      applyCors(exchange, this.#service.objects, target.bucket);
    // Before credentials: a signed request that is no form is told what is wrong with it.
    if (detected === 'PostObject') formBoundary(request.headers);
    const { rawPath, rawQuery } = target;
    const attempt = () =>
      this.#options.authenticator.authenticate(
        { method, rawPath, rawQuery, query, headers: request.headers, rawHeaders: request.rawHeaders },
        // A form says in its fields who signed it, and nowhere else.
        detected === 'PostObject' ? unsigned : accepted,
      );
    const { position, shared } = this.#options;
    const at = shared && position?.();
    const pending = position ? authenticated({ position, shared }, attempt) : attempt();
    const known = pending instanceof Promise ? await pending : pending;
    const { principal, payload, signature } = known;
    if (note) note.principal = principal;
    const entering = this.#options.admission?.enter(exchange, principal);
    if (entering) await entering;
    if (principal.kind === 'anonymous' && typeof detected !== 'string') throw new StoreError('AccessDenied');
    const operation = operationOf(detected, method);
    const row = operations.get(operation);
    invariant(row, 'every operation that is detected has a row');
    const { bucket } = target;
    const authorizationOf = (identity: Identity) =>
      this.#authorizationOf(exchange, identity, signature, headers, query);
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
      owner: this.#ownerOf(authorization, bucket ?? ''),
      payload,
    };
    const admitted = this.#admit(call, bucket);
    if (admitted instanceof Promise) await admitted;
    if (!row.handle) throw notImplemented(operation, { Operation: operation });
    if (bucket !== undefined) screenCall(call);
    const ready = this.#fresh(call, bucket);
    if (ready) {
      await ready;
      // What was known before, also of who asks, may have been older than what the request must see.
      const now = await confirmed(position, at, known, attempt);
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
      const arriving = arrive(call);
      if (arriving) await arriving;
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

  /** The call, with an object service that announces what it changes where the bucket wants that, and counts it for who asks where he has a quota. */
  #announcing(call: S3Call): S3Call {
    const { notifications } = this.#service;
    const objects = writingService(this.#service.objects, call.exchange.request.method, call.authorization.identity);
    const { operation, bucket } = call;
    const replica = header(call, replicaHeader)?.toLowerCase() === 'true';
    const announcing = announcingService(objects, notifications, { operation, bucket, replica }, () => ({
      requestId: call.exchange.id,
      hostId: this.#hostId,
      principal: principalText(call.principal),
      address: call.exchange.connection.address,
      region: this.#service.region,
    }));
    return announcing === this.#service.objects
      ? call
      : { ...call, service: { ...this.#service, objects: announcing } };
  }

  /** Nobody signs it, so it is answered before anybody is asked who he is; as fresh as everything else is. */
  async #preflight(exchange: Exchange, target: Target): Promise<void> {
    await this.#options.admission?.enter(exchange, undefined);
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
    if (owner !== undefined && call.bucket !== '' && call.operation !== 'CreateBucket')
      checkOwner(call.service.objects.bucket(call.bucket), owner);
  }

  async #fail(
    exchange: Exchange,
    target: Target | undefined,
    error: unknown,
    answer: typeof answerError,
  ): Promise<void> {
    let known = error instanceof StoreError ? error : unexpected(error);
    if (this.#options.admission) known = await this.#options.admission.refuse(exchange, known);
    if (known.code === 'SlowDown') await exchange.dropShortBody();
    this.#options.accessLog?.failed(exchange, known.code);
    if (known.http >= 500 && known.code !== 'NotImplemented' && known.code !== 'SlowDown') {
      this.#options.log.error('request failed', {
        operation: exchange.operation,
        requestId: exchange.id,
        code: known.code,
        error,
      });
    } else exchange.refused(known);
    answer(known, {
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
  const { clock, timers, requestId, telemetry, proxies } = options;
  const exchangeOptions = {
    clock,
    timers,
    refusals: options.refusals,
    proxies,
    ended(exchange: Exchange, status: number, seconds: number, bytesIn: number, bytesOut: number) {
      telemetry?.(exchange.operation, status, seconds, bytesIn, bytesOut);
      options.requestMetrics?.ended(exchange, { status, in: bytesIn, out: bytesOut });
      if (exchange.admitted) options.tenants?.finished(exchange.admitted.tenant, bytesIn, bytesOut);
      options.accessLog?.ended(exchange, options.hostId ?? 'dsom', { status, seconds, in: bytesIn, out: bytesOut });
    },
  };
  return (request, response) => {
    void handler.serve(new Exchange(request, response, requestId(), exchangeOptions));
  };
}
