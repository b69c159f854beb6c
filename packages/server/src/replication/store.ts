import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type SigningKeys, signedHeaders, unsignedPayload } from '../access/index.ts';
import { childOf, parseXml, textOf } from '../api/index.ts';
import { digestOf } from '../codec/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { RefusalError } from '../notifications/index.ts';

// An import would load the whole of `fetch` (docs/decisions/0009).
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/** Bytes that are sent as they come. */
export interface Streamed {
  readonly chunks: () => AsyncIterable<Uint8Array>;
  readonly length: number;
}

export interface StoreRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Empty: the store itself. */
  readonly bucket: string;
  readonly key?: Buffer;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | Streamed;
}

/** Headers with which a change holds only for what was seen of a key. */
export type Condition = Readonly<Record<string, string>>;

export interface StoreAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Codes that speak of this object, so that sending it again helps little. Everything else is a store in trouble, or one that is not set up yet. */
const ofObjects: ReadonlySet<string> = new Set([
  'EntityTooLarge',
  'EntityTooSmall',
  'InvalidArgument',
  'InvalidObjectName',
  'InvalidRedirectLocation',
  'InvalidRequest',
  'InvalidStorageClass',
  'InvalidTag',
  'KeyTooLongError',
  'MalformedXML',
  'MetadataTooLarge',
  'NotImplemented',
  'XMinioInvalidObjectName',
]);

/** The code of an error document; undefined: it is none. */
export function codeOf(text: string): string | undefined {
  try {
    const root = parseXml(Buffer.from(text, 'utf8'));
    return root.name === 'Error' ? textOf(root, 'Code')?.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with an answer. A RefusalError: with the object. */
export function failureOf(what: string, { status, text }: StoreAnswer): Error {
  const code = codeOf(text);
  const message = `${what} was answered with ${status}${code === undefined ? '' : ` ${code}`}`;
  if (code !== undefined && ofObjects.has(code)) return new RefusalError(message);
  if (code !== undefined && overtaken.has(code)) return new OvertakenError(message);
  if (status >= 300 && status < 400)
    return new Error(`${message}, which is not followed: define the target with the endpoint and region of the bucket`);
  if (code === 'SignatureDoesNotMatch' || code === 'InvalidAccessKeyId')
    return new Error(`${message}: its keys are not known there, define it anew with \`dsom replication target add\``);
  if (status === 403)
    return new Error(`${message}: its key must be allowed to list, read, write, tag and delete there`);
  return new Error(message);
}

function succeeded(what: string, answer: StoreAnswer): StoreAnswer {
  if (answer.status < 200 || answer.status > 299) throw failureOf(what, answer);
  return answer;
}

/** Somebody else has changed the key since it was looked at, or changes it now. */
export class OvertakenError extends Error {}

const overtaken: ReadonlySet<string> = new Set(['ConditionalRequestConflict', 'NoSuchKey', 'PreconditionFailed']);

/** A writer to another store, over plain S3: signature V4, path style, no redirects. */
export class ReplicaStore {
  readonly #endpoint: URL;
  readonly #keys: SigningKeys;
  readonly #host: Host;
  readonly #agent: InstanceType<typeof http.Agent>;
  readonly #closed = new AbortController();
  /** Whether it knows writes with conditions: until it has refused one, and taken it without. */
  #conditional = true;

  constructor(endpoint: string, keys: SigningKeys, host: Host) {
    this.#endpoint = new URL(endpoint);
    this.#keys = keys;
    this.#host = host;
    this.#agent = new (this.#secure ? https : http).Agent({ keepAlive: true, maxSockets: limits.noticesInFlight });
  }

  get #secure(): boolean {
    return this.#endpoint.protocol === 'https:';
  }

  /** Fires when it is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** @returns whatever the store says, an error too. @throws Error (rejects) when it says nothing, the body cannot be read, or this is closed */
  async send({ method, bucket, key, query = [], headers = {}, body }: StoreRequest): Promise<StoreAnswer> {
    const segments = [bucket, ...(key ? key.toString('utf8').split('/') : [])];
    const whole = Buffer.isBuffer(body) ? body : undefined;
    const streamed = body === undefined || Buffer.isBuffer(body) ? undefined : body;
    const payload = streamed ? unsignedPayload : whole && digestOf('SHA256', whole).toString('hex');
    const asked = { method, segments, query, headers: { ...headers, host: this.#endpoint.host }, payload };
    const signed = signedHeaders(asked, this.#keys, this.#host.clock.now());
    const { hostname, port } = this.#endpoint;
    const length = whole?.length ?? streamed?.length ?? (method === 'PUT' || method === 'POST' ? 0 : undefined);
    const answered = Promise.withResolvers<StoreAnswer>();
    const request = (this.#secure ? https : http).request({
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port,
      method,
      path: signed.path,
      headers: { ...signed.headers, ...(length !== undefined && { 'content-length': String(length) }) },
      agent: this.#agent,
      signal: this.#closed.signal,
      timeout: limits.replicaIdleMs,
    });
    request.once('timeout', () =>
      request.destroy(new Error(`nothing came from it for ${limits.replicaIdleMs / 1000} s`)),
    );
    request.once('error', answered.reject);
    request.once('response', (response) => void textOfAnswer(response).then(answered.resolve, answered.reject));
    if (streamed) void pump(streamed, request, answered.promise);
    else request.end(whole);
    try {
      return await answered.promise;
    } finally {
      // An answer may come before the body has gone out: what is left of it is not wanted.
      if (!request.writableFinished) request.destroy();
    }
  }

  /** What is to be answered with success. @param what of which a failure speaks @throws what {@link failureOf} makes of another answer, and what `send` throws */
  async done(what: string, request: StoreRequest): Promise<StoreAnswer> {
    return succeeded(what, await this.send(request));
  }

  /** A change that holds only where the key is as it was seen. Stores that know no such thing change it all the same. */
  async changed(condition: Condition, what: string, request: StoreRequest): Promise<StoreAnswer> {
    for (let wrong = 0; this.#conditional && wrong < 2; wrong++) {
      const answer = await this.send({ ...request, headers: { ...request.headers, ...condition } });
      if (answer.status === 501) break;
      // A radosgw 16 says so of every key that has versions. Twice: the key may have been changed and changed back.
      if (answer.status !== 412 || !(await this.#isStill(condition, request))) return succeeded(what, answer);
    }
    const answer = await this.done(what, request);
    this.#conditional = false;
    return answer;
  }

  /** Whether the store says that what a condition asks for is so. */
  async #isStill(condition: Condition, { bucket, key }: StoreRequest): Promise<boolean> {
    const etag = condition['if-match'];
    if (etag === undefined || key === undefined) return false;
    const { status, headers } = await this.send({ method: 'HEAD', bucket, key });
    return status === 200 && headers.etag === etag;
  }

  /** Ends what is under way, too. */
  close(): void {
    this.#closed.abort();
    this.#agent.destroy();
  }
}

/** Sends a body as fast as it is taken, until there is an answer. */
async function pump(
  body: Streamed,
  request: ReturnType<typeof http.request>,
  answered: Promise<unknown>,
): Promise<void> {
  let over = false;
  const end = answered
    .catch(() => {})
    .then(() => {
      over = true;
    });
  try {
    for await (const chunk of body.chunks()) {
      if (over) return;
      if (!request.write(chunk)) await Promise.race([new Promise((resolve) => request.once('drain', resolve)), end]);
    }
    request.end();
  } catch (cause) {
    request.destroy(cause as Error);
  }
}

async function textOfAnswer(response: IncomingMessage): Promise<StoreAnswer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > limits.replicaAnswerBytes) throw new Error('its answer does not end');
    pieces.push(piece);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(pieces).toString('utf8') };
}

/** The text of an element of an answer that has to be there. */
export function elementOf(what: string, answer: StoreAnswer, root: string, name: string): string {
  let found: string | undefined;
  try {
    const document = parseXml(Buffer.from(answer.text, 'utf8'));
    if (document.name === root && childOf(document, name)) found = textOf(document, name)?.trim();
  } catch (cause) {
    throw new Error(`the answer to ${what} cannot be read`, { cause });
  }
  // CompleteMultipartUpload may fail behind a status of success.
  if (!found) throw failureOf(what, answer);
  return found;
}
