import { accountOf, canonicalIdOf, type Principal, type Target } from '../../access/index.ts';
import { type ErrorCode, StoreError } from '../../errors.ts';
import type { BucketRecord, DeleteResult } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { AccessDelivery, type AccessDeliveryOptions, type AccessTotals } from './access-delivery.ts';
import { type AccessRecord, accessLine, requestOperation } from './access-record.ts';
import { bucketNamed } from './bucket-rules.ts';
import { ParsedConfigurations } from './configurations/form.ts';
import { type Logging, loggingForm } from './configurations/logging.ts';
import { parseCopySource } from './copy-source.ts';
import type { S3Operation } from './names.ts';

/* Which requests are written into access logs, and what is noted of each on its way. A bucket that is not logged costs one look-up. A copy is noted for its source's log too. */

/** A user or session by its ARN; a key that is its own scope by its id. */
function requesterText(principal: Principal): string {
  if (principal.kind === 'anonymous') return '-';
  if (principal.kind === 'key') return principal.key.id;
  const { requester } = principal.identity.standing;
  return 'arn' in requester ? requester.arn : principal.credentials.accessKeyId;
}

/** A bucket that is logged, and where to. */
export interface Logged {
  readonly bucket: Pick<BucketRecord, 'name' | 'owner'>;
  readonly logging: Logging;
}

/** Which buckets are logged. */
export class LoggedBuckets {
  readonly #objects: ObjectService;
  readonly #kept = new ParsedConfigurations(loggingForm);

  constructor(objects: ObjectService) {
    this.#objects = objects;
  }

  /** undefined: it is not logged, or there is none. */
  of(name: string): Logged | undefined {
    const bucket = bucketNamed(this.#objects, name);
    const document = bucket && this.#objects.configuration(name, 'logging');
    const logging = document && this.#kept.of(name, document);
    return bucket && logging ? { bucket, logging } : undefined;
  }
}

/** What is noted of a request. */
export interface AccessNote {
  /** Where its own line goes; absent: it is only one that reads what a logged bucket has. */
  readonly logged: Logged | undefined;
  /** What it copies, from a bucket that is logged. */
  readonly source: (Logged & { readonly key: Buffer; readonly versionId: string | undefined }) | undefined;
  readonly target: Target;
  readonly timeMs: number;
  /** Whether it was made of a website. */
  readonly website: boolean;
  operation: S3Operation | undefined;
  principal: Principal | undefined;
  errorCode: string | undefined;
  /** Size of what it copies, once that is known. */
  copied: number | undefined;
  /** Keys of a deletion of many. */
  deleted: readonly DeletedKey[];
}

/** What came of one key of a deletion of many. */
export interface DeletedKey {
  readonly key: Buffer;
  /** That was asked for. */
  readonly versionId: string | undefined;
  readonly errorCode: ErrorCode | undefined;
  readonly result: DeleteResult | undefined;
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

/** What a copy reads, where its header can be read; that it cannot is the operation's to say. */
function sourceOf(header: unknown): ReturnType<typeof parseCopySource> | undefined {
  if (typeof header !== 'string') return undefined;
  try {
    return parseCopySource(header);
  } catch {
    return undefined;
  }
}

/** Size of what a deletion has taken away. */
const sizeOfDeleted = (result: DeleteResult | undefined): number | undefined =>
  result?.version?.kind === 'object' ? result.version.size : undefined;

const copyReads: Partial<Record<S3Operation, string>> = {
  CopyObject: 'REST.COPY.OBJECT_GET',
  UploadPartCopy: 'REST.COPY.PART_GET',
};

export class AccessLog {
  readonly #options: AccessDeliveryOptions;
  readonly #delivery: AccessDelivery;
  readonly #buckets: LoggedBuckets;
  readonly #noted = new WeakMap<Exchange, AccessNote>();

  constructor(options: AccessDeliveryOptions) {
    this.#options = options;
    this.#delivery = new AccessDelivery(options);
    this.#buckets = new LoggedBuckets(options.objects);
  }

  totals(): AccessTotals {
    return this.#delivery.totals();
  }

  /**
   * Notes a request, before anything of it is refused; undefined: no bucket that it names is logged, or there is none.
   * @param copySource value of `x-amz-copy-source`, as it came
   */
  begin(exchange: Exchange, target: Target, copySource: unknown, website = false): AccessNote | undefined {
    if (target.bucket === undefined) return undefined;
    const logged = this.#buckets.of(target.bucket);
    const named = sourceOf(copySource);
    const from = named && this.#buckets.of(named.bucket);
    if (!logged && !from) return undefined;
    const note: AccessNote = {
      logged,
      source: from && { ...from, key: named.key, versionId: named.versionId },
      target,
      timeMs: this.#options.host.clock.now(),
      website,
      operation: undefined,
      principal: undefined,
      errorCode: undefined,
      copied: undefined,
      deleted: [],
    };
    this.#noted.set(exchange, note);
    return note;
  }

  /** Who sent a form, once it was read. */
  signed(exchange: Exchange, principal: Principal): void {
    const note = this.#noted.get(exchange);
    if (note) note.principal = principal;
  }

  /** How large that is which a request copies. */
  copied(exchange: Exchange, size: number): void {
    const note = this.#noted.get(exchange);
    if (note) note.copied = size;
  }

  /** What came of the keys of a deletion of many: each has a line of its own. */
  deleted(exchange: Exchange, keys: readonly DeletedKey[]): void {
    const note = this.#noted.get(exchange);
    if (note) note.deleted = keys;
  }

  failed(exchange: Exchange, code: string): void {
    const note = this.#noted.get(exchange);
    if (note) note.errorCode = code;
  }

  /** Writes the lines of a request whose answer has gone. */
  ended(
    exchange: Exchange,
    hostId: string,
    answer: { status: number; seconds: number; in: number; out: number },
  ): void {
    const note = this.#noted.get(exchange);
    if (!note) return;
    this.#noted.delete(exchange);
    const { request, answered } = exchange;
    const { connection } = exchange;
    const { principal, operation, target, errorCode, source } = note;
    const known = principal !== undefined && principal.kind !== 'anonymous';
    const reads = operation === 'GetObject' || operation === 'HeadObject';
    const range = textOf(answered, 'content-range')?.split('/')[1];
    const whole = range === undefined ? sizeOf(answered, 'content-length') : Number(range);
    const method = request.method ?? 'GET';
    /** What all lines of a request have in common. */
    const common = {
      timeMs: note.timeMs,
      address: connection.address,
      cipher: connection.cipher,
      tls: connection.tls,
      requester: known ? requesterText(principal) : undefined,
      requestId: exchange.id,
      hostId,
      authentication: known
        ? target.query.has('X-Amz-Signature')
          ? ('QueryString' as const)
          : ('AuthHeader' as const)
        : undefined,
      hostHeader: request.headers.host,
      region: this.#options.region,
      bytesSent: 0,
    };
    const named = requestOperation(operation, method);
    this.#line(note.logged, {
      ...common,
      operation: note.website ? named.replace('REST.', 'WEBSITE.') : named,
      key: target.key,
      request: {
        line: `${method} ${request.url ?? '/'} HTTP/${request.httpVersion}`,
        referer: request.headers.referer,
        userAgent: request.headers['user-agent'],
      },
      status: answer.status,
      errorCode,
      bytesSent: answer.out,
      objectSize:
        errorCode === undefined && operation !== undefined && sized.has(operation)
          ? reads
            ? whole
            : answer.in
          : undefined,
      totalMs: answer.seconds * 1000,
      turnAroundMs: exchange.turnAroundMs,
      versionId: target.query.get('versionId') ?? textOf(answered, 'x-amz-version-id'),
    });
    for (const { key, versionId, errorCode: code, result } of note.deleted)
      this.#line(note.logged, {
        ...common,
        operation: 'BATCH.DELETE.OBJECT',
        key,
        status: code === undefined ? 204 : new StoreError(code).http,
        errorCode: code,
        objectSize: sizeOfDeleted(result),
        versionId,
      });
    const copyRead = operation && copyReads[operation];
    if (source && copyRead)
      this.#line(source, {
        ...common,
        operation: copyRead,
        key: source.key,
        status: answer.status,
        errorCode,
        objectSize: note.copied,
        versionId: source.versionId ?? textOf(answered, 'x-amz-copy-source-version-id'),
      });
  }

  #line(logged: Logged | undefined, record: Omit<AccessRecord, 'bucketOwner' | 'bucket'>): void {
    if (!logged) return;
    const { bucket, logging } = logged;
    const bucketOwner = canonicalIdOf(accountOf(bucket.owner));
    this.#delivery.add(bucket, logging, accessLine({ ...record, bucketOwner, bucket: bucket.name }));
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
