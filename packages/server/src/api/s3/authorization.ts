import { TLSSocket } from 'node:tls';
import {
  accountOf,
  authorize,
  type CompiledPolicy,
  firstAccount,
  type Identity,
  isFree,
  mayAtAll,
  type Reason,
  type RequestContext,
  type ResourceRules,
  reasons,
  type SignedBy,
  unowned,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { BucketRecord } from '../../metadata/index.ts';
import type { ObjectService, Tags } from '../../objects/index.ts';
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
  readonly exchange: Exchange;
  readonly nowMs: number;
  readonly region: string;
  /** Lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly parameter: (name: string) => string | undefined;
  readonly objects: ObjectService;
}

type Allowed = boolean | Promise<boolean>;

/** What was refused, and why: for the one who asked, when it is his own account's. */
interface Refusal {
  readonly action: string;
  readonly resource: string;
  readonly reason: Reason;
  readonly own: boolean;
}

const objectTags = 's3:existingobjecttag/';

/** Reads that find nothing have no tags. */
const absent: ReadonlySet<string> = new Set([
  'NoSuchKey',
  'NoSuchVersion',
  'NoSuchBucket',
  'MethodNotAllowed',
  'InvalidArgument',
]);

const nameOf = ({ bucket, key, versionId }: NamedObject): string => `${bucket}\0${key}\0${versionId ?? ''}`;

/** What a request may do. Every request of every protocol has one, and nothing is done that it was not asked about. */
export class Authorization {
  readonly identity: Identity;
  readonly #request: AuthorizationRequest;
  #tags: Map<string, Tags> | undefined;
  #refusal: Refusal | undefined;
  /** That something was asked: whoever answers a request without a question has forgotten one. */
  asked = false;

  constructor(request: AuthorizationRequest) {
    this.identity = request.identity;
    this.#request = request;
  }

  /** Whether all that the operation needs is allowed. An operation that needs nothing is nobody's. A promise where tags of an object count. */
  allows(operation: S3Operation, facts: RequestFacts): Allowed {
    this.asked = true;
    if (this.#free(operation, facts)) return true;
    const questions = questionsOf(operation, facts);
    const unknown = questions.filter((one) => this.#wantsTags(operation, one));
    if (unknown.length === 0) return this.#all(operation, questions, facts);
    return this.#readTags(unknown).then(() => this.#all(operation, questions, facts));
  }

  /** @throws StoreError AccessDenied */
  async require(operation: S3Operation, facts: RequestFacts): Promise<void> {
    if (!(await this.allows(operation, facts))) throw this.denial();
  }

  /** Whether a listing of buckets shows it: to its own account, as far as it may be listed; to the root of the account whatever its policy says. */
  sees({ name, owner }: BucketRecord): boolean {
    if (accountOf(owner) !== this.identity.account) return false;
    return this.identity.standing.requester.kind === 'root' || this.mayList(name);
  }

  /** Whether the keys of a bucket may be listed: who may not does not learn which there are. */
  mayList(bucket: string): boolean {
    const facts = about(bucket);
    return this.#free('HeadBucket', facts) || this.#all('HeadBucket', questionsOf('HeadBucket', facts), facts);
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
    return this.#ask(`dsom:${action}`, resource, rules, this.#context('HeadBucket', undefined, rules, undefined));
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

  /** Whether a policy may ask for one of these condition keys, in lower case; what ends with a slash is the beginning of many. */
  wants(bucket: string, ...keys: string[]): boolean {
    return this.#policies(bucket).some((policy) => {
      for (const key of policy.keys)
        if (keys.some((one) => (one.endsWith('/') ? key.startsWith(one) : key === one))) return true;
      return false;
    });
  }

  /** What conditions know of this request when such an operation is asked about on a bucket. */
  contextOf(operation: S3Operation, bucket: string): RequestContext {
    return this.#context(operation, about(bucket).target, this.#rules(operation, bucket), undefined);
  }

  /** The answer to who was refused: why, as far as it is his own account's matter (as AWS says it since 2024). */
  denial(): StoreError {
    const { requester } = this.identity.standing;
    if (!this.#refusal?.own || !('arn' in requester)) return new StoreError('AccessDenied');
    const { action, resource, reason } = this.#refusal;
    return new StoreError('AccessDenied', {
      message: `User: ${requester.arn} is not authorized to perform: ${action} on resource: "${resource}" because ${reasons[reason]}`,
    });
  }

  #all(operation: S3Operation, questions: readonly Question[], { said }: RequestFacts): boolean {
    return (
      questions.length > 0 &&
      questions.every(({ action, resource, named, tagged }) => {
        const rules = this.#rules(operation, named?.bucket ?? '');
        const tags = tagged && named ? this.#tags?.get(nameOf(named)) : undefined;
        return this.#ask(action, resource, rules, this.#context(operation, named, rules, said, tags));
      })
    );
  }

  #ask(action: string, resource: string, rules: ResourceRules, context: RequestContext): boolean {
    const { allowed, reason } = authorize(this.identity, { action, resource, rules, context });
    const own = rules.account === undefined || rules.account === this.identity.account;
    if (!allowed) this.#refusal = { action, resource, reason, own };
    return allowed;
  }

  #free(operation: S3Operation, { target, source, each }: RequestFacts): boolean {
    const free = ({ bucket }: NamedObject) => this.freeIn(operation, bucket);
    return free(target) && (source === undefined || free(source)) && each.every((one) => one.bucket === target.bucket);
  }

  #rules(operation: S3Operation, bucket: string): ResourceRules {
    // Whoever makes a bucket owns it. Whether the name is taken, and by whom, is for the operation to say.
    return bucket === '' || operation === 'CreateBucket' ? unowned : rulesOfBucket(this.#request.objects, bucket);
  }

  #policies(bucket: string): CompiledPolicy[] {
    const { identity, boundary, session = [] } = this.identity.policies;
    const { policy } = bucket === '' ? unowned : rulesOfBucket(this.#request.objects, bucket);
    return [...identity, ...session, ...(boundary ? [boundary] : []), ...(policy ? [policy] : [])];
  }

  #wantsTags(operation: S3Operation, { named, tagged }: Question): boolean {
    if (!named || !tagged || !permissionsOf(operation).keys.includes('s3:ExistingObjectTag/')) return false;
    return !this.#tags?.has(nameOf(named)) && this.wants(named.bucket, objectTags);
  }

  /** Looks up what conditions may ask for: before deciding, since a decision does not wait. */
  async #readTags(questions: readonly Question[]): Promise<void> {
    this.#tags ??= new Map();
    for (const { named } of questions) {
      if (!named || this.#tags.has(nameOf(named))) continue;
      const { bucket, key, versionId } = named;
      this.#tags.set(nameOf(named), await this.#tagsOf(bucket, Buffer.from(key, 'utf8'), versionId));
    }
  }

  async #tagsOf(bucket: string, key: Buffer, versionId: string | undefined): Promise<Tags> {
    try {
      return this.#request.objects.look({ bucket, key, versionId }).version.tags;
    } catch (error) {
      if (error instanceof StoreError && absent.has(error.code)) return [];
      throw error;
    }
  }

  #context(
    operation: S3Operation,
    named: NamedObject | undefined,
    { account }: ResourceRules,
    said: RequestFacts['said'],
    tags: Tags = [],
  ): RequestContext {
    const { identity, signature, exchange, nowMs, region, header, parameter, objects } = this.#request;
    const { socket } = exchange.request;
    return requestContext({
      operation,
      standing: identity.standing,
      connection: {
        address: socket.remoteAddress,
        tls: socket instanceof TLSSocket ? (socket.getProtocol() ?? undefined) : undefined,
        device: undefined,
      },
      nowMs,
      region,
      header: (name) => said?.headers?.get(name) ?? header(name),
      parameter,
      signature,
      resourceAccount: account ?? identity.account,
      versionId: named?.versionId,
      requestTags: () => new Map(said?.tags ?? tagsOfHeader(header('x-amz-tagging'))),
      objectTags: () => new Map(tags),
      bucketTags: () => new Map(named === undefined ? [] : bucketNamed(objects, named.bucket)?.tags),
      locationConstraint: said?.location,
    });
  }
}
