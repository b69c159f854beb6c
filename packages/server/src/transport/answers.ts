import { errorOf, type StoreError } from '../errors.ts';
import type { Cancel } from '../host/index.ts';
import { limits } from '../limits.ts';
import { frameFlags, headerBytes, LinkError } from './frames.ts';
import { Inflow, Intake } from './incoming.ts';
import { type AnswerMessage, decodeFailure } from './messages.ts';
import type { Pools } from './pool.ts';

/** Where a caller's answers arrive. Exactly one of its outcomes is told, once. */
export interface Receiver {
  /** Credit that is given with the call. */
  readonly window: number;
  answer(stream: boolean, message: AnswerMessage): void;
  body(flags: number, bytes: Buffer, rest: number): void;
  end(): void;
  fail(cause: unknown): void;
}

/** What a receiver may ask of the call it belongs to. */
export interface Ongoing {
  grant(bytes: number): void;
  /** The call is over: nothing is expected of the other side any more. */
  settled(): void;
}

/** Takes an answer as a whole. */
export class WholeAnswer implements Receiver {
  readonly window: number;
  readonly #pools: Pools;
  readonly #ongoing: Ongoing;
  readonly #resolve: (answer: { head: Buffer; body: Buffer }) => void;
  readonly #reject: (cause: unknown) => void;
  #head: Buffer | undefined;
  #intake: Intake | undefined;

  constructor(
    pools: Pools,
    ongoing: Ongoing,
    resolve: (answer: { head: Buffer; body: Buffer }) => void,
    reject: (cause: unknown) => void,
  ) {
    this.#pools = pools;
    this.#ongoing = ongoing;
    this.#resolve = resolve;
    this.#reject = reject;
    this.window = pools.first.take(limits.linkWindowBytes) ? limits.linkWindowBytes : 0;
  }

  answer(stream: boolean, { head, bodyBytes, inline }: AnswerMessage): void {
    if (stream || this.#head) throw new LinkError('an answer that was not asked for');
    if (inline.length === bodyBytes) return this.#finish(head, inline);
    this.#head = head;
    this.#intake = new Intake(bodyBytes, Math.min(bodyBytes, this.window), this.#pools.rest, (bytes) =>
      this.#ongoing.grant(bytes),
    );
  }

  body(_flags: number, bytes: Buffer): void {
    if (!this.#intake || !this.#head) throw new LinkError('a body without its answer');
    const whole = this.#intake.push(bytes);
    if (whole) this.#finish(this.#head, whole);
  }

  end(): void {
    throw new LinkError('the end of a stream where none is');
  }

  fail(cause: unknown): void {
    this.#release();
    this.#reject(cause);
  }

  #finish(head: Buffer, body: Buffer): void {
    this.#release();
    this.#ongoing.settled();
    this.#resolve({ head, body });
  }

  #release(): void {
    this.#intake?.release();
    if (this.window > 0) this.#pools.first.give(this.window);
  }
}

/** Takes an answer as a stream, as fast as it is read. */
export class StreamAnswer implements Receiver {
  readonly window: number;
  readonly #pools: Pools;
  readonly #ongoing: Ongoing;
  readonly #inflow: Inflow;
  readonly #stopWaiting: Cancel;
  #held = 0;
  #answered = false;
  #over: { readonly cause: unknown } | undefined;
  #released = false;
  #waiting: { resolve(piece: Buffer | undefined): void; reject(cause: unknown): void } | undefined;

  constructor(pools: Pools, ongoing: Ongoing) {
    this.#pools = pools;
    this.#ongoing = ongoing;
    // The stream needs its window to move at all, so it waits for it; the credit then follows the call.
    let window = 0;
    let inConstructor = true;
    this.#stopWaiting = pools.first.wait(limits.linkWindowBytes, () => {
      this.#held = limits.linkWindowBytes;
      if (inConstructor) window = limits.linkWindowBytes;
      else this.#inflow.widen(limits.linkWindowBytes);
    });
    inConstructor = false;
    this.window = window;
    this.#inflow = new Inflow(window, (bytes) => {
      if (!this.#over) this.#ongoing.grant(bytes);
    });
  }

  answer(stream: boolean, { bodyBytes }: AnswerMessage): void {
    if (!stream || this.#answered || bodyBytes > 0) throw new LinkError('an answer that was not asked for');
    this.#answered = true;
  }

  body(flags: number, bytes: Buffer, rest: number): void {
    if (!this.#answered) throw new LinkError('a piece of a stream without its answer');
    const whole = rest === 0;
    this.#inflow.push(bytes, bytes.length + (whole ? headerBytes : 0), whole && (flags & frameFlags.last) !== 0);
    if (this.#waiting) this.#serve();
  }

  end(): void {
    if (!this.#answered) throw new LinkError('the end of a stream without its answer');
    this.#finish(undefined);
    this.#ongoing.settled();
  }

  fail(cause: unknown): void {
    this.#finish(cause);
  }

  /** The next piece, or undefined at the end. Pieces that came before a failure are given first. */
  next(): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  /** Gives back its memory; nothing is read any more. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#stopWaiting();
    if (this.#held > 0) this.#pools.first.give(this.#held);
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    const piece = this.#inflow.take();
    if (!piece && !this.#over) return;
    this.#waiting = undefined;
    if (piece) waiting.resolve(piece);
    else if (this.#over?.cause === undefined) waiting.resolve(undefined);
    else waiting.reject(this.#over.cause);
  }

  #finish(cause: unknown): void {
    if (this.#over) return;
    this.#over = { cause };
    this.#serve();
  }
}

/** What the other side said went wrong. */
export const failureIn = (payload: Buffer): StoreError => errorOf(decodeFailure(payload));
