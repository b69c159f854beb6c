import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { StoreError } from '../../errors.ts';
import type { Clock, Timers } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Admitted } from './admission.ts';
import { RequestBody } from './body.ts';
import { type Connection, connectionOf, type TrustedProxies } from './connection.ts';
import type { Refusals } from './refusals.ts';

/** What an exchange needs of its surroundings; made once per handler, not per request. */
export interface ExchangeOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Whose headers count that say by which connection a client came. Absent: nobody's. */
  readonly proxies?: TrustedProxies | undefined;
  /** Called once per exchange when its answer was given to the socket, or when the client had gone (`status` 499). */
  readonly ended: (exchange: Exchange, status: number, seconds: number, bytesIn: number, bytesOut: number) => void;
  /** Where refused requests are logged. Absent: nowhere. */
  readonly refusals?: Pick<Refusals, 'note'> | undefined;
}

/** The bytes of an answer. */
export interface ChunkSource extends AsyncIterable<Buffer> {
  /** Called with a chunk that the system has taken over. */
  release?(chunk: Uint8Array): void;
  /** The next chunk where it is at hand; undefined: it comes by the iteration, or there is none. */
  ready?(): Buffer | undefined;
  /** Whose request it answers, where whoever gives the bytes wants to know: set before the first one is asked for. */
  whose?: string | undefined;
  /** Bytes that may wait for the client now, where that is less than `limits.sendBufferBytes`. */
  window?(): number;
}

/** A flat list of names and values, in the order in which they are sent. */
export type HeaderList = string[];

/** Status in telemetry for an answer that nobody waited for. Never sent. */
const clientGone = 499;

/**
 * One request and its answer, whatever the protocol: reads the body, writes the answer once, in one call where it is at
 * hand and with back-pressure where it streams, and never lets a broken answer look like a whole one.
 */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
  /** Name of the operation, for telemetry. */
  operation = 'Unknown';
  /** Headers of the answer, once it has begun. */
  answered: HeaderList = [];
  /** What it holds while it is under way; undefined before it was let in, and where nobody is held back. */
  admitted: Admitted | undefined;
  /** Milliseconds from the request to the beginning of its answer. */
  turnAroundMs: number | undefined;
  readonly #options: ExchangeOptions;
  readonly #started: number;
  #body: RequestBody | undefined;
  #connection: Connection | undefined;
  #bytesOut = 0;
  #awaitsContinue: boolean;
  #over = false;

  constructor(request: IncomingMessage, response: ServerResponse, id: string, options: ExchangeOptions) {
    this.request = request;
    this.response = response;
    this.id = id;
    this.#options = options;
    this.#started = options.clock.monotonic();
    this.#awaitsContinue = request.headers.expect !== undefined;
  }

  /** The body as it comes off the wire. The first read of it answers `100 Continue` when the client waits for that. */
  get body(): RequestBody {
    this.#body ??= new RequestBody(
      this.request,
      this.#options.clock,
      this.#options.timers,
      () => {
        if (!this.#awaitsContinue) return;
        this.#awaitsContinue = false;
        this.response.writeContinue();
      },
      () => this.admitted,
    );
    return this.#body;
  }

  /** By which connection the request came. */
  get connection(): Connection {
    const { clock, proxies } = this.#options;
    this.#connection ??= connectionOf(this.request, proxies, clock.now());
    return this.#connection;
  }

  /** True when the status line is out: an error can then only break the connection. */
  get begun(): boolean {
    return this.response.headersSent;
  }

  get socket(): Socket {
    return this.request.socket;
  }

  /** The connection is closed with this answer. */
  isLast(): void {
    this.response.shouldKeepAlive = false;
  }

  get gone(): boolean {
    return this.response.destroyed || this.request.socket.destroyed;
  }

  /** Logs why the request is refused, before that is answered. */
  refused(error: StoreError): void {
    this.#options.refusals?.note(this, error);
  }

  /** Answers with headers and a body at hand. For HEAD the body must be left out and Content-Length given among the headers. */
  send(status: number, headers: HeaderList, body?: Buffer): void {
    if (this.gone) {
      this.#end(clientGone);
      return;
    }
    this.#bytesOut = body?.length ?? 0;
    this.admitted?.went(this.#bytesOut);
    if (this.#bodyPending()) {
      this.#sendEarly(status, headers, body);
      return;
    }
    this.#head(status, headers);
    this.response.end(body);
    this.#end(status);
  }

  /**
   * Streams `length` bytes from `source`. The first chunk is fetched before the status line goes out, so that a failure
   * there can still be answered (the promise rejects); later ones destroy the connection and are given to `broken`.
   */
  async stream(
    status: number,
    headers: HeaderList,
    length: number,
    source: ChunkSource,
    broken: (error: unknown) => void,
  ): Promise<void> {
    source.whose = this.admitted?.tenant;
    const chunks = source[Symbol.asyncIterator]();
    const first = await chunks.next();
    let chunk = first.done ? undefined : first.value;
    const response = this.response;
    // A chunk that was not sent is left to the collector: a write under way may still read it.
    const sent = source.release && ((chunk: Buffer) => (error?: Error | null) => error || source.release?.(chunk));
    try {
      if (this.gone) return this.#end(clientGone);
      this.#head(status, headers);
      while (chunk) {
        const late = this.admitted?.went(chunk.length) ?? 0;
        if (late > 0) await this.#idle(this.#sleep(late));
        this.#bytesOut += chunk.length;
        invariant(this.#bytesOut <= length, 'an object gives no more bytes than the answer announced');
        if (this.#bytesOut === length) {
          response.end(chunk, sent?.(chunk));
          return this.#end(status);
        }
        const full = !response.write(chunk, sent?.(chunk));
        if (full && response.writableLength >= (source.window?.() ?? limits.sendBufferBytes))
          await this.#idle(this.#drained());
        if (this.gone) return this.#end(clientGone);
        chunk = source.ready?.();
        if (chunk) continue;
        const step = await chunks.next();
        if (!step.done) chunk = step.value;
      }
      invariant(this.#bytesOut === length, 'an object gives all the bytes that the answer announced');
      response.end();
      this.#end(status);
    } catch (error) {
      // A short answer with a whole Content-Length is noticed by every client; a well-formed one would be a lie.
      response.destroy();
      this.#end(clientGone);
      broken(error);
    } finally {
      void Promise.resolve(chunks.return?.()).catch(broken);
    }
  }

  /**
   * Drops the body of a request that is refused, if it is short and on its way, so that the connection can be used again. What does not come in
   * `limits.lingerMs` is left: then the connection closes.
   */
  async dropShortBody(): Promise<void> {
    const length = Number(this.request.headers['content-length']);
    if (this.#awaitsContinue || this.gone || !(length <= limits.wholeBodyBytes) || !this.#bodyPending()) return;
    const dropped = new Promise<void>((resolve) => {
      const cancel = this.#options.timers.after(limits.lingerMs, resolve);
      this.body.discard(() => {
        cancel();
        resolve();
      });
    });
    await this.#idle(dropped);
  }

  /** Ends an answer whose status and lines were written to `response` directly. */
  finish(status: number): void {
    this.response.end();
    this.#end(status);
  }

  /** Breaks the connection: nothing more can be said on it. */
  abort(): void {
    this.response.destroy();
    this.#end(clientGone);
  }

  #head(status: number, headers: HeaderList): void {
    this.answered = headers;
    this.turnAroundMs = this.#options.clock.monotonic() - this.#started;
    this.response.writeHead(status, headers);
  }

  #bodyPending(): boolean {
    const { complete, headers, readableLength } = this.request;
    if (complete) return false;
    const length = headers['content-length'];
    if (length === undefined) return headers['transfer-encoding'] !== undefined;
    return (this.#body?.bytes ?? 0) + readableLength < Number(length);
  }

  /**
   * The answer comes before the body was read. The connection cannot be used again, since what follows on it is the rest of that
   * body. Closing it at once would reset it and take the answer away from a client that is still sending, so a bounded
   * amount is read and dropped first.
   */
  #sendEarly(status: number, headers: HeaderList, body: Buffer | undefined): void {
    const response = this.response;
    headers.push('Connection', 'close');
    this.#head(status, headers);
    this.#end(status);
    if (this.#awaitsContinue) {
      response.end(body);
      return;
    }
    if (body !== undefined) response.write(body);
    else response.flushHeaders();
    let finished = false;
    const finish = () => {
      if (finished) return;
      finished = true;
      cancel();
      response.end();
    };
    const cancel = this.#options.timers.after(limits.lingerMs, finish);
    // Nobody is left to read why.
    response.once('close', finish);
    this.body.discard(finish);
  }

  /** Lets others work while it waits. */
  async #idle(wait: Promise<void>): Promise<void> {
    this.admitted?.pause();
    await wait;
    await this.admitted?.resume();
  }

  /** Until so much time has passed, or the client has gone. */
  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.response.off('close', done);
        resolve();
      };
      const cancel = this.#options.timers.after(milliseconds, done);
      this.response.on('close', done);
    });
  }

  #drained(): Promise<void> {
    const response = this.response;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      const cancel = this.#options.timers.after(limits.idleSendMs, () => response.destroy());
      response.on('drain', done);
      response.on('close', done);
    });
  }

  #end(status: number): void {
    if (this.#over) return;
    this.#over = true;
    this.admitted?.leave();
    const { clock, ended } = this.#options;
    ended(this, status, (clock.monotonic() - this.#started) / 1000, this.#body?.bytes ?? 0, this.#bytesOut);
  }
}
