import {
  accountOf,
  authorize,
  firstAccount,
  type Identity,
  isFree,
  mayAtAll,
  type RequestContext,
  type ResourceRules,
  type SignedBy,
  unowned,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { bucketNamed, rulesOfBucket } from './bucket-rules.ts';
import type { S3Operation } from './names.ts';
import {
  about,
  type NamedObject,
  permissionsOf,
  type Question,
  questionsOf,
  type RequestFacts,
} from './permissions.ts';
import { requestContext } from './request-context.ts';
import { tagsOfHeader } from './tags.ts';

/** What is known of a request when it is asked what it may do. */
export interface AuthorizationRequest {
  readonly identity: Identity;
  readonly signature: SignedBy | undefined;
  /** What the conditions of policies take the request for, whatever is asked about it. */
  readonly operation: S3Operation;
  readonly exchange: Exchange;
  readonly nowMs: number;
  readonly region: string;
  /** Lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly parameter: (name: string) => string | undefined;
  readonly objects: ObjectService;
}

/** What a request may do. Every request of every protocol has one, and nothing is done that it was not asked about. */
export class Authorization {
  readonly identity: Identity;
  readonly #request: AuthorizationRequest;
  /** That something was asked: whoever answers a request without a question has forgotten one. */
  asked = false;

  constructor(request: AuthorizationRequest) {
    this.identity = request.identity;
    this.#request = request;
  }

  /** Whether all that the operation needs is allowed. An operation that needs nothing is nobody's. */
  allows(operation: S3Operation, facts: RequestFacts): boolean {
    this.asked = true;
    if (this.#free(operation, facts)) return true;
    const questions = questionsOf(operation, facts);
    return questions.length > 0 && questions.every((one) => this.#answer(operation, one, facts));
  }

  /** @throws StoreError AccessDenied */
  require(operation: S3Operation, facts: RequestFacts): void {
    if (!this.allows(operation, facts)) throw new StoreError('AccessDenied');
  }

  /** Whether a listing of buckets shows it: to its own account, as far as it may be listed; to the root of the account whatever its policy says. */
  sees({ name, owner }: BucketRecord): boolean {
    if (accountOf(owner) !== this.identity.account) return false;
    if (this.identity.standing.requester.kind === 'root') return true;
    return this.allows('HeadBucket', about(name));
  }

  /**
   * What is no operation of S3: the server's own settings, and those of a bucket that only it has.
   * @param action without `dsom:`
   * @param bucket undefined: the server itself, which is the first account's
   */
  allowsOwn(action: string, bucket: string | undefined): boolean {
    this.asked = true;
    const rules =
      bucket === undefined
        ? { account: firstAccount, policy: undefined }
        : rulesOfBucket(this.#request.objects, bucket);
    const resource = bucket === undefined ? 'arn:aws:dsom:::server' : `arn:aws:s3:::${bucket}`;
    const { identity } = this;
    const context = this.#context(undefined, rules, undefined);
    return authorize(identity, { action: `dsom:${action}`, resource, rules, context });
  }

  /** False when the operation is refused whatever its document names, so that the document need not be read. */
  mayAtAll(operation: S3Operation, bucket: string): boolean {
    const actions = permissionsOf(operation)
      .needs.filter((need) => need.cause === undefined)
      .flatMap((need) => [`s3:${need.action}`, `s3:${need.versionAction}`]);
    return mayAtAll(this.identity, actions, rulesOfBucket(this.#request.objects, bucket));
  }

  /** Whether only the identity has a say in what is done to a bucket, and everything is allowed to it: that is most of what a server does. */
  freeIn(operation: S3Operation, bucket: string): boolean {
    this.asked = true;
    return this.identity.unlimited && isFree(this.identity, this.#rules(operation, bucket));
  }

  #free(operation: S3Operation, { target, source, each }: RequestFacts): boolean {
    const free = ({ bucket }: NamedObject) => this.freeIn(operation, bucket);
    return free(target) && (source === undefined || free(source)) && each.every((one) => one.bucket === target.bucket);
  }

  #rules(operation: S3Operation, bucket: string): ResourceRules {
    // Whoever makes a bucket owns it. Whether the name is taken, and by whom, is for the operation to say.
    return bucket === '' || operation === 'CreateBucket' ? unowned : rulesOfBucket(this.#request.objects, bucket);
  }

  #answer(operation: S3Operation, { action, resource, named }: Question, { said }: RequestFacts): boolean {
    const rules = this.#rules(operation, named?.bucket ?? '');
    return authorize(this.identity, { action, resource, rules, context: this.#context(named, rules, said) });
  }

  #context(named: NamedObject | undefined, { account }: ResourceRules, said: RequestFacts['said']): RequestContext {
    const { identity, signature, operation, exchange, nowMs, region, header, parameter, objects } = this.#request;
    const { socket } = exchange.request;
    return requestContext({
      operation,
      standing: identity.standing,
      connection: {
        address: socket.remoteAddress,
        tls: 'getProtocol' in socket && typeof socket.getProtocol === 'function' ? socket.getProtocol() : undefined,
        device: undefined,
      },
      nowMs,
      region,
      header: (name) => said?.headers.get(name) ?? header(name),
      parameter,
      signature,
      resourceAccount: account ?? identity.account,
      versionId: named?.versionId,
      requestTags: () => new Map(said?.tags ?? tagsOfHeader(header('x-amz-tagging'))),
      objectTags: () => new Map(),
      bucketTags: () => new Map(named === undefined ? [] : bucketNamed(objects, named.bucket)?.tags),
      locationConstraint: undefined,
    });
  }
}
