/*
 * A client of plain S3, for stores of any make: signature V4 (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html) in the
 * header, path style, and bodies that stream both ways. The SDK speaks the API of DSOM and by fetch, which folds `..` in keys away and cannot send a
 * stream whose length is known; a migration needs every key, and objects that no memory holds.
 */
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DsomError } from '@dsom/sdk';
import type { Host } from '../../host/index.ts';
import type { Connection } from '../profiles.ts';
import { migrateLimits } from './limits.ts';
import { textOf } from './xml.ts';

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly bucket: string;
  readonly key?: string;
  /** A value of '' is a subresource; undefined leaves the parameter out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Lower-case names. All are signed. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A text is covered by the signature; a stream is not, and needs a content-length. */
  readonly body?: string | Readable;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface S3Stream {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: http.IncomingMessage;
}

const percent = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: Buffer | string, text: string) => createHmac('sha256', key).update(text).digest();

const retryable = (cause: unknown): boolean => !(cause instanceof DsomError) || cause.retryable;

/** Node reads header bytes as Latin-1 and writes them so: what is copied from an answer into a request keeps its bytes, whatever text they are. */
function textHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) found[name] = Array.isArray(value) ? value.join(',') : value;
  return found;
}

export class S3Connection {
  readonly endpoint: URL;
  readonly #keys: Connection;
  readonly #host: Host;
  readonly #signal: AbortSignal;
  readonly #agent: http.Agent;
  readonly #sleep: (ms: number) => Promise<void>;
  #ahead = Number.NEGATIVE_INFINITY;

  constructor(keys: Connection, host: Host, signal: AbortSignal, sleep: (ms: number) => Promise<void>) {
    this.endpoint = new URL(keys.endpoint);
    this.#keys = keys;
    this.#host = host;
    this.#signal = signal;
    this.#sleep = sleep;
    this.#agent = new (this.endpoint.protocol === 'https:' ? https : http).Agent({ keepAlive: true });
  }

  /** By how much the store's clock is at least ahead of the one here, ms, by the quickest of its answers; NaN as long as none has said. */
  get ahead(): number {
    return Number.isFinite(this.#ahead) ? this.#ahead : Number.NaN;
  }

  /** Sends a request without a body or with a text, and reads the whole answer; tries again where that can help. @throws DsomError of any status but 2xx */
  send(request: S3Request & { readonly body?: string }): Promise<S3Answer> {
    return this.again(() => this.sendOnce(request));
  }

  /** Runs `work` until it succeeds, fails for good, or was tried often enough. */
  async again<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (cause) {
        this.#signal.throwIfAborted();
        if (!retryable(cause) || attempt >= migrateLimits.attempts) throw cause;
        const spread = 0.5 + (this.#host.entropy.bytes(1)[0] as number) / 512;
        await this.#sleep(Math.min(migrateLimits.retryMs, 200 * 4 ** (attempt - 1)) * spread);
      }
    }
  }

  /** One try. A stream as body is used up by it. */
  async sendOnce(request: S3Request): Promise<S3Answer> {
    const response = await this.#exchange(request);
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of response as AsyncIterable<Buffer>) {
        length += piece.length;
        if (length > migrateLimits.answerBytes) throw new Error('the answer is longer than any that S3 gives');
        pieces.push(piece);
      }
    } catch (cause) {
      throw this.#broken(cause);
    }
    const text = Buffer.concat(pieces).toString('utf8');
    const status = response.statusCode ?? 0;
    const date = Date.parse(response.headers.date ?? '');
    if (!Number.isNaN(date)) this.#ahead = Math.max(this.#ahead, date - this.#host.clock.now());
    const headers = textHeaders(response.headers);
    // CompleteMultipartUpload may fail with 200, when it has begun to answer before it knew.
    if (status < 200 || status > 299 || text.slice(0, 400).includes('<Error>'))
      throw errorOf(this.endpoint, status, headers, text);
    return { status, headers, text };
  }

  /** One try of a GET whose body the caller reads to its end or destroys. */
  async open(request: S3Request): Promise<S3Stream> {
    const response = await this.#exchange(request);
    const status = response.statusCode ?? 0;
    const headers = textHeaders(response.headers);
    if (status >= 200 && status <= 299) return { headers, body: response };
    let text = '';
    for await (const piece of response.setEncoding('utf8') as AsyncIterable<string>)
      if (text.length < 65_536) text += piece;
    throw errorOf(this.endpoint, status, headers, text);
  }

  close(): void {
    this.#agent.destroy();
  }

  #exchange(request: S3Request): Promise<http.IncomingMessage> {
    const { endpoint } = this;
    const stream = typeof request.body === 'string' || request.body === undefined ? undefined : request.body;
    const { path, headers } = this.#signed(request, stream === undefined);
    const protocol = endpoint.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const { hostname, port } = endpoint;
      const options = {
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        method: request.method,
        path,
        headers,
        timeout: migrateLimits.idleMs,
      };
      const sent = protocol.request({ ...options, agent: this.#agent, signal: this.#signal }, resolve);
      sent.on('timeout', () => sent.destroy(new Error('nothing moved on the connection for a minute')));
      sent.on('error', (cause) => reject(this.#broken(cause)));
      // What breaks here is told by the request's own error, or by its answer, which may come before the body was sent.
      if (stream) pipeline(stream, sent).catch((cause: unknown) => reject(this.#broken(cause)));
      // As bytes: Node writes headers that go out together with a text in the text's encoding.
      else sent.end(Buffer.from((request.body as string | undefined) ?? ''));
    });
  }

  #broken(cause: unknown): unknown {
    if (this.#signal.aborted) return this.#signal.reason;
    if (cause instanceof DsomError) return cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = [...new Set([code, message])].filter(Boolean).join(': ');
    return new DsomError('ConnectionFailed', {
      message: `No whole answer from ${this.endpoint.origin} (${why}).`,
      retryable: true,
      cause,
    });
  }

  #signed(request: S3Request, covered: boolean): { path: string; headers: Record<string, string> } {
    const { accessKeyId, secretAccessKey, region = 'us-east-1' } = this.#keys;
    const time = new Date(this.#host.clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const payload = covered ? sha256((request.body as string | undefined) ?? '') : 'UNSIGNED-PAYLOAD';
    const headers: Record<string, string> = {
      host: this.endpoint.host,
      ...request.headers,
      'x-amz-content-sha256': payload,
      'x-amz-date': time,
    };
    if (typeof request.body === 'string') headers['content-length'] = String(Buffer.byteLength(request.body));
    else if (request.body === undefined && request.method.startsWith('P')) headers['content-length'] = '0';
    const names = Object.keys(headers).sort();
    const { bucket, key } = request;
    const segments = [bucket, ...(key === undefined ? [] : key.split('/'))].filter((_, i) => i > 0 || bucket !== '');
    const path = `/${segments.map(percent).join('/')}`;
    const query = Object.entries(request.query ?? {})
      .flatMap(([name, value]) => (value === undefined ? [] : [`${percent(name)}=${percent(value)}`]))
      .sort()
      .join('&');
    const lines = names.map((name) => `${name}:${(headers[name] as string).trim().replace(/ +/g, ' ')}\n`).join('');
    // Signed as it goes out: bytes of headers that are no ASCII stand as Latin-1 here.
    const canonical = Buffer.from(
      `${request.method}\n${path}\n${query}\n${lines}\n${names.join(';')}\n${payload}`,
      'latin1',
    );
    const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
    const key4 = scope.reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
    const digest = createHash('sha256').update(canonical).digest('hex');
    const signature = hmac(key4, ['AWS4-HMAC-SHA256', time, scope.join('/'), digest].join('\n')).toString('hex');
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join('/')}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    return { path: query === '' ? path : `${path}?${query}`, headers };
  }
}

const codeOfStatus: Readonly<Record<number, string>> = {
  403: 'AccessDenied',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  412: 'PreconditionFailed',
  501: 'NotImplemented',
};

function errorOf({ origin }: URL, status: number, headers: Readonly<Record<string, string>>, text: string): DsomError {
  const code = textOf(text, 'Code') ?? codeOfStatus[status] ?? `Http${status}`;
  return new DsomError(code, {
    // Of two stores: which one.
    message: `${origin}: ${textOf(text, 'Message') || `the answer is ${status} ${code}`}`,
    status,
    requestId: headers['x-amz-request-id'],
    // BadDigest: the bytes may have changed on the way.
    retryable:
      status >= 500
        ? status !== 501
        : status === 429 || ['RequestTimeout', 'BadDigest', 'SlowDown', 'InternalError'].includes(code),
  });
}
