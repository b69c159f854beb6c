import { StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { failureIn, type Ongoing, type Receiver, StreamAnswer, WholeAnswer } from './answers.ts';
import { type FrameType, frameTypes, LinkError, smallFrame } from './frames.ts';
import type { Agreement } from './hello.ts';
import type { Link, Side } from './link.ts';
import { decodeAnswer, encodeCall, encodeCredit, lengthOf } from './messages.ts';
import { BodySource } from './outgoing.ts';
import type { Pools } from './pool.ts';
import type { CallOptions } from './types.ts';

const lastId = 2 ** 32 - 1;

/** One call under way. */
class Pending implements Ongoing {
  readonly id: number;
  readonly #caller: CallerSide;
  receiver!: Receiver;
  source: BodySource | undefined;
  #stopDeadline: Cancel | undefined;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(caller: CallerSide, id: number) {
    this.#caller = caller;
    this.id = id;
  }

  watch(host: Host, options: CallOptions): void {
    if (options.deadlineMs !== undefined) {
      const deadlineMs = Math.min(options.deadlineMs, limits.linkDeadlineMs);
      this.#stopDeadline = host.timers.after(deadlineMs, () => this.#caller.cancel(this, deadlinePassed(deadlineMs)));
    }
    if (options.signal) {
      this.#signal = options.signal;
      this.#onAbort = () => this.#caller.cancel(this, this.#signal?.reason);
      options.signal.addEventListener('abort', this.#onAbort, { once: true });
    }
  }

  grant(bytes: number): void {
    this.#caller.grant(this.id, bytes);
  }

  settled(): void {
    this.#caller.forget(this);
  }

  unwatch(): void {
    this.#stopDeadline?.();
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}

export function deadlinePassed(deadlineMs: number): StoreError {
  return new StoreError('ServiceUnavailable', {
    message: `Another node did not answer within ${deadlineMs} ms. Try again.`,
  });
}

/** The side of a link that makes calls. */
export class CallerSide implements Side {
  readonly #link: Link;
  readonly #host: Host;
  readonly #pools: Pools;
  readonly #events: { opened(): void; goodbye(): void; broken(cause: StoreError): void };
  readonly #pending = new Map<number, Pending>();
  #agreement: Agreement | undefined;
  #nextId = 1;
  #retired = false;
  #broken: StoreError | undefined;

  constructor(
    link: Link,
    host: Host,
    pools: Pools,
    events: { opened(): void; goodbye(): void; broken(cause: StoreError): void },
  ) {
    this.#link = link;
    this.#host = host;
    this.#pools = pools;
    this.#events = events;
  }

  /** The link must be open. */
  call(method: string, head: Uint8Array, options: CallOptions): Promise<{ head: Buffer; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const pending = this.#admit(method, head, options);
      pending.receiver = new WholeAnswer(this.#pools, pending, resolve, reject);
      this.#send(pending, false, method, head, options);
    });
  }

  /** As {@link call}; `cancel` must be called at the end, whatever the end was. */
  stream(method: string, head: Uint8Array, options: CallOptions): { answer: StreamAnswer; cancel(): void } {
    const pending = this.#admit(method, head, options);
    const answer = new StreamAnswer(this.#pools, pending);
    pending.receiver = answer;
    this.#send(pending, true, method, head, options);
    return {
      answer,
      cancel: () => {
        answer.release();
        this.cancel(pending, undefined);
      },
    };
  }

  /** No more calls on this link; it ends behind the last one under way. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#link.sayGoodbye();
    this.#endIfIdle();
  }

  /** Gives a call up on both sides. */
  cancel(pending: Pending, cause: unknown): void {
    if (this.#pending.get(pending.id) !== pending) return;
    this.#link.outlet.send([smallFrame(frameTypes.cancel, pending.id)]);
    this.forget(pending);
    pending.receiver.fail(cause);
  }

  grant(id: number, bytes: number): void {
    this.#link.outlet.send([encodeCredit(id, bytes)]);
  }

  forget(pending: Pending): void {
    this.#pending.delete(pending.id);
    pending.unwatch();
    if (pending.source) this.#link.outlet.drop(pending.source);
    this.#endIfIdle();
  }

  opened(agreement: Agreement): void {
    this.#agreement = agreement;
    this.#events.opened();
  }

  goodbye(): void {
    this.#events.goodbye();
  }

  broken(cause: StoreError): void {
    this.#broken = cause;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const one of pending) {
      one.unwatch();
      one.receiver.fail(cause);
    }
    this.#events.broken(cause);
  }

  frame(type: FrameType, flags: number, id: number, payload: Buffer): void {
    const pending = this.#find(id);
    if (type === frameTypes.answer) {
      // Read even when nobody waits for it any more: what is not well formed ends the link either way.
      const message = decodeAnswer(payload);
      pending?.receiver.answer(flags !== 0, message);
    } else if (type === frameTypes.credit) {
      pending?.source?.credit(payload.readUInt32LE(0));
    } else if (type === frameTypes.end) {
      pending?.receiver.end();
    } else if (type === frameTypes.fail) {
      const failure = failureIn(payload);
      if (!pending) return;
      this.forget(pending);
      pending.receiver.fail(failure);
    } else {
      throw new LinkError(`a frame of type ${type}, which only callers send`);
    }
  }

  body(flags: number, id: number, bytes: Buffer, rest: number): void {
    this.#find(id)?.receiver.body(flags, bytes, rest);
  }

  /** Undefined for a call that was given up: what still comes for it is let fall. */
  #find(id: number): Pending | undefined {
    if (id >= this.#nextId) throw new LinkError(`an answer to the call ${id}, which was never made`);
    return this.#pending.get(id);
  }

  #admit(method: string, head: Uint8Array, { body = [], signal }: CallOptions): Pending {
    if (this.#broken) throw this.#broken;
    signal?.throwIfAborted();
    if (Buffer.byteLength(method) > limits.linkMethodBytes || method === '')
      throw new RangeError(`a method of ${method.length} characters: ${limits.linkMethodBytes} are allowed`);
    if (head.length > limits.linkHeadBytes)
      throw new RangeError(
        `a head of ${head.length} bytes: ${limits.linkHeadBytes} are allowed, put the rest into the body`,
      );
    if (lengthOf(body) > limits.linkBodyBytes)
      throw new RangeError(`a body of ${lengthOf(body)} bytes: ${limits.linkBodyBytes} are allowed in one call`);
    const most = Math.min(limits.linkCalls, this.#agreement?.calls ?? 0);
    if (this.#pending.size >= most)
      throw new StoreError('SlowDown', { message: `${most} calls to another node are under way already. Try again.` });
    const pending = new Pending(this, this.#nextId++);
    this.#pending.set(pending.id, pending);
    if (pending.id === lastId) this.#events.goodbye();
    return pending;
  }

  #send(pending: Pending, stream: boolean, method: string, head: Uint8Array, options: CallOptions): void {
    const { body = [], deadlineMs = 0 } = options;
    const bodyBytes = lengthOf(body);
    const { window } = pending.receiver;
    const { pieces, whole } = encodeCall(pending.id, stream, {
      method,
      head,
      body,
      bodyBytes,
      window,
      deadlineMs: Math.max(
        options.deadlineMs === undefined ? 0 : 1,
        Math.ceil(Math.min(deadlineMs, limits.linkDeadlineMs)),
      ),
    });
    pending.watch(this.#host, options);
    if (whole) return this.#link.outlet.send(pieces);
    const credit = this.#agreement?.window ?? 0;
    const source = new BodySource(this.#link.outlet, pending.id, body, bodyBytes, credit, () => {});
    pending.source = source;
    this.#link.outlet.send(pieces, () => {
      if (this.#pending.has(pending.id)) this.#link.outlet.wake(source);
    });
  }

  #endIfIdle(): void {
    if (this.#retired && this.#pending.size === 0) this.#link.finish();
  }
}
