import {
  type Attempt,
  accountOf,
  asksFor,
  authorize,
  firstAccount,
  granted,
  type Identity,
  isFree,
  isUndenied,
  mayAtAll,
  type Reason,
  type RequestContext,
  type ResourceRules,
  reasons,
  unowned,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { BucketRecord, ObjectVersion } from '../../metadata/index.ts';
import { countingGrants, rulesOfBucket } from './bucket-rules.ts';
import { type AuthorizationRequest, Knowledge } from './knowledge.ts';
import type { S3Operation } from './names.ts';
import {
  about,
  actionOf,
  type NamedObject,
  permissionsOf,
  type Question,
  questionsOf,
  type RequestFacts,
  resourceOf,
} from './permissions.ts';
import { requestContext } from './request-context.ts';

type Allowed = boolean | Promise<boolean>;

/** What was refused, and why: for the one who asked, when it is his own account's. */
interface Refusal {
  readonly action: string;
  readonly resource: string;
  readonly reason: Reason;
  readonly own: boolean;
}

const objectTags = 's3:existingobjecttag/';

/** Reads that find nothing say nothing. */
const absent: ReadonlySet<string> = new Set([
  'NoSuchKey',
  'NoSuchVersion',
  'NoSuchBucket',
  'MethodNotAllowed',
  'InvalidArgument',
]);

/** Writes of an object that is not there yet, or of what takes its place: the bucket is what they are done to. */
const writes: ReadonlySet<S3Operation> = new Set<S3Operation>([
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateMultipartUpload',
  'PostObject',
  'PutObject',
  'RenameObject',
  'UploadPart',
  'UploadPartCopy',
]);
const ofBucket =
  /^s3:(?:PutObject|DeleteObject|DeleteObjectVersion|AbortMultipartUpload|ListMultipartUploadParts|BypassGovernanceRetention)$/;

/** Whether an action on a key is the bucket's to grant, and not the object's. */
const isOfBucket = (operation: S3Operation, action: string): boolean =>
  ofBucket.test(action) || (action === 's3:PutObjectAcl' && writes.has(operation));

const nameOf = ({ bucket, key, versionId }: NamedObject): string => `${bucket}\0${key}\0${versionId ?? ''}`;

/** What a request may do. Every request of every protocol has one, and nothing is done that it was not asked about. */
export class Authorization {
  readonly identity: Identity;
  readonly #request: AuthorizationRequest;
  /** Versions that conditions or lists may ask about, as they were found; null: there is none. */
  #versions: Map<string, ObjectVersion | null> | undefined;
  #refusal: Refusal | undefined;
  /** What was read of the bucket that was asked about last: several questions are about one. */
  #held: { readonly bucket: string; readonly rules: ResourceRules } | undefined;
  /** That something was asked: whoever answers a request without a question has forgotten one. */
  asked = false;

  constructor(request: AuthorizationRequest) {
    this.identity = request.identity;
    this.#request = request;
  }

  /** From now on by the newest state: what was read of a bucket is read again. */
  renew(): void {
    this.#held = undefined;
  }

  /** Whether it depended on objects as they were found. */
  get looked(): boolean {
    return this.#versions !== undefined;
  }

  /** Whether all that the operation needs is allowed. An operation that needs nothing is nobody's. A promise where the object itself counts. */
  allows(operation: S3Operation, facts: RequestFacts): Allowed {
    this.asked = true;
    if (this.identity.unlimited && (this.#free(operation, facts) || this.#undenied(operation, facts))) return true;
    const questions = questionsOf(operation, facts);
    for (const one of questions)
      if (this.#wantsVersion(operation, one)) return this.#allLater(operation, questions, facts);
    return this.#all(operation, questions, facts);
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
    return this.freeIn('HeadBucket', bucket) || this.#all('HeadBucket', questionsOf('HeadBucket', facts), facts);
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
    const context = this.#context('HeadBucket', undefined, rules, undefined, undefined);
    return this.#ask({ action: `dsom:${action}`, resource, rules, context });
  }

  /** False when the operation is refused whatever its document names, so that the document need not be read. */
  mayAtAll(operation: S3Operation, bucket: string): boolean {
    const rules = this.#rulesOf(bucket);
    return permissionsOf(operation).needs.every(
      ({ asked, versionAsked, target, cause }) =>
        // The source of a copy is in a bucket of its own.
        cause !== undefined || target === 'source' || mayAtAll(this.identity, [asked, versionAsked], rules),
    );
  }

  /** Whether only the identity has a say in what is done to a bucket, and everything is allowed to it: that is most of what a server does. */
  freeIn(operation: S3Operation, bucket: string): boolean {
    this.asked = true;
    return this.identity.unlimited && isFree(this.identity, this.#rules(operation, bucket));
  }

  /** Whether a policy may ask for one of these condition keys, in lower case; what ends with a slash is the beginning of many. */
  wants(bucket: string, ...keys: string[]): boolean {
    const rules = bucket === '' ? unowned : this.#rulesOf(bucket);
    return keys.some((key) => asksFor(this.identity, rules, key));
  }

  /** What conditions know of this request when such an operation is asked about on a bucket. */
  contextOf(operation: S3Operation, bucket: string): RequestContext {
    return this.#context(operation, about(bucket).target, this.#rules(operation, bucket), undefined, undefined);
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
    for (const { action, resource, named, tagged } of questions) {
      const rules = this.#rules(operation, named?.bucket ?? '');
      const version = tagged && named ? this.#versions?.get(nameOf(named)) : undefined;
      const context = this.#context(operation, named, rules, said, version?.tags);
      const attempt = { action, resource, rules, context };
      const list = rules.acls && named ? this.#list(operation, action, named, tagged, version) : undefined;
      if (!this.#ask(list ? { ...attempt, ...list } : attempt)) return false;
    }
    return questions.length > 0;
  }

  async #allLater(operation: S3Operation, questions: readonly Question[], facts: RequestFacts): Promise<boolean> {
    await this.#lookUp(questions.filter((one) => this.#wantsVersion(operation, one)));
    return this.#all(operation, questions, facts);
  }

  #ask(attempt: Attempt): boolean {
    const { allowed, reason } = authorize(this.identity, attempt);
    if (allowed) return true;
    const { action, resource, rules } = attempt;
    const own = rules.account === undefined || rules.account === this.identity.account;
    this.#refusal = { action, resource, reason, own };
    return false;
  }

  #free(operation: S3Operation, { target, source, each }: RequestFacts): boolean {
    const free = ({ bucket }: NamedObject) => this.freeIn(operation, bucket);
    return free(target) && (source === undefined || free(source)) && each.every((one) => one.bucket === target.bucket);
  }

  /**
   * Whether nothing of it is denied where only a Deny could keep the identity from it. Most of what is done in buckets with policies is that, so no lists are made. False decides
   * nothing.
   */
  #undenied(operation: S3Operation, { target, source, each, causes, said }: RequestFacts): boolean {
    const rules = this.#rules(operation, target.bucket);
    if (source !== undefined || each.length > 0 || rules.policy?.asksFor(objectTags)) return false;
    const context = this.#context(operation, target, rules, said, undefined);
    let needed = false;
    for (const one of permissionsOf(operation).needs) {
      if (one.cause !== undefined && !causes.has(one.cause)) continue;
      // Of an account, no policy of a bucket says anything; of a batch, each object is asked about.
      if (one.target !== 'object' && one.target !== 'bucket') return false;
      const action = actionOf(one, target);
      if (!isUndenied(this.identity, { action, resource: resourceOf(one, target), rules, context })) return false;
      needed = true;
    }
    return needed;
  }

  #rules(operation: S3Operation, bucket: string): ResourceRules {
    // Whoever makes a bucket owns it. Whether the name is taken, and by whom, is for the operation to say.
    return bucket === '' || operation === 'CreateBucket' ? unowned : this.#rulesOf(bucket);
  }

  #rulesOf(bucket: string): ResourceRules {
    if (this.#held?.bucket !== bucket) this.#held = { bucket, rules: rulesOfBucket(this.#request.objects, bucket) };
    return this.#held.rules;
  }

  /** What the access control list of a bucket or an object adds, where lists count. */
  #list(
    operation: S3Operation,
    action: string,
    named: NamedObject,
    tagged: boolean,
    version: ObjectVersion | null | undefined,
  ): Pick<Attempt, 'granted' | 'foreign'> {
    const { objects } = this.#request;
    const { bucket } = named;
    const listOf = (bytes: Buffer | undefined) => countingGrants(objects, bucket, bytes);
    if (!tagged || isOfBucket(operation, action)) {
      // Who may write an object may say what it grants.
      const asked = writes.has(operation) && action === 's3:PutObjectAcl' ? 's3:PutObject' : action;
      return { granted: granted(listOf(objects.configuration(bucket, 'acl')), 'bucket', asked, this.identity) };
    }
    if (!version) return {};
    const owner = accountOf(version.owner);
    const isForeign = owner !== accountOf(objects.bucket(bucket).owner);
    return {
      granted: granted(listOf(version.acl), 'object', action, this.identity),
      ...(isForeign && { foreign: owner }),
    };
  }

  #wantsVersion(operation: S3Operation, { named, tagged, action }: Question): boolean {
    if (!named || !tagged || this.#versions?.has(nameOf(named))) return false;
    if (this.#rules(operation, named.bucket).acls && !isOfBucket(operation, action)) return true;
    return permissionsOf(operation).existingTags && this.wants(named.bucket, objectTags);
  }

  /** Looks up what conditions and lists may ask for: before deciding, since a decision does not wait. */
  async #lookUp(questions: readonly Question[]): Promise<void> {
    this.#versions ??= new Map();
    for (const { named } of questions) {
      if (!named || this.#versions.has(nameOf(named))) continue;
      const { bucket, key, versionId } = named;
      this.#versions.set(nameOf(named), await this.#versionOf(bucket, Buffer.from(key, 'utf8'), versionId));
    }
  }

  async #versionOf(bucket: string, key: Buffer, versionId: string | undefined): Promise<ObjectVersion | null> {
    try {
      return this.#request.objects.look({ bucket, key, versionId }).version;
    } catch (error) {
      if (error instanceof StoreError && absent.has(error.code)) return null;
      throw error;
    }
  }

  /**
   * Asks once more when what was read is not what was decided about: an object may have been replaced in between by one that grants less.
   * @throws StoreError AccessDenied
   */
  async requireFor(operation: S3Operation, facts: RequestFacts, version: ObjectVersion): Promise<void> {
    const name = nameOf(facts.target);
    const decided = this.#versions?.get(name);
    if (decided === undefined || decided?.sequence === version.sequence) return;
    this.#versions?.set(name, version);
    await this.require(operation, facts);
  }

  #context(
    operation: S3Operation,
    named: NamedObject | undefined,
    { account }: ResourceRules,
    said: RequestFacts['said'],
    tags: ObjectVersion['tags'] | undefined,
  ): RequestContext {
    return requestContext(
      new Knowledge(this.#request, operation, {
        named,
        said,
        tags,
        resourceAccount: account ?? this.identity.account,
      }),
    );
  }
}
