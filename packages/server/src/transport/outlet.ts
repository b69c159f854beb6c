import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import { lengthOf } from './messages.ts';
import type { Wire } from './wire.ts';

/** A body or stream on its way out. */
export interface Source {
  /** The pieces of its next frame, header included; undefined while there is none: {@link Outlet.wake} when there is one again. */
  next(): readonly Uint8Array[] | undefined;
}

interface Queued {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly sent: (() => void) | undefined;
}

/**
 * What a link sends, in which order. Short frames go before those of bodies, bodies take turns frame by frame, and the wire holds only so much at
 * a time: a small call overtakes a large one by all that is not yet in the wire. Frames of one turn of the event loop go out together.
 */
export class Outlet {
  readonly #wire: Wire;
  readonly #timers: Timers;
  #queue: Queued[] = [];
  #at = 0;
  #queuedBytes = 0;
  readonly #sources = new Set<Source>();
  /** Bytes that the wire has not taken yet. */
  #inWire = 0;
  #scheduled = false;
  #closed = false;
  #paused = false;
  #idle: (() => void) | undefined;
  #taken = 0;

  constructor(wire: Wire, timers: Timers) {
    this.#wire = wire;
    this.#timers = timers;
  }

  /** Bytes handed to the wire that it did not take yet. */
  get inWire(): number {
    return this.#inWire;
  }

  /** What the wire took so far, while it is paused for taking too little; 0 otherwise. */
  get takenWhilePaused(): number {
    return this.#paused ? this.#taken : 0;
  }

  /** Queues one frame; `sent` runs when it is handed to the wire. */
  send(pieces: readonly Uint8Array[], sent?: () => void): void {
    if (this.#closed) return;
    const bytes = lengthOf(pieces);
    this.#queue.push({ pieces, bytes, sent });
    this.#queuedBytes += bytes;
    if (this.#queuedBytes > limits.linkQueueBytes && !this.#paused) {
      this.#paused = true;
      this.#wire.pause();
    }
    this.#schedule();
  }

  /** `source` has a frame to send. */
  wake(source: Source): void {
    if (this.#closed) return;
    this.#sources.add(source);
    this.#schedule();
  }

  /** Sends no more of `source`. */
  drop(source: Source): void {
    this.#sources.delete(source);
  }

  /** Runs `then` once nothing is left to send. */
  whenIdle(then: () => void): void {
    this.#idle = then;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#sources.clear();
    this.#idle = undefined;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#timers.soon(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const batch: Uint8Array[] = [];
    let bytes = 0;
    while (!this.#closed && this.#inWire + bytes < limits.linkWriteBytes) {
      const before = bytes;
      bytes += this.#takeQueued(batch);
      bytes += this.#takeSource(batch);
      if (bytes === before) break;
    }
    if (this.#closed) return;
    if (bytes > 0) this.#write(batch, bytes);
    if (this.#paused && this.#queuedBytes < limits.linkQueueBytes / 2) {
      this.#paused = false;
      this.#wire.resume();
    }
    if (this.#idle && this.#queuedBytes === 0 && this.#sources.size === 0 && this.#inWire === 0) {
      const idle = this.#idle;
      this.#idle = undefined;
      idle();
    }
  }

  /** Short frames, up to the length of one long one: then a body has its turn. */
  #takeQueued(batch: Uint8Array[]): number {
    let bytes = 0;
    while (this.#at < this.#queue.length && bytes < limits.linkFrameBytes) {
      const queued = this.#queue[this.#at++] as Queued;
      for (const piece of queued.pieces) batch.push(piece);
      bytes += queued.bytes;
      queued.sent?.();
    }
    if (this.#at === this.#queue.length) {
      this.#queue = [];
      this.#at = 0;
    }
    this.#queuedBytes -= bytes;
    return bytes;
  }

  #takeSource(batch: Uint8Array[]): number {
    for (const source of this.#sources) {
      this.#sources.delete(source);
      const pieces = source.next();
      if (!pieces) continue;
      this.#sources.add(source);
      for (const piece of pieces) batch.push(piece);
      return lengthOf(pieces);
    }
    return 0;
  }

  #write(batch: readonly Uint8Array[], bytes: number): void {
    this.#inWire += bytes;
    this.#wire.write(gathered(batch), () => {
      this.#inWire -= bytes;
      this.#taken += bytes;
      if (!this.#closed) this.#schedule();
    });
  }
}

/** Runs of small pieces copied into one: giving a piece to the wire costs more than copying it. Large pieces stay what they are. */
function gathered(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  if (pieces.length < 2) return pieces;
  const out: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let bytes = 0;
  const close = () => {
    if (run.length > 0) out.push(run.length === 1 ? (run[0] as Uint8Array) : Buffer.concat(run, bytes));
    run = [];
    bytes = 0;
  };
  for (const piece of pieces) {
    if (piece.length >= limits.linkGatherBytes) {
      close();
      out.push(piece);
      continue;
    }
    if (bytes + piece.length > limits.linkGatherBytes) close();
    run.push(piece);
    bytes += piece.length;
  }
  close();
  return out;
}
