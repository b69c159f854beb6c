import type { Cancel } from '../host/index.ts';
import { limits } from '../limits.ts';
import { LinkError } from './frames.ts';
import type { Pool } from './pool.ts';

/** Gathers a body of announced length, each byte copied at most once. */
export class Intake {
  readonly #total: number;
  readonly #rest: Pool;
  #allowed: number;
  #buffer: Buffer | undefined;
  #filled = 0;
  #beyond = 0;
  #stopWaiting: Cancel | undefined;

  /** @param granted bytes that the other side may send already; @param grant tells it that it may send more */
  constructor(total: number, granted: number, rest: Pool, grant: (bytes: number) => void) {
    this.#total = total;
    this.#rest = rest;
    this.#allowed = granted;
    if (total <= granted) return;
    this.#stopWaiting = rest.wait(total - granted, () => {
      this.#beyond = total - granted;
      this.#allowed = total;
      grant(this.#beyond);
    });
  }

  /**
   * Takes the next bytes. @returns the body when it is whole
   * @throws LinkError when they are more than was allowed
   */
  push(bytes: Buffer): Buffer | undefined {
    const end = this.#filled + bytes.length;
    if (bytes.length === 0 || end > this.#allowed) throw new LinkError('a body beyond its window');
    if (bytes.length === this.#total) return bytes;
    this.#buffer ??= Buffer.allocUnsafeSlow(this.#total);
    bytes.copy(this.#buffer, this.#filled);
    this.#filled = end;
    return end === this.#total ? this.#buffer : undefined;
  }

  /** Gives back what was taken of the pool. */
  release(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    if (this.#beyond > 0) this.#rest.give(this.#beyond);
    this.#beyond = 0;
  }
}

/** Gathers the pieces of a stream until they are taken, and gives credit for what was. */
export class Inflow {
  readonly #grant: (bytes: number) => void;
  #allowed: number;
  readonly #pieces: { readonly bytes: Buffer; readonly cost: number }[] = [];
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #partialCost = 0;
  #owed = 0;

  constructor(granted: number, grant: (bytes: number) => void) {
    this.#allowed = granted;
    this.#grant = grant;
  }

  /** More may be under way from now on. */
  widen(bytes: number): void {
    this.#allowed += bytes;
    this.#grant(bytes);
  }

  /** @param cost what these bytes use up of the credit */
  push(bytes: Buffer, cost: number, last: boolean): void {
    this.#allowed -= cost;
    if (this.#allowed < 0) throw new LinkError('a stream beyond its window');
    this.#partialBytes += bytes.length;
    this.#partialCost += cost;
    if (this.#partialBytes > limits.linkPieceBytes) throw new LinkError('a piece of a stream beyond its largest size');
    if (bytes.length > 0) this.#partial.push(bytes);
    if (last) {
      const [only] = this.#partial;
      const whole = only && this.#partial.length === 1 ? only : Buffer.concat(this.#partial, this.#partialBytes);
      this.#pieces.push({ bytes: whole, cost: this.#partialCost });
      this.#partial = [];
      this.#partialBytes = 0;
      this.#partialCost = 0;
    } else {
      this.#creditPartial();
    }
  }

  /** The next piece that is whole; its bytes may be sent again. */
  take(): Buffer | undefined {
    const piece = this.#pieces.shift();
    if (!piece) return undefined;
    this.#owe(piece.cost);
    this.#creditPartial();
    return piece.bytes;
  }

  /** A piece larger than the window would never become whole: when none waits before it, what came of it is credited at once. */
  #creditPartial(): void {
    if (this.#pieces.length > 0) return;
    this.#owe(this.#partialCost);
    this.#partialCost = 0;
  }

  /** Credit goes out in large steps. */
  #owe(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed < limits.linkWindowBytes / 4) return;
    this.#allowed += this.#owed;
    this.#grant(this.#owed);
    this.#owed = 0;
  }
}
