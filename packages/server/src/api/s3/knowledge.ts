import type { Identity, SignedBy, Standing } from '../../access/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Connection } from '../http/connection.ts';
import type { Exchange } from '../http/exchange.ts';
import { bucketNamed } from './bucket-rules.ts';
import type { S3Operation } from './names.ts';
import type { NamedObject, RequestFacts } from './permissions.ts';
import type { RequestKnowledge } from './request-context.ts';
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

/** What one question is about. */
interface Asked {
  /** undefined: nothing that has a name. */
  readonly named: NamedObject | undefined;
  readonly said: RequestFacts['said'];
  /** Of the object version, as it was found; undefined: none were looked up. */
  readonly tags: Iterable<readonly [string, string]> | undefined;
  /** Account that owns the resource. */
  readonly resourceAccount: string | undefined;
}

/**
 * What a request of S3 tells to conditions about one question. Every question has one and few conditions ask, so nothing is worked out, or put
 * together, before it is asked for.
 */
export class Knowledge implements RequestKnowledge {
  readonly operation: S3Operation;
  readonly #request: AuthorizationRequest;
  readonly #asked: Asked;

  constructor(request: AuthorizationRequest, operation: S3Operation, asked: Asked) {
    this.operation = operation;
    this.#request = request;
    this.#asked = asked;
  }

  get standing(): Standing {
    return this.#request.identity.standing;
  }

  get connection(): Connection {
    return this.#request.exchange.connection;
  }

  get nowMs(): number {
    return this.#request.nowMs;
  }

  get region(): string {
    return this.#request.region;
  }

  get signature(): SignedBy | undefined {
    return this.#request.signature;
  }

  get resourceAccount(): string | undefined {
    return this.#asked.resourceAccount;
  }

  get versionId(): string | undefined {
    return this.#asked.named?.versionId;
  }

  get locationConstraint(): string | undefined {
    return this.#asked.said?.location;
  }

  header(name: string): string | undefined {
    return this.#asked.said?.headers?.get(name) ?? this.#request.header(name);
  }

  parameter(name: string): string | undefined {
    return this.#request.parameter(name);
  }

  requestTags(): ReadonlyMap<string, string> {
    return new Map(this.#asked.said?.tags ?? tagsOfHeader(this.#request.header('x-amz-tagging')));
  }

  objectTags(): ReadonlyMap<string, string> {
    return new Map(this.#asked.tags ?? []);
  }

  bucketTags(): ReadonlyMap<string, string> {
    const { named } = this.#asked;
    return new Map(named === undefined ? [] : bucketNamed(this.#request.objects, named.bucket)?.tags);
  }
}
