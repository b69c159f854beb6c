import { failureOf, StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { deadlinePassed } from './caller.ts';
import { type FrameType, frameFlags, frameTypes, LinkError } from './frames.ts';
import { Intake } from './incoming.ts';
import type { Link, Side } from './link.ts';
import { type CallMessage, decodeCall, encodeAnswer, encodeCredit, encodeFailure, lengthOf } from './messages.ts';
import { BodySource, StreamSource } from './outgoing.ts';
import type { Pools } from './pool.ts';
import type { Answer, IncomingCall, Serve } from './types.ts';

/** One call that is being received, served or answered. */
class Served implements IncomingCall {
  readonly id: number;
  readonly method: string;
  readonly head: Buffer;
  readonly node: string;
  readonly stream: boolean;
  readonly bodyBytes: number;
  body: Buffer;
  /** Credit for the answer. */
  window: number;
  intake: Intake | undefined;
  source: BodySource | StreamSource | undefined;
  /** Bytes taken of the first pool. */
  held = 0;
  stopDeadline: Cancel | undefined;
  running = false;
  #controller: AbortController | undefined;
  #reason: StoreError | undefined;

  constructor(id: number, stream: boolean, node: string, message: CallMessage) {
    this.id = id;
    this.stream = stream;
    this.node = node;
    this.method = message.method;
    this.head = message.head;
    this.body = message.inline;
    this.bodyBytes = message.bodyBytes;
    this.window = message.window;
  }

  /** Made when it is asked for: most calls never look. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: StoreError): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

export interface CalleeOptions {
  readonly host: Host;
  readonly pools: Pools;
  readonly serve: Serve;
  /** Node id of the caller. */
  readonly node: string;
  /** Hears of failures that are no StoreError: a bug on this side. */
  readonly onError: (cause: unknown) => void;
  readonly onBroken: (cause: StoreError) => void;
}

/** The side of a link that serves calls. */
export class CalleeSide implements Side {
  readonly #link: Link;
  readonly #options: CalleeOptions;
  readonly #calls = new Map<number, Served>();
  /** Calls that were given up while they were served: they go on until their serving ends, and count until then. */
  #abandoned = 0;
  #lastId = 0;
  #draining = false;
  #leaving = false;

  constructor(link: Link, options: CalleeOptions) {
    this.#link = link;
    this.#options = options;
  }

  opened(): void {}

  /** The caller makes no more calls. */
  goodbye(): void {
    this.#leaving = true;
    this.#endIfIdle();
  }

  /** Takes no more calls; the link ends behind the last answer. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#link.sayGoodbye();
    this.#endIfIdle();
  }

  broken(cause: StoreError): void {
    const calls = [...this.#calls.values()];
    for (const call of calls) this.#drop(call, cause);
    this.#options.onBroken(cause);
  }

  frame(type: FrameType, flags: number, id: number, payload: Buffer): void {
    if (type === frameTypes.call) return this.#open(id, (flags & frameFlags.stream) !== 0, decodeCall(payload));
    const call = this.#find(id);
    if (type === frameTypes.credit) {
      const bytes = payload.readUInt32LE(0);
      if (call?.source) call.source.credit(bytes);
      else if (call) call.window += bytes;
    } else if (type === frameTypes.cancel) {
      if (call) this.#drop(call, new StoreError('ServiceUnavailable', { message: 'The caller gave the call up.' }));
    } else {
      throw new LinkError(`a frame of type ${type}, which only callees send`);
    }
  }

  body(_flags: number, id: number, bytes: Buffer): void {
    const call = this.#find(id);
    if (!call) return;
    if (!call.intake) throw new LinkError('a body where none was announced');
    const whole = call.intake.push(bytes);
    if (!whole) return;
    call.body = whole;
    this.#run(call);
  }

  /** Undefined for a call that is over: what still comes for it is let fall. */
  #find(id: number): Served | undefined {
    if (id > this.#lastId) throw new LinkError(`a frame of the call ${id}, which was never opened`);
    return this.#calls.get(id);
  }

  #open(id: number, stream: boolean, message: CallMessage): void {
    if (id <= this.#lastId) throw new LinkError(`the call ${id} is opened a second time`);
    this.#lastId = id;
    const { pools, node, host } = this.#options;
    if (this.#draining)
      return this.#refuse(id, new StoreError('ServiceUnavailable', { message: 'The node is stopping.' }));
    if (this.#calls.size + this.#abandoned >= limits.linkCalls) return this.#refuse(id, new StoreError('SlowDown'));
    const first = Math.min(message.bodyBytes, limits.linkWindowBytes);
    if (first > 0 && !pools.first.take(first)) return this.#refuse(id, new StoreError('SlowDown'));
    const call = new Served(id, stream, node, message);
    call.held = first;
    this.#calls.set(id, call);
    if (message.deadlineMs > 0) {
      call.stopDeadline = host.timers.after(Math.min(message.deadlineMs, limits.linkDeadlineMs), () => {
        const passed = deadlinePassed(message.deadlineMs);
        this.#refuse(id, passed);
        this.#drop(call, passed);
      });
    }
    if (message.inline.length === message.bodyBytes) return this.#run(call);
    call.intake = new Intake(message.bodyBytes, first, pools.rest, (bytes) =>
      this.#link.outlet.send([encodeCredit(id, bytes)]),
    );
  }

  #run(call: Served): void {
    call.running = true;
    this.#serve(call).then(
      (answer) => {
        call.running = false;
        this.#release(call);
        if (this.#calls.get(call.id) === call) return this.#answer(call, answer);
        this.#abandoned--;
        // Nobody waits for it any more, but its stream must be told.
        answer.stream?.[Symbol.asyncIterator]()
          .return?.()
          .catch(() => {});
      },
      (cause) => {
        call.running = false;
        this.#release(call);
        if (this.#calls.get(call.id) === call) return this.#fail(call, cause);
        this.#abandoned--;
      },
    );
  }

  async #serve(call: Served): Promise<Answer> {
    return this.#options.serve(call);
  }

  #answer(call: Served, { head, body = [], stream }: Answer): void {
    const { outlet } = this.#link;
    const bodyBytes = lengthOf(body);
    if (head.length > limits.linkHeadBytes)
      return this.#fail(
        call,
        new RangeError(`${call.method}: a head of ${head.length} bytes is larger than ${limits.linkHeadBytes}`),
      );
    if (call.stream) {
      const source = new StreamSource(outlet, call.id, body, stream, call.window, (failure) => {
        if (failure === undefined) this.#done(call);
        else this.#fail(call, failure);
      });
      call.source = source;
      return outlet.send(encodeAnswer(call.id, true, head, [], 0).pieces, () => this.#begin(call, source));
    }
    if (stream)
      return this.#fail(call, new Error(`${call.method} answers with a stream, but was called for a whole answer`));
    if (bodyBytes > limits.linkBodyBytes)
      return this.#fail(
        call,
        new RangeError(`${call.method}: a body of ${bodyBytes} bytes is larger than ${limits.linkBodyBytes}`),
      );
    const { pieces, whole } = encodeAnswer(call.id, false, head, body, bodyBytes);
    if (whole) return outlet.send(pieces, () => this.#done(call));
    const source = new BodySource(outlet, call.id, body, bodyBytes, call.window, () => this.#done(call));
    call.source = source;
    outlet.send(pieces, () => this.#begin(call, source));
  }

  #begin(call: Served, source: BodySource | StreamSource): void {
    if (this.#calls.get(call.id) === call) this.#link.outlet.wake(source);
  }

  #fail(call: Served, cause: unknown): void {
    let told = cause;
    if (!(cause instanceof StoreError)) {
      this.#options.onError(cause);
      // What went wrong inside is for the log of this node; the other one learns that something did.
      told = new StoreError('InternalError');
    }
    this.#refuse(call.id, told);
    this.#done(call);
  }

  #refuse(id: number, cause: unknown): void {
    this.#link.outlet.send([encodeFailure(id, failureOf(cause))]);
  }

  /** Ends a call before its answer. */
  #drop(call: Served, reason: StoreError): void {
    if (call.source) {
      this.#link.outlet.drop(call.source);
      if (call.source instanceof StreamSource) call.source.stop();
    }
    if (call.running) this.#abandoned++;
    else this.#release(call);
    this.#done(call);
    call.abort(reason);
  }

  #done(call: Served): void {
    call.stopDeadline?.();
    this.#calls.delete(call.id);
    this.#endIfIdle();
  }

  #release(call: Served): void {
    call.intake?.release();
    if (call.held > 0) this.#options.pools.first.give(call.held);
    call.held = 0;
  }

  #endIfIdle(): void {
    if ((this.#draining || this.#leaving) && this.#calls.size === 0) this.#link.finish();
  }
}
