import { infoFromHeaders, type ObjectInfo } from './description.ts';
import { quoteEtag, s3Path } from './encode.ts';
import { DsomError } from './error.ts';
import type { CallOptions, Exchange, Transport } from './request.ts';

/** Conditions on a read; a read that does not meet them fails with NotModified or PreconditionFailed. ETags with or without quotes. */
export interface ReadConditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: Date | undefined;
  readonly ifUnmodifiedSince?: Date | undefined;
}

/** Bytes from `start` up to but without `end` (to the end when left out), or the last `last` bytes. */
export type ByteRange = { readonly start: number; readonly end?: number | undefined } | { readonly last: number };

export interface GetOptions extends CallOptions, ReadConditions {
  readonly versionId?: string | undefined;
  readonly range?: ByteRange | undefined;
  /**
   * Lets fetch undo a Content-Encoding such as gzip. By default the bytes come as they are stored, and `contentEncoding` is not in the answer's
   * description (HEAD has it).
   */
  readonly decode?: boolean | undefined;
}

/** An object's description and its bytes. The bytes can be taken once. */
export class ObjectBody {
  readonly info: ObjectInfo;
  /** Bytes that the body holds; `start` is where they begin in the object. */
  readonly length: number;
  readonly start: number;
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;

  constructor(info: ObjectInfo, start: number, length: number, body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.info = info;
    this.start = start;
    this.length = length;
    this.body = body;
  }

  /** All bytes in memory. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await new Response(this.body).arrayBuffer());
  }

  async blob(): Promise<Blob> {
    const blob = await new Response(this.body).blob();
    return this.info.contentType === undefined ? blob : blob.slice(0, blob.size, this.info.contentType);
  }

  text(): Promise<string> {
    return new Response(this.body).text();
  }

  async json<Value = unknown>(): Promise<Value> {
    return (await new Response(this.body).json()) as Value;
  }
}

export function conditionHeaders(options: ReadConditions): Record<string, string | undefined> {
  return {
    'if-match': options.ifMatch === undefined ? undefined : quoteEtag(options.ifMatch),
    'if-none-match': options.ifNoneMatch === undefined ? undefined : quoteEtag(options.ifNoneMatch),
    'if-modified-since': options.ifModifiedSince?.toUTCString(),
    'if-unmodified-since': options.ifUnmodifiedSince?.toUTCString(),
  };
}

function rangeHeader(range: ByteRange | undefined): string | undefined {
  if (range === undefined) return undefined;
  if ('last' in range) return `bytes=-${range.last}`;
  if (range.end !== undefined && range.end <= range.start)
    throw new DsomError('InvalidArgument', { message: `The range ${range.start}–${range.end} is empty.` });
  return range.end === undefined ? `bytes=${range.start}-` : `bytes=${range.start}-${range.end - 1}`;
}

/** First byte of `bytes 5-9/100`; 0 without the header. */
function startOf(headers: Headers): number {
  return Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1] ?? 0);
}

interface Opened {
  readonly response: Response;
  readonly exchange: Exchange;
}

/** One GET up to its headers. */
function open(transport: Transport, bucket: string, key: string, options: GetOptions): Promise<Opened> {
  return transport.send({
    method: 'GET',
    path: s3Path(bucket, key),
    // Without this fetch decodes, and sizes, ranges and resumption no longer fit the bytes.
    query: { versionId: options.versionId, 'response-content-encoding': options.decode ? undefined : 'identity' },
    headers: { ...conditionHeaders(options), range: rangeHeader(options.range) },
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: (response, keep) => ({ response, exchange: keep() }),
  });
}

/**
 * Reads an object. The body survives broken connections: it goes on where it was, with a range of the very version it began with, and fails only when
 * several tries in a row bring nothing.
 */
export async function get(
  transport: Transport,
  bucket: string,
  key: string,
  options: GetOptions = {},
): Promise<ObjectBody> {
  const first = await open(transport, bucket, key, options);
  const { headers } = first.response;
  const described = infoFromHeaders(bucket, key, headers);
  const info = options.decode ? described : { ...described, contentEncoding: undefined };
  const start = startOf(headers);
  const announced = headers.get('content-length');
  const length = announced === null ? info.size - start : Number(announced);
  const resumable = !options.decode && info.etag !== '';
  const body = new ResumingBody(transport, first, {
    length: options.decode ? undefined : length,
    reopen: (offset) =>
      resumable
        ? open(transport, bucket, key, {
            signal: options.signal,
            timeoutMs: options.timeoutMs,
            versionId: options.versionId ?? info.versionId,
            ifMatch: info.etag,
            range: { start: start + offset, end: start + length },
          })
        : undefined,
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? transport.options.timeoutMs,
  });
  return new ObjectBody(info, start, length, body.stream());
}

export async function head(
  transport: Transport,
  bucket: string,
  key: string,
  options: CallOptions & ReadConditions & { readonly versionId?: string | undefined } = {},
): Promise<ObjectInfo> {
  return transport.send({
    method: 'HEAD',
    path: s3Path(bucket, key),
    query: { versionId: options.versionId },
    headers: { ...conditionHeaders(options), 'x-amz-checksum-mode': 'ENABLED' },
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: (response) => infoFromHeaders(bucket, key, response.headers),
  });
}

interface Resumption {
  /** Bytes to come; undefined when not known. */
  readonly length: number | undefined;
  /** Opens the rest from a byte of this body on; undefined when that is not possible. */
  reopen(offset: number): Promise<Opened> | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** A body that is read by `pull`, so that nothing is fetched ahead of the reader. */
class ResumingBody {
  readonly #transport: Transport;
  readonly #plan: Resumption;
  #opened: Opened;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  #received = 0;
  #failures = 0;

  constructor(transport: Transport, opened: Opened, plan: Resumption) {
    this.#transport = transport;
    this.#plan = plan;
    this.#opened = opened;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          const chunk = await this.#next();
          if (chunk) controller.enqueue(chunk);
          else controller.close();
        },
        cancel: (reason) => {
          this.#opened.exchange.abort(reason);
          this.#opened.exchange.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (;;) {
      try {
        const chunk = await this.#readChunk();
        // An empty chunk is no progress.
        if (chunk?.length === 0) continue;
        if (chunk) {
          this.#failures = 0;
          this.#received += chunk.length;
          return chunk;
        }
        const { length } = this.#plan;
        if (length === undefined || this.#received >= length) {
          this.#opened.exchange.close();
          return undefined;
        }
        throw new DsomError('BodyInterrupted', {
          message: `The body ended after ${this.#received} of ${length} bytes.`,
          retryable: true,
        });
      } catch (cause) {
        if (this.#received !== this.#plan.length) await this.#reopen(cause);
        else {
          this.#opened.exchange.close();
          return undefined;
        }
      }
    }
  }

  /** One chunk; a body that stands still for too long is broken off. */
  async #readChunk(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { exchange, response } = this.#opened;
    this.#reader ??= response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
    if (!this.#reader) return undefined;
    const { timeoutMs } = this.#plan;
    const stalled = new DsomError('TimedOut', {
      message: `The body stood still for ${timeoutMs / 1000} s.`,
      retryable: true,
    });
    const cancelTimer = this.#transport.options.edges.after(timeoutMs, () => exchange.abort(stalled));
    try {
      const { done, value } = await this.#reader.read();
      return done ? undefined : value;
    } finally {
      cancelTimer();
    }
  }

  async #reopen(cause: unknown): Promise<void> {
    const { signal } = this.#plan;
    this.#opened.exchange.abort(cause);
    this.#opened.exchange.close();
    if (signal?.aborted) throw signal.reason;
    const { attempts, edges, retryBaseMs, retryCapMs } = this.#transport.options;
    const interrupted =
      cause instanceof DsomError
        ? cause
        : new DsomError('BodyInterrupted', {
            message: `The connection broke after ${this.#received} bytes.`,
            retryable: true,
            cause,
          });
    if (++this.#failures >= attempts) throw interrupted;
    await edges.sleep(edges.random() * Math.min(retryCapMs, retryBaseMs * 2 ** (this.#failures - 1)), signal);
    const next = this.#plan.reopen(this.#received);
    if (!next) throw interrupted;
    this.#opened = await next;
    this.#reader = undefined;
  }
}
