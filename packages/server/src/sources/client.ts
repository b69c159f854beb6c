import type { IncomingMessage } from 'node:http';
import { signedHeaders } from '../access/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Slice, Tags } from '../objects/index.ts';
import { guardedLookup } from './addresses.ts';
import { codeOf, pageOf, type SourcePage, tagsOf } from './documents.ts';
import { Places } from './places.ts';
import type { NewSource } from './settings.ts';

// An import would load the whole of `fetch` (docs/decisions/0009).
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

/** The headers of an object at its source, in lower case. */
export type SourceHeaders = Readonly<Record<string, string>>;

/** A body on its way from the source. */
export interface SourceBody {
  readonly chunks: AsyncIterable<Buffer>;
  /** Gives it up; after its end this does nothing. */
  close(): void;
}

interface Asked {
  readonly method: 'GET' | 'HEAD';
  readonly key?: Buffer;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answered {
  readonly status: number;
  readonly headers: SourceHeaders;
  readonly response: IncomingMessage;
  readonly leave: () => void;
}

const textHeaders = (response: IncomingMessage): SourceHeaders => {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers))
    if (value !== undefined) found[name] = Array.isArray(value) ? value.join(',') : value;
  return found;
};

/** What passes: tried again, and not said to be missing. */
const passing: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/**
 * A reader of one old store, over plain S3: signature V4, path style, no redirects. All that goes wrong there is ServiceUnavailable here, with why:
 * a source that does not answer as a store does must never look as if an object was missing.
 */
export class SourceClient {
  readonly #source: NewSource;
  readonly #host: Host;
  readonly #places: Places;
  readonly #endpoint: URL;
  readonly #agent: InstanceType<typeof http.Agent>;

  constructor(source: NewSource, host: Host) {
    this.#source = source;
    this.#host = host;
    this.#places = new Places(host.timers);
    this.#endpoint = new URL(source.endpoint);
    this.#agent = new (this.#secure ? https : http).Agent({ keepAlive: true, maxSockets: limits.sourceRequests });
  }

  get #secure(): boolean {
    return this.#endpoint.protocol === 'https:';
  }

  /** @returns undefined where there is none; what it says otherwise is for {@link describedSource} */
  async head(key: Buffer): Promise<SourceHeaders | undefined> {
    const headers = { 'x-amz-checksum-mode': 'ENABLED' };
    const { status, headers: found } = await this.#whole({ method: 'HEAD', key, headers });
    if (status >= 200 && status < 300) return found;
    if (status === 400)
      throw this.unavailable('it does not tell of the object (400): it may need the key of its customer (SSE-C)');
    if (status !== 404) throw this.#refused(status, '');
    // An answer to HEAD has no body that could say whether it is the object that is missing, or the bucket.
    const said = await this.#whole({ method: 'GET', key, headers: { range: 'bytes=0-0' } });
    if (said.status < 400) throw this.unavailable('the object came while it was looked for: try again');
    if (said.status === 404 && codeOf(said.text) === 'NoSuchKey') return undefined;
    throw this.#refused(said.status, said.text);
  }

  /** Size of its first part, and how many it has; undefined where the source does not tell. */
  async parts(key: Buffer): Promise<{ readonly first: number; readonly count: number } | undefined> {
    const { status, headers } = await this.#whole({ method: 'HEAD', key, query: [['partNumber', '1']] });
    const count = Number(headers['x-amz-mp-parts-count']);
    const first = Number(headers['content-length']);
    if (status < 200 || status > 299 || !(count > 0) || !Number.isSafeInteger(first)) return undefined;
    return { first, count };
  }

  async tags(key: Buffer): Promise<Tags> {
    const { status, text } = await this.#whole({ method: 'GET', key, query: [['tagging', '']] });
    // Of stores that have no tags.
    if (status === 405 || status === 501) return [];
    if (status !== 200) throw this.#refused(status, text);
    return this.#read(() => tagsOf(text));
  }

  /**
   * The bytes of an object that still has this ETag, as quoted in its header.
   * @param slice undefined: all of it
   */
  async open(key: Buffer, etag: string, slice: Slice | undefined): Promise<SourceBody> {
    const headers: Record<string, string> = { 'if-match': etag };
    if (slice) headers['range'] = `bytes=${slice.start}-${slice.end - 1}`;
    const answered = await this.#again({ method: 'GET', key, headers });
    const { status, response, leave } = answered;
    const close = (): void => {
      leave();
      response.destroy();
    };
    const wanted = slice ? 206 : 200;
    if (status === wanted) return { chunks: this.#body(response, leave), close };
    const text = await this.#text(answered);
    if (status === 412 || status === 404)
      throw this.unavailable('the object changed there while it was read: try again');
    if (status < 400) throw this.unavailable(`it answers ${status} where ${wanted} is expected`);
    throw this.#refused(status, text);
  }

  /** Keys above `after`, which begin with `prefix`; those that share it up to the delimiter once. */
  async list(asked: {
    readonly prefix: Buffer;
    readonly delimiter: Buffer;
    readonly after: Buffer;
    readonly limit: number;
  }): Promise<SourcePage> {
    const { prefix } = this.#source;
    const after = asked.after.toString('utf8');
    const query: [string, string][] = [
      ['list-type', '2'],
      ['encoding-type', 'url'],
      ['max-keys', String(Math.min(asked.limit, limits.sourceListPage))],
      ['prefix', prefix + asked.prefix.toString('utf8')],
    ];
    if (asked.delimiter.length > 0) query.push(['delimiter', asked.delimiter.toString('utf8')]);
    if (after !== '') query.push(['start-after', prefix + after]);
    const { status, text } = await this.#whole({ method: 'GET', query });
    if (status !== 200) throw this.#refused(status, text);
    return this.#read(() => pageOf(text, Buffer.from(prefix, 'utf8')));
  }

  close(): void {
    this.#agent.destroy();
  }

  unavailable(why: string, cause?: unknown): StoreError {
    return new StoreError('ServiceUnavailable', {
      message: `The store ${this.#endpoint.host}, from which the bucket is read where nothing has moved yet, failed: ${why}.`,
      retryAfter: 5,
      cause,
    });
  }

  #refused(status: number, text: string): StoreError {
    const code = codeOf(text);
    const said = code === undefined ? `it answers ${status}` : `it answers ${status} ${code}`;
    if (status === 403 && code === 'InvalidObjectState')
      return new StoreError('InvalidObjectState', {
        message: `The object is in an archive of ${this.#endpoint.host}: restore it there first.`,
      });
    if (status === 301 || status === 307 || status === 308)
      return this.unavailable(`${said}, which is not followed: set the endpoint and region that the bucket has`);
    if (status === 401 || status === 403)
      return this.unavailable(
        `${said}: the key of the source must be allowed to list the bucket and to read objects and tags`,
      );
    if (code === 'NoSuchBucket')
      return this.unavailable(`its bucket ${this.#source.bucket} does not exist: correct the source, or clear it`);
    return this.unavailable(said);
  }

  #read<Result>(parse: () => Result): Result {
    try {
      return parse();
    } catch (cause) {
      throw this.unavailable('its answer cannot be read', cause);
    }
  }

  async #whole(
    asked: Asked,
  ): Promise<{ readonly status: number; readonly headers: SourceHeaders; readonly text: string }> {
    const answered = await this.#again(asked);
    const text = await this.#text(answered);
    return { status: answered.status, headers: answered.headers, text };
  }

  async #text({ response, leave }: Answered): Promise<string> {
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of this.#body(response, leave)) {
      length += piece.length;
      if (length > limits.sourceAnswerBytes) {
        response.destroy();
        leave();
        throw this.unavailable('its answer does not end');
      }
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  /** The chunks of an answer; whatever ends it gives the place back. */
  async *#body(response: IncomingMessage, leave: () => void): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
    } catch (cause) {
      throw this.#broken(cause);
    } finally {
      leave();
      response.destroy();
    }
  }

  /** Tries again what failed in passing, before anything of it was used. */
  async #again(asked: Asked): Promise<Answered> {
    for (let attempt = 1; ; attempt++) {
      const last = attempt >= limits.sourceTries;
      try {
        const answered = await this.#ask(asked);
        if (last || !passing.has(answered.status)) return answered;
        answered.leave();
        answered.response.destroy();
      } catch (error) {
        if (last || (error instanceof StoreError && error.code === 'SlowDown')) throw error;
      }
    }
  }

  async #ask({ method, key, query = [], headers = {} }: Asked): Promise<Answered> {
    const leave = await this.#places.enter();
    const { bucket, prefix } = this.#source;
    const segments = [bucket, ...(key ? `${prefix}${key.toString('utf8')}`.split('/') : [])];
    const asked = { method, segments, query, headers: { ...headers, host: this.#endpoint.host } };
    const signed = signedHeaders(asked, this.#source, this.#host.clock.now());
    try {
      return await new Promise<Answered>((resolve, reject) => {
        const { hostname, port } = this.#endpoint;
        const request = (this.#secure ? https : http).request({
          hostname: hostname.replace(/^\[|\]$/g, ''),
          port,
          method,
          path: signed.path,
          headers: signed.headers,
          agent: this.#agent,
          timeout: limits.sourceIdleMs,
          ...(!this.#source.linkLocal && { lookup: guardedLookup }),
        });
        const cancel = this.#host.timers.after(limits.sourceAnswerMs, () =>
          request.destroy(new Error(`it did not answer within ${limits.sourceAnswerMs / 1000} s`)),
        );
        request.once('timeout', () =>
          request.destroy(new Error(`nothing came from it for ${limits.sourceIdleMs / 1000} s`)),
        );
        request.once('error', (cause) => {
          cancel();
          reject(this.#broken(cause));
        });
        request.once('response', (response) => {
          cancel();
          resolve({ status: response.statusCode ?? 0, headers: textHeaders(response), response, leave });
        });
        request.end();
      });
    } catch (error) {
      leave();
      throw error;
    }
  }

  #broken(cause: unknown): StoreError {
    if (cause instanceof StoreError && cause.code !== 'InvalidArgument') return cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = cause instanceof StoreError ? [message] : [...new Set([code, message])].filter(Boolean);
    return this.unavailable(why.join(': '), cause);
  }
}
