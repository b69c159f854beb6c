/*
 * The one function through which every request goes: it signs, sends, times out, reads the answer, turns a failure into a DsomError, and tries again
 * where that can help.
 *
 * A try covers reading the answer too, so that an answer which breaks off is a failed try and not a half result. Only bodies that the caller
 * streams outlive it. Tries are spread with full jitter (a random wait below a bound that doubles): clients that failed together do not come
 * back together. A request that the server may have carried out although its answer was lost is repeated only when carrying it out twice is
 * the same as once.
 */
import { linkedController } from './abort.ts';
import type { Edges } from './edges.ts';
import { encodeQuery, type Query } from './encode.ts';
import { DsomError, errorOf } from './error.ts';
import type { TokenJar } from './session.ts';
import { emptyPayload, type Signer, sha256, unsignedPayload } from './sign.ts';

/** What every call accepts. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that one try may take (before body bytes at 64 KiB/s are added), or that a streamed body may stand still. */
  readonly timeoutMs?: number | undefined;
}

export interface Call<Result> extends CallOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Encoded. */
  readonly path: string;
  readonly query?: Query;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array | string | undefined;
  /** False when carrying it out twice differs from once; such a call is tried again only after the server said that it did nothing. */
  readonly repeatable?: boolean;
  readonly unsigned?: boolean;
  /** Status codes besides 2xx that are no failure. */
  readonly accept?: readonly number[];
  /** Reads the answer. `keep` makes the exchange outlive the call, for a streamed body. */
  read(response: Response, keep: () => Exchange): Result | Promise<Result>;
}

/** A request whose answer is still being read. */
export interface Exchange {
  /** Breaks it off. */
  abort(reason: unknown): void;
  /** To be called once when the body was read or given up: lets go of the caller's signal. */
  close(): void;
}

export interface TransportOptions {
  readonly endpoint: URL;
  readonly signer: Signer;
  readonly edges: Edges;
  readonly timeoutMs: number;
  /** Tries in all, the first one included. */
  readonly attempts: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
  /** Whether the signature covers the body: its SHA-256 is computed here and checked by the server. */
  readonly signPayload: boolean;
  readonly jar?: TokenJar | undefined;
}

/** Uploads slower than this time out. */
const slowestBytesPerMs = 64;

/** Reads the answer as JSON. */
export async function readJson<Result>(response: Response): Promise<Result> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Result;
  } catch (cause) {
    const message = 'The answer is not JSON. Is this the address of a DSOM server?';
    throw new DsomError('InvalidResponse', { message, status: response.status, cause });
  }
}

/** Reads an answer to its end and drops it, so that the connection can be used again. */
export async function readNothing(response: Response): Promise<void> {
  await response.arrayBuffer();
}

export class Transport {
  readonly options: TransportOptions;
  /** What to add to our clock to get the server's, as a refusal told. */
  #skewMs = 0;

  constructor(options: TransportOptions) {
    this.options = options;
  }

  /** The server's time, as far as it is known. */
  now(): number {
    return this.options.edges.now() + this.#skewMs;
  }

  /** The same transport with a session's tokens. */
  withJar(jar: TokenJar): Transport {
    return new Transport({ ...this.options, jar });
  }

  /** @throws DsomError, or the reason of `call.signal` */
  async send<Result>(call: Call<Result>): Promise<Result> {
    const { edges, attempts, retryBaseMs, retryCapMs } = this.options;
    let corrected = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#try(call);
      } catch (cause) {
        if (call.signal?.aborted) throw call.signal.reason;
        if (!(cause instanceof DsomError)) throw cause;
        cause.attempts = attempt;
        if (cause.code === 'RequestTimeTooSkewed' && !corrected && this.#skewMs !== 0) {
          corrected = true;
          continue;
        }
        if (attempt >= attempts || !mayRepeat(call, cause)) throw cause;
        const wait = edges.random() * Math.min(retryCapMs, retryBaseMs * 2 ** (attempt - 1));
        await edges.sleep(wait + 1000 * Math.min(60, cause.retryAfter ?? 0), call.signal);
      }
    }
  }

  async #try<Result>(call: Call<Result>): Promise<Result> {
    const { endpoint, edges, jar } = this.options;
    const { signal } = call;
    if (signal?.aborted) throw signal.reason;
    const query = encodeQuery(call.query ?? {});
    const sent = jar?.take();
    const body =
      typeof call.body === 'string'
        ? new TextEncoder().encode(call.body)
        : (call.body as Uint8Array<ArrayBuffer> | undefined);
    const headers = await this.#headers(call, body, jar?.headers(sent) ?? {});

    const { controller, unlink } = linkedController(signal);
    const limit = (call.timeoutMs ?? this.options.timeoutMs) + (body?.length ?? 0) / slowestBytesPerMs;
    const cancelTimer = edges.after(limit, () => controller.abort(timedOut(limit)));
    let kept = false;
    try {
      // For `no-store`, and by itself for conditional requests, fetch adds `cache-control: no-cache`, which a PUT would store with the object.
      const cache = call.method === 'GET' || call.method === 'HEAD' ? 'no-store' : 'force-cache';
      const init: RequestInit = { method: call.method, headers, signal: controller.signal, redirect: 'manual', cache };
      if (body !== undefined) init.body = body;
      const url = `${endpoint.origin}${call.path}${query === '' ? '' : `?${query}`}`;
      const response = await edges.fetch(url, init);
      if (!response.ok && !call.accept?.includes(response.status)) throw await this.#failure(response, call.path);
      jar?.put(sent, response.headers.get('x-dsom-token'));
      const keep = (): Exchange => {
        kept = true;
        return { abort: (reason) => controller.abort(reason), close: unlink };
      };
      return await call.read(response, keep);
    } catch (cause) {
      kept = false;
      if (cause instanceof DsomError) throw cause;
      if (controller.signal.aborted && controller.signal.reason instanceof DsomError) throw controller.signal.reason;
      throw connectionFailed(endpoint, edges.page(), cause);
    } finally {
      cancelTimer();
      if (!kept) unlink();
    }
  }

  async #headers(
    call: Call<unknown>,
    body: Uint8Array<ArrayBuffer> | undefined,
    extra: Readonly<Record<string, string>>,
  ) {
    const headers: Record<string, string> = { ...extra };
    for (const [name, value] of Object.entries(call.headers ?? {})) if (value !== undefined) headers[name] = value;
    if (call.unsigned) return headers;
    const payload = body === undefined ? emptyPayload : this.options.signPayload ? await sha256(body) : unsignedPayload;
    const { host } = this.options.endpoint;
    return this.options.signer.sign(
      { method: call.method, host, path: call.path, query: call.query ?? {}, headers, time: this.now() },
      payload,
    );
  }

  async #failure(response: Response, path: string): Promise<DsomError> {
    const now = this.options.edges.now();
    const error = await errorOf(response, now, path);
    if (error.code === 'RequestTimeTooSkewed') {
      const told = Date.parse(response.headers.get('date') ?? '');
      if (Number.isFinite(told)) this.#skewMs = told - now;
    }
    return error;
  }
}

function mayRepeat(call: Call<unknown>, error: DsomError): boolean {
  if (!error.retryable) return false;
  return call.repeatable !== false || error.status === 429 || error.status === 503;
}

function timedOut(milliseconds: number): DsomError {
  return new DsomError('TimedOut', {
    message: `No complete answer came within ${Math.round(milliseconds / 100) / 10} s.`,
    retryable: true,
  });
}

/** fetch hides what went wrong in `cause`; its text is the useful one. A browser does not even tell that it refused to show an answer to this page. */
function connectionFailed(endpoint: URL, page: string | undefined, cause: unknown): DsomError {
  const inner = cause instanceof Error ? cause.cause : undefined;
  const { code, message } = (inner instanceof Error ? inner : cause instanceof Error ? cause : {}) as {
    code?: string;
    message?: string;
  };
  const why = [code, message].filter((text) => text !== undefined && text !== '').join(': ');
  const hint =
    page === undefined || page === endpoint.origin
      ? ''
      : ` If the server runs, it has to let pages of ${page} in: dsom server --allow-origin ${page}`;
  return new DsomError('ConnectionFailed', {
    message: `No answer from ${endpoint.origin}${why === '' ? '' : ` (${why})`}.${hint}`,
    // A certificate that is refused is refused again.
    retryable: !/CERT|UNABLE_TO_|SSL_WRONG_VERSION/.test(code ?? ''),
    cause,
  });
}
