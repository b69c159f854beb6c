import { accountOf, canonicalIdOf, type Principal, type Target } from '../../access/index.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { AccessDelivery, type AccessDeliveryOptions, type AccessTotals } from './access-delivery.ts';
import { accessLine } from './access-record.ts';
import { principalText } from './announce.ts';
import { bucketNamed } from './bucket-rules.ts';
import { ParsedConfigurations } from './configurations/form.ts';
import { type Logging, loggingForm } from './configurations/logging.ts';
import type { S3Operation } from './names.ts';

/* Which requests are written into access logs, and what is noted of each on its way. A bucket that is not logged costs one look-up. */

/** A user or session by its ARN; a key that is its own scope by its id. */
function requesterText(principal: Principal): string {
  const requester = principal.kind === 'identity' ? principal.identity.standing.requester : undefined;
  return requester !== undefined && 'arn' in requester ? requester.arn : principalText(principal);
}

/** What is noted of a request. */
export interface AccessNote {
  readonly bucket: Pick<BucketRecord, 'name' | 'owner'>;
  readonly logging: Logging;
  readonly target: Target;
  readonly timeMs: number;
  operation: S3Operation | undefined;
  principal: Principal | undefined;
  errorCode: string | undefined;
}

const sizeOf = (headers: readonly string[], name: string): number | undefined => {
  const text = textOf(headers, name);
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
};

/** Value of a header in a flat list; names as they were written. */
function textOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2)
    if ((headers[at] as string).toLowerCase() === name) return headers[at + 1];
  return undefined;
}

/** Operations whose records say how large the object is. */
const sized: ReadonlySet<string> = new Set(['GetObject', 'HeadObject', 'PutObject', 'UploadPart', 'PostObject']);

export class AccessLog {
  readonly #objects: ObjectService;
  readonly #options: AccessDeliveryOptions;
  readonly #delivery: AccessDelivery;
  readonly #kept = new ParsedConfigurations(loggingForm);
  readonly #noted = new WeakMap<Exchange, AccessNote>();

  constructor(options: AccessDeliveryOptions) {
    this.#objects = options.objects;
    this.#options = options;
    this.#delivery = new AccessDelivery(options);
  }

  totals(): AccessTotals {
    return this.#delivery.totals();
  }

  /** Notes a request, before anything of it is refused; undefined: its bucket is not logged, or there is none. */
  begin(exchange: Exchange, target: Target): AccessNote | undefined {
    if (target.bucket === undefined) return undefined;
    const bucket = bucketNamed(this.#objects, target.bucket);
    const document = bucket && this.#objects.configuration(target.bucket, 'logging');
    const logging = document && this.#kept.of(target.bucket, document);
    if (!bucket || !logging) return undefined;
    const note: AccessNote = {
      bucket,
      logging,
      target,
      timeMs: this.#options.host.clock.now(),
      operation: undefined,
      principal: undefined,
      errorCode: undefined,
    };
    this.#noted.set(exchange, note);
    return note;
  }

  /** Who sent a form, once it was read. */
  signed(exchange: Exchange, principal: Principal): void {
    const note = this.#noted.get(exchange);
    if (note) note.principal = principal;
  }

  failed(exchange: Exchange, code: string): void {
    const note = this.#noted.get(exchange);
    if (note) note.errorCode = code;
  }

  /** Writes the line of a request whose answer has gone. */
  ended(
    exchange: Exchange,
    hostId: string,
    answer: { status: number; seconds: number; in: number; out: number },
  ): void {
    const note = this.#noted.get(exchange);
    if (!note) return;
    this.#noted.delete(exchange);
    const { request, answered } = exchange;
    const { socket } = request;
    const { principal, operation, target } = note;
    const known = principal !== undefined && principal.kind !== 'anonymous';
    const reads = operation === 'GetObject' || operation === 'HeadObject';
    const range = textOf(answered, 'content-range')?.split('/')[1];
    const whole = range === undefined ? sizeOf(answered, 'content-length') : Number(range);
    const line = accessLine({
      bucketOwner: canonicalIdOf(accountOf(note.bucket.owner)),
      bucket: note.bucket.name,
      timeMs: note.timeMs,
      address: socket.remoteAddress,
      requester: known ? requesterText(principal) : undefined,
      requestId: exchange.id,
      operation,
      method: request.method ?? 'GET',
      key: target.key,
      target: request.url ?? '/',
      httpVersion: request.httpVersion,
      status: answer.status,
      errorCode: note.errorCode,
      bytesSent: answer.out,
      objectSize:
        note.errorCode === undefined && operation !== undefined && sized.has(operation)
          ? reads
            ? whole
            : answer.in
          : undefined,
      totalMs: answer.seconds * 1000,
      turnAroundMs: exchange.turnAroundMs,
      referer: request.headers.referer,
      userAgent: request.headers['user-agent'],
      versionId: target.query.get('versionId') ?? textOf(answered, 'x-amz-version-id'),
      hostId,
      authentication: known ? (target.query.has('X-Amz-Signature') ? 'QueryString' : 'AuthHeader') : undefined,
      hostHeader: request.headers.host,
      region: this.#options.region,
    });
    this.#delivery.add(note.bucket, note.logging, line);
  }

  /** Delivers what has gathered. */
  flush(): Promise<void> {
    return this.#delivery.flush();
  }

  /** Delivers what is left. */
  close(): Promise<void> {
    return this.#delivery.close();
  }
}
