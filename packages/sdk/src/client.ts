import { Tenants, Users } from './accounts.ts';
import { Admin } from './admin.ts';
import { Buckets } from './buckets.ts';
import { ByteBudget } from './budget.ts';
import type { ObjectInfo } from './description.ts';
import { type GetOptions, get, head, type ObjectBody, type ReadConditions } from './download.ts';
import { type Edges, platformEdges } from './edges.ts';
import { DsomError } from './error.ts';
import { Keys } from './keys.ts';
import { KmsKeys } from './kms.ts';
import { Limits } from './limits.ts';
import {
  everyEntry,
  type ListedObject,
  type ListedPrefix,
  type ListedVersion,
  type ListOptions,
  type ListPage,
  listPage,
  listVersionsPage,
} from './listing.ts';
import * as objects from './objects.ts';
import { type PresignOptions, presign } from './presign.ts';
import type { WriteConditions, WriteResult } from './put.ts';
import { Quotas } from './quotas.ts';
import { type CallOptions, Transport } from './request.ts';
import { type Consistency, TokenJar } from './session.ts';
import { Signer } from './sign.ts';
import type { Uploadable } from './source.ts';
import { put, type UploadOptions } from './upload.ts';
import * as uploads from './uploads.ts';

export interface ClientOptions {
  /** Scheme, host and port, for example `http://127.0.0.1:9000`. */
  readonly endpoint: string | URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** The region that the server expects in signatures. Default `us-east-1`. */
  readonly region?: string | undefined;
  readonly fetch?: Edges['fetch'] | undefined;
  /** Milliseconds that one try may take before the time for its bytes is added. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Tries per request, the first one included. Default 5. */
  readonly attempts?: number | undefined;
  /** Bound of the random wait before the second try; doubles with each try up to 20 s. Default 100 ms. */
  readonly retryBaseMs?: number | undefined;
  /** Bytes that all uploads of this client hold in memory together. Default 128 MiB. */
  readonly uploadMemory?: number | undefined;
  /** Whether signatures cover bodies. Default: where the connection is not encrypted. */
  readonly signPayload?: boolean | undefined;
  /** Clock, dice and timers, for tests. */
  readonly edges?: Partial<Edges> | undefined;
}

/** What clients of one endpoint share. */
interface Shared {
  readonly transport: Transport;
  readonly budget: ByteBudget;
}

function checkedEndpoint(endpoint: string | URL): URL {
  let url: URL | undefined;
  try {
    url = new URL(endpoint);
  } catch {
    // Told below.
  }
  if (!url || !/^https?:$/.test(url.protocol))
    throw new DsomError('InvalidArgument', {
      message: `The endpoint ${JSON.stringify(String(endpoint))} is not a URL such as http://127.0.0.1:9000.`,
    });
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new DsomError('InvalidArgument', {
      message: `The endpoint ${url.origin} must have no path, query or user: signatures cover the path.`,
    });
  return url;
}

function share(options: ClientOptions): Shared {
  const endpoint = checkedEndpoint(options.endpoint);
  if (!options.accessKeyId || !options.secretAccessKey)
    throw new DsomError('InvalidArgument', { message: 'accessKeyId and secretAccessKey are needed.' });
  const edges = { ...platformEdges, ...(options.fetch && { fetch: options.fetch }), ...options.edges };
  const transport = new Transport({
    endpoint,
    signer: new Signer(options, options.region ?? 'us-east-1'),
    edges,
    timeoutMs: options.timeoutMs ?? 30_000,
    attempts: Math.max(1, options.attempts ?? 5),
    retryBaseMs: options.retryBaseMs ?? 100,
    retryCapMs: 20_000,
    signPayload: options.signPayload ?? endpoint.protocol === 'http:',
  });
  return { transport, budget: new ByteBudget(options.uploadMemory ?? 128 * 1024 * 1024) };
}

/** Everything one can do with a DSOM store. Failures are {@link DsomError}s; an aborted call throws its signal's reason. */
export class DsomClient {
  readonly buckets: Buckets;
  readonly keys: Keys;
  readonly kms: KmsKeys;
  readonly tenants: Tenants;
  readonly limits: Limits;
  readonly users: Users;
  readonly quotas: Quotas;
  readonly admin: Admin;
  readonly #shared: Shared;

  /** @param shared for internal use: the parts that a session shares with its client */
  constructor(options: ClientOptions, shared: Shared = share(options)) {
    this.#shared = shared;
    this.buckets = new Buckets(shared.transport);
    this.keys = new Keys(shared.transport);
    this.kms = new KmsKeys(shared.transport);
    this.tenants = new Tenants(shared.transport);
    this.limits = new Limits(shared.transport);
    this.users = new Users(shared.transport);
    this.quotas = new Quotas(shared.transport);
    this.admin = new Admin(shared.transport);
  }

  get endpoint(): string {
    return this.#shared.transport.options.endpoint.origin;
  }

  /** Writes an object; in parallel parts when it is large. A stream is never held in memory as a whole. */
  put(bucket: string, key: string, body: Uploadable, options: UploadOptions = {}): Promise<WriteResult> {
    return put(this.#shared.transport, this.#shared.budget, bucket, key, body, options);
  }

  /** Opens an object. Take its bytes or cancel its body, or the connection stays occupied. */
  get(bucket: string, key: string, options: GetOptions = {}): Promise<ObjectBody> {
    return get(this.#shared.transport, bucket, key, options);
  }

  head(
    bucket: string,
    key: string,
    options: CallOptions & ReadConditions & { readonly versionId?: string | undefined } = {},
  ): Promise<ObjectInfo> {
    return head(this.#shared.transport, bucket, key, options);
  }

  /** Deletes an object or one version of it. That it is not there is no error. */
  delete(bucket: string, key: string, options: objects.DeleteOptions = {}): Promise<objects.DeleteResult> {
    return objects.deleteObject(this.#shared.transport, bucket, key, options);
  }

  /** Deletes any number of objects or versions, 1,000 a request; answers those that could not be deleted. */
  async deleteMany(
    bucket: string,
    items: Iterable<objects.DeleteItem | string> | AsyncIterable<objects.DeleteItem | string>,
    options: objects.BypassOptions = {},
  ): Promise<objects.DeleteFailure[]> {
    const failures: objects.DeleteFailure[] = [];
    let batch: objects.DeleteItem[] = [];
    const send = async () => {
      if (batch.length > 0)
        failures.push(...(await objects.deleteMany(this.#shared.transport, bucket, batch, options)));
      batch = [];
    };
    for await (const item of items) {
      batch.push(typeof item === 'string' ? { key: item } : item);
      if (batch.length === objects.deleteManyMax) await send();
    }
    await send();
    return failures;
  }

  copy(
    source: objects.CopySource,
    bucket: string,
    key: string,
    options: objects.CopyOptions = {},
  ): Promise<ObjectInfo> {
    return objects.copy(this.#shared.transport, source, bucket, key, options);
  }

  append(
    bucket: string,
    key: string,
    bytes: Uint8Array | string,
    options: objects.AppendOptions = {},
  ): Promise<ObjectInfo> {
    return objects.append(this.#shared.transport, bucket, key, bytes, options);
  }

  /** Sets or removes (null) metadata, HTTP fields or tags, and leaves the bytes alone. */
  patch(
    bucket: string,
    key: string,
    request: objects.PatchRequest,
    options: objects.VersionOptions & WriteConditions = {},
  ): Promise<ObjectInfo> {
    return objects.patch(this.#shared.transport, bucket, key, request, options);
  }

  /** Sets metadata entries; null removes one. */
  patchMetadata(
    bucket: string,
    key: string,
    metadata: Readonly<Record<string, string | null>>,
    options: objects.VersionOptions = {},
  ): Promise<ObjectInfo> {
    return this.patch(bucket, key, { metadata }, options);
  }

  tags(bucket: string, key: string, options: objects.VersionOptions = {}): Promise<Record<string, string>> {
    return objects.getTags(this.#shared.transport, bucket, key, options);
  }

  setTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
    options: objects.VersionOptions = {},
  ): Promise<void> {
    return objects.setTags(this.#shared.transport, bucket, key, tags, options);
  }

  /** All objects (and, with a delimiter, prefixes) in the order of their keys. */
  list(bucket: string, options: ListOptions = {}): AsyncGenerator<ListedObject | ListedPrefix> {
    return everyEntry((from) => this.listPage(bucket, options, from));
  }

  /** One page; `from` is the `next` of the page before. */
  listPage(bucket: string, options: ListOptions = {}, from?: string): Promise<ListPage<ListedObject>> {
    return listPage(this.#shared.transport, bucket, options, from);
  }

  /** All versions and delete markers: keys in order, newest first. */
  versions(bucket: string, options: ListOptions = {}): AsyncGenerator<ListedVersion | ListedPrefix> {
    return everyEntry((from) => this.versionsPage(bucket, options, from));
  }

  versionsPage(bucket: string, options: ListOptions = {}, from?: string): Promise<ListPage<ListedVersion>> {
    return listVersionsPage(this.#shared.transport, bucket, options, from);
  }

  /** Multipart uploads that were neither completed nor aborted. */
  uploads(bucket: string, options: uploads.ListUploadsOptions = {}): AsyncGenerator<uploads.UploadInfo> {
    return uploads.listUploads(this.#shared.transport, bucket, options);
  }

  uploadParts(upload: uploads.UploadName, options: CallOptions = {}): Promise<uploads.PartInfo[]> {
    return uploads.listParts(this.#shared.transport, upload, options);
  }

  abortUpload(upload: uploads.UploadName, options: CallOptions = {}): Promise<void> {
    return uploads.abortUpload(this.#shared.transport, upload, options);
  }

  presignGet(bucket: string, key: string, options: PresignOptions = {}): Promise<string> {
    return presign(this.#shared.transport, 'GET', bucket, key, options);
  }

  presignPut(bucket: string, key: string, options: PresignOptions = {}): Promise<string> {
    return presign(this.#shared.transport, 'PUT', bucket, key, options);
  }

  byGuk(guk: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return objects.byGuk(this.#shared.transport, guk, options);
  }

  /** A client that sees its own writes and never goes back in time, whichever replica answers. */
  session(
    options: { readonly consistency?: Consistency | undefined; readonly tokens?: string | undefined } = {},
  ): DsomSession {
    return new DsomSession(this.#shared, options.consistency ?? 'causal', options.tokens);
  }
}

/** A {@link DsomClient} that carries consistency tokens from answer to request. */
export class DsomSession extends DsomClient {
  readonly #jar: TokenJar;

  constructor(shared: Shared, consistency: Consistency, tokens: string | undefined) {
    const jar = new TokenJar(consistency, tokens === undefined || tokens === '' ? [] : tokens.split(','));
    const { endpoint } = shared.transport.options;
    super({ endpoint, accessKeyId: '', secretAccessKey: '' }, { ...shared, transport: shared.transport.withJar(jar) });
    this.#jar = jar;
  }

  /** What the session has seen, to go on elsewhere: `client.session({ tokens })`. */
  get tokens(): string {
    return this.#jar.toString();
  }
}
