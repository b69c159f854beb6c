import { limits } from '../limits.ts';
import { frameFlags, frameTypes, headerBytes, putHeader, smallFrame } from './frames.ts';
import type { Outlet, Source } from './outlet.ts';

/** Views of the next `most` bytes of some pieces, in order. */
class Views {
  #pieces: readonly Uint8Array[];
  #index = 0;
  #offset = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  take(most: number, into: Uint8Array[]): void {
    let wanted = most;
    while (wanted > 0) {
      const piece = this.#pieces[this.#index] as Uint8Array;
      const end = Math.min(piece.length, this.#offset + wanted);
      if (end > this.#offset) into.push(piece.subarray(this.#offset, end));
      wanted -= end - this.#offset;
      this.#offset = end;
      if (end === piece.length) {
        this.#index++;
        this.#offset = 0;
      }
    }
  }
}

function header(flags: number, id: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes);
  putHeader(bytes, 0, frameTypes.body, flags, id, length);
  return bytes;
}

/** The body of a call or answer: as many bytes as were announced, as far as the other side gave credit. */
export class BodySource implements Source {
  readonly #outlet: Outlet;
  readonly #id: number;
  readonly #views: Views;
  #rest: number;
  #credit: number;
  readonly #done: () => void;

  constructor(
    outlet: Outlet,
    id: number,
    pieces: readonly Uint8Array[],
    bytes: number,
    credit: number,
    done: () => void,
  ) {
    this.#outlet = outlet;
    this.#id = id;
    this.#views = new Views(pieces);
    this.#rest = bytes;
    this.#credit = credit;
    this.#done = done;
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    this.#outlet.wake(this);
  }

  next(): readonly Uint8Array[] | undefined {
    const length = Math.min(this.#rest, this.#credit, limits.linkFrameBytes);
    if (length === 0) return undefined;
    const pieces: Uint8Array[] = [header(0, this.#id, length)];
    this.#views.take(length, pieces);
    this.#rest -= length;
    this.#credit -= length;
    if (this.#rest === 0) this.#done();
    return pieces;
  }
}

/** What a stream is made of: the pieces of a body first, then those of an iteration. */
async function* chained(body: readonly Uint8Array[], stream: AsyncIterable<Uint8Array> | undefined) {
  yield* body;
  if (stream) yield* stream;
}

/** A stream that answers a call: each piece ends with a frame that says so. Credit counts headers too, so that empty pieces are bounded as well. */
export class StreamSource implements Source {
  readonly #outlet: Outlet;
  readonly #id: number;
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #done: (failure: unknown) => void;
  #credit: number;
  #views: Views | undefined;
  #rest = 0;
  #asking = false;
  #over = false;

  /** @param done runs when nothing more will be sent: with undefined after the end, or with why the iteration failed */
  constructor(
    outlet: Outlet,
    id: number,
    body: readonly Uint8Array[],
    stream: AsyncIterable<Uint8Array> | undefined,
    credit: number,
    done: (failure: unknown) => void,
  ) {
    this.#outlet = outlet;
    this.#id = id;
    this.#iterator = chained(body, stream);
    this.#credit = credit;
    this.#done = done;
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    this.#outlet.wake(this);
  }

  next(): readonly Uint8Array[] | undefined {
    if (this.#over) return undefined;
    if (!this.#views) {
      this.#ask();
      return undefined;
    }
    const length = Math.min(this.#rest, this.#credit - headerBytes, limits.linkFrameBytes);
    if (length < 0 || (length === 0 && this.#rest > 0)) return undefined;
    const last = length === this.#rest;
    const pieces: Uint8Array[] = [header(last ? frameFlags.last : 0, this.#id, length)];
    this.#views.take(length, pieces);
    this.#rest -= length;
    this.#credit -= length + headerBytes;
    if (last) {
      this.#views = undefined;
      this.#ask();
    }
    return pieces;
  }

  /** Ends it early: the iteration is told, and nothing more is sent. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#outlet.drop(this);
    // A generator that waits hears of it when its wait ends; what it throws then concerns nobody any more.
    this.#iterator.return?.().catch(() => {});
  }

  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#iterator.next().then(
      ({ done, value }) => {
        this.#asking = false;
        if (this.#over) return;
        if (done) return this.#finish(undefined);
        if (value.length > limits.linkPieceBytes)
          return this.#fail(new RangeError(`a piece of ${value.length} bytes: ${limits.linkPieceBytes} are allowed`));
        this.#views = new Views([value]);
        this.#rest = value.length;
        this.#outlet.wake(this);
      },
      (cause) => {
        this.#asking = false;
        if (!this.#over) this.#finish(cause ?? new Error('the stream failed'));
      },
    );
  }

  #fail(cause: Error): void {
    this.#iterator.return?.().catch(() => {});
    this.#finish(cause);
  }

  #finish(failure: unknown): void {
    this.#over = true;
    if (failure === undefined) this.#outlet.send([smallFrame(frameTypes.end, this.#id)]);
    this.#done(failure);
  }
}
