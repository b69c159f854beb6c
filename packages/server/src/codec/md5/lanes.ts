import type { Timers } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { blockBytes, initialState, type Kernel, kernelOfThread, maxLanes } from './kernel.ts';

/*
 * MD5 of the streams of one thread, several at a time.
 *
 * Chunks wait in their stream's queue until the input of this turn of the event loop was read; then what is there is hashed
 * side by side, in steps of at most `digestLaneBytes` per stream: as soon as one stream has no more, another takes its lane.
 * Bytes wait for company at most one turn more: a stream whose peers are slow goes on without them, at the speed of
 * node:crypto. Waiting costs nothing when the thread is idle, because then a turn is over at once.
 *
 * A queue holds the chunks themselves, so they must not be changed after they were given. Whole blocks are copied
 * from them into the kernel's memory, once; fewer bytes than a block stay queued.
 */

/** One running MD5. */
export interface LaneStream {
  /** @returns a promise when the caller must wait before it gives more */
  update(chunk: Uint8Array): Promise<void> | undefined;
  /** Once, after the last chunk. */
  digest(): Promise<Buffer>;
  /** Bytes of the chunks given last that are still read from where they lie. */
  readonly waiting: number;
  /** Forgets what is queued, and gives no digest. Harmless at any time. */
  abandon(): void;
}

export class Md5Lanes {
  readonly #timers: Pick<Timers, 'soon'>;
  readonly #kernel: Kernel = kernelOfThread();
  /** Streams without a digest so far. */
  #open = 0;
  /** Those that have whole blocks queued. */
  #ready: Stream[] = [];
  #scheduled = false;

  constructor(timers: Pick<Timers, 'soon'>) {
    this.#timers = timers;
  }

  /** Bytes that may wait in one stream: with few streams so many that the lanes never run dry, with many no more than they need. */
  get patience(): number {
    const share = Math.floor(limits.digestsWaitingBytes / Math.max(1, this.#open));
    return Math.min(limits.digestWaitingBytes, Math.max(limits.frameBytes, share));
  }

  open(): LaneStream {
    this.#open++;
    return new Stream(this);
  }

  /** Called by a stream when its first whole block is queued. */
  join(stream: Stream): void {
    this.#ready.push(stream);
    this.#schedule();
  }

  /** Called by a stream that needs nothing any more. */
  leave(): void {
    this.#open--;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#timers.soon(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    this.#ready = this.#ready.filter((stream) => stream.blocks > 0);
    while (this.#worthwhile()) this.#step();
    for (const stream of this.#ready) stream.ripe = stream.blocks;
    if (this.#ready.length > 0) this.#schedule();
  }

  /** All lanes are taken, or nobody is left to wait for, or somebody has waited. */
  #worthwhile(): boolean {
    const ready = this.#ready.length;
    if (ready === 0) return false;
    return ready >= maxLanes || ready === this.#open || this.#ready.some((stream) => stream.ripe > 0);
  }

  #step(): void {
    const group = this.#ready.slice(0, maxLanes);
    let blocks = limits.digestLaneBytes / blockBytes;
    for (const stream of group) blocks = Math.min(blocks, stream.blocks);
    const { input, state } = this.#kernel;
    for (const [lane, stream] of group.entries()) {
      stream.take(blocks, input, lane * limits.digestLaneBytes);
      for (let word = 0; word < 4; word++) state[word * maxLanes + lane] = stream.state[word] as number;
    }
    this.#kernel.advance(group.length, blocks);
    for (const [lane, stream] of group.entries()) {
      for (let word = 0; word < 4; word++) stream.state[word] = state[word * maxLanes + lane] as number;
    }
    this.#ready = this.#ready.filter((stream) => stream.blocks > 0);
    for (const stream of group) stream.advanced();
  }
}

class Stream implements LaneStream {
  readonly state = Int32Array.from(initialState);
  /** Blocks that have been queued for a whole turn. */
  ripe = 0;
  readonly #lanes: Md5Lanes;
  #queue: Uint8Array[] = [];
  /** Bytes taken of the first chunk in the queue. */
  #taken = 0;
  #queued = 0;
  #length = 0;
  #ended = false;
  #room: PromiseWithResolvers<void> | undefined;
  #digest: PromiseWithResolvers<Buffer> | undefined;

  constructor(lanes: Md5Lanes) {
    this.#lanes = lanes;
  }

  /** Whole blocks in the queue. */
  get blocks(): number {
    return Math.floor(this.#queued / blockBytes);
  }

  get waiting(): number {
    return this.#queued;
  }

  update(chunk: Uint8Array): Promise<void> | undefined {
    invariant(!this.#ended, 'a digest is not changed after its end');
    this.#length += chunk.length;
    this.#push(chunk);
    if (this.#queued < this.#lanes.patience) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  digest(): Promise<Buffer> {
    invariant(!this.#ended, 'a digest is taken once');
    this.#ended = true;
    this.#digest = Promise.withResolvers();
    this.#push(padding(this.#length));
    return this.#digest.promise;
  }

  abandon(): void {
    if (!this.#ended || this.#digest) this.#lanes.leave();
    this.#ended = true;
    this.#digest = undefined;
    this.#queue = [];
    this.#queued = 0;
    this.ripe = 0;
    this.#room?.resolve();
  }

  /** Moves so many blocks from the queue to `input`, at `at`. */
  take(blocks: number, input: Uint8Array, at: number): void {
    let left = blocks * blockBytes;
    this.#queued -= left;
    this.ripe = Math.max(0, this.ripe - blocks);
    for (let to = at; left > 0; ) {
      const chunk = this.#queue[0] as Uint8Array;
      const size = Math.min(left, chunk.length - this.#taken);
      input.set(chunk.subarray(this.#taken, this.#taken + size), to);
      to += size;
      left -= size;
      this.#taken += size;
      if (this.#taken === chunk.length) {
        this.#queue.shift();
        this.#taken = 0;
      }
    }
  }

  /** The state has moved on. */
  advanced(): void {
    if (this.#room && this.#queued < this.#lanes.patience) {
      this.#room.resolve();
      this.#room = undefined;
    }
    if (!this.#digest || this.#queued > 0) return;
    const out = Buffer.allocUnsafe(16);
    for (let word = 0; word < 4; word++) out.writeInt32LE(this.state[word] as number, 4 * word);
    this.#digest.resolve(out);
    this.#digest = undefined;
    this.#lanes.leave();
  }

  #push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const waiting = this.blocks > 0;
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    if (!waiting && this.blocks > 0) this.#lanes.join(this);
  }
}

/** RFC 1321, 3.1 and 3.2: one bit, zeros up to eight bytes before the end of a block, and the length in bits. */
function padding(length: number): Buffer {
  const rest = length % blockBytes;
  const out = Buffer.alloc((rest < blockBytes - 8 ? blockBytes : 2 * blockBytes) - rest);
  out[0] = 0x80;
  out.writeBigUInt64LE(BigInt(length) * 8n, out.length - 8);
  return out;
}
