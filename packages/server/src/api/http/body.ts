import type { IncomingMessage } from 'node:http';
import { StoreError } from '../../errors.ts';
import type { Cancel, Clock, Timers } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Admitted } from './admission.ts';

/** Waiting is counted in steps of so long. */
const stepMs = limits.idleBodyMs / 10;

/*
 * A request's body, read by pulling: nothing is taken off the socket that nobody asked for, so a slow disk slows the
 * client down. Node's own iterator would do the same, but it destroys the request when it is left early, and then the
 * client never sees why it was refused.
 *
 * A wait for the client is bounded: every `idleBodyMs` of waiting must bring `idleBodyBytes`, so neither silence nor one
 * byte now and then holds a request open. Time in which the server itself does not ask does not count; nor does time in which it stood
 * still (a machine that slept, a process that was stopped): waiting is counted in steps, and a step that took longer counts as one.
 */
export class RequestBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array, undefined> {
  /** Bytes taken so far. */
  bytes = 0;
  readonly #request: IncomingMessage;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #beforeFirst: () => void;
  readonly #admitted: () => Admitted | undefined;
  #started = false;
  #listening = false;
  #ended = false;
  #failure: StoreError | undefined;
  #resolve: ((step: IteratorResult<Uint8Array, undefined>) => void) | undefined;
  #reject: ((reason: StoreError) => void) | undefined;
  #cancel: Cancel | undefined;
  #waitStart = 0;
  #waited = 0;
  #brought = 0;

  /**
   * @param beforeFirst called once, before the first byte is asked for (100-continue)
   * @param admitted what its request holds while it is under way
   */
  constructor(
    request: IncomingMessage,
    clock: Clock,
    timers: Timers,
    beforeFirst: () => void,
    admitted: () => Admitted | undefined = () => undefined,
  ) {
    this.#request = request;
    this.#clock = clock;
    this.#timers = timers;
    this.#beforeFirst = beforeFirst;
    this.#admitted = admitted;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The whole body when it has arrived already, which is so for nearly every small one: no promise, no listener. Only before `next`.
   * @param length Content-Length; a body without one is never taken this way
   */
  arrived(length: number): Buffer | undefined {
    const request = this.#request;
    if (this.#started || request.readableLength < length || request.destroyed) return undefined;
    this.#started = true;
    this.#ended = true;
    // Without its length, `read` gives only the first of several pieces.
    const all = (request.read(length) as Buffer | null) ?? Buffer.alloc(0);
    this.bytes = all.length;
    this.#admitted()?.came(all.length);
    return all;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    if (!this.#listening) this.#listen();
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#request.resume();
      this.#admitted()?.pause();
      this.#waitStart = this.#clock.monotonic();
      this.#cancel ??= this.#timers.after(stepMs, () => this.#checkIdle());
    });
  }

  /** The reader wants no more; what is left of the body stays unread. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#stopTimer();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Reads and drops what still comes, up to `limits.lingerBytes`; then, or at the end of the body, calls `done` once. */
  discard(done: () => void): void {
    this.#stopTimer();
    this.#request.removeAllListeners('data');
    let left: number = limits.lingerBytes;
    const finish = () => {
      left = -1;
      this.#request.removeAllListeners('data');
      done();
    };
    this.#request.on('data', (chunk: Buffer) => {
      if (left < 0) return;
      left -= chunk.length;
      if (left < 0) finish();
    });
    this.#request.once('end', () => left >= 0 && finish());
    this.#request.once('close', () => left >= 0 && finish());
    this.#request.resume();
  }

  #listen(): void {
    this.#listening = true;
    if (!this.#started) this.#beforeFirst();
    this.#started = true;
    const request = this.#request;
    if (request.destroyed) this.#fail(new StoreError('IncompleteBody'));
    // One chunk for each that was asked for. `read()` would join all that wait into a copy, and leave the chunks to the collector.
    request.on('data', (chunk: Buffer) => {
      request.pause();
      invariant(this.#resolve, 'a chunk comes when it was asked for');
      this.bytes += chunk.length;
      this.#settle({ value: chunk, done: false });
    });
    request.once('end', () => {
      this.#ended = true;
      this.#settle({ value: undefined, done: true });
    });
    // Without a listener an aborted request would be an unhandled error; `close` follows it.
    request.on('error', () => undefined);
    request.once('close', () => {
      if (!this.#ended) this.#fail(new StoreError('IncompleteBody'));
    });
  }

  #settle(step: IteratorResult<Uint8Array, undefined>): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    this.#countWait();
    this.#brought += step.done ? 0 : step.value.length;
    if (this.#brought >= limits.idleBodyBytes) {
      this.#waited = 0;
      this.#brought = 0;
    }
    if (step.done) this.#stopTimer();
    const turn = this.#turn(step.done ? 0 : step.value.length);
    if (turn) void turn.then(() => resolve(step));
    else resolve(step);
  }

  /** When the request may go on with bytes that came: within the rate of whoever sends, and in its turn. */
  #turn(bytes: number): Promise<void> | undefined {
    const admitted = this.#admitted();
    const late = admitted?.came(bytes) ?? 0;
    return late > 0 ? this.#timers.sleep(late).then(() => admitted?.resume()) : admitted?.resume();
  }

  #countWait(): void {
    const now = this.#clock.monotonic();
    this.#waited += Math.min(stepMs, now - this.#waitStart);
    this.#waitStart = now;
  }

  #checkIdle(): void {
    this.#cancel = undefined;
    if (!this.#resolve) return;
    this.#countWait();
    if (this.#waited >= limits.idleBodyMs) this.#fail(new StoreError('RequestTimeout'));
    else this.#cancel = this.#timers.after(Math.min(stepMs, limits.idleBodyMs - this.#waited), () => this.#checkIdle());
  }

  #fail(failure: StoreError): void {
    this.#failure = failure;
    this.#stopTimer();
    const reject = this.#reject;
    if (this.#resolve && reject) {
      this.#resolve = undefined;
      reject(failure);
    }
  }

  #stopTimer(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

/**
 * Takes a whole body of at most `maximum` bytes.
 * @throws StoreError what `tooLarge` makes, as soon as more arrives
 */
export async function collect(
  source: AsyncIterable<Uint8Array>,
  maximum: number,
  tooLarge: () => StoreError,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > maximum) throw tooLarge();
    chunks.push(chunk);
  }
  const only = chunks.length === 1 ? chunks[0]! : undefined;
  return only ? Buffer.from(only.buffer, only.byteOffset, only.byteLength) : Buffer.concat(chunks, length);
}
