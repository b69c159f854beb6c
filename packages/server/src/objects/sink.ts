import { release } from '../codec/index.ts';
import type { StripeWriter } from '../durability/index.ts';
import { frameTagBytes } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { Redundancy, Stripe } from '../metadata/index.ts';
import type { Place } from './memory.ts';
import type { Rooms } from './rooms.ts';

const framesPerStripe = limits.stripeBytes / limits.frameBytes;

/** Stored bytes of a whole stripe, or of one with `plain` bytes, when nothing shrinks. */
function storedBound(plain: number): number {
  const bytes = Math.min(plain, limits.stripeBytes);
  return bytes + Math.ceil(bytes / limits.frameBytes) * frameTagBytes;
}

/** What a group of frames ends: its stripe, and maybe the piece. */
type Last = 'stripe' | 'end' | undefined;

/** One stripe on its way. */
interface Open {
  readonly writer: Promise<StripeWriter>;
  /** Stored bytes of each frame. */
  readonly lengths: number[];
  packed: boolean;
  plain: number;
  /** It was told to seal: from then on it is removed, not aborted. */
  sealing: boolean;
}

/**
 * Takes the sealed frames of one piece and writes them into stripes.
 *
 * Frames gather into a group; a full group goes to the devices while the next one gathers, and the caller waits before there would be a third.
 * A finished stripe is sealed (made durable) while the next one is written, one at a time. Nothing is known of the stripes outside until
 * {@link finish}; {@link abort} removes every one of them.
 */
export class StripeSink {
  readonly #rooms: Rooms;
  readonly #redundancy: Redundancy | undefined;
  readonly #shard: number;
  readonly #place: Place | undefined;
  /** Plaintext bytes still to come, when known. */
  #expected: number;
  readonly #all: Open[] = [];
  readonly #done: Stripe[] = [];
  #open: Open | undefined;
  #group: Uint8Array[] = [];
  #groupBytes = 0;
  #groupPlain = 0;
  #plainWritten = 0;
  /** Everything given so far is with the devices. A failure stays here, and everything behind it fails alike. */
  #written: Promise<void> = Promise.resolve();
  #sealed: Promise<void> = Promise.resolve();

  /**
   * @param expected plaintext bytes of the piece, when known: the last stripe then reserves no more than it needs
   * @param shard that will publish the stripes
   * @param place of the body; undefined where it needs none
   */
  constructor(
    rooms: Rooms,
    redundancy: Redundancy | undefined,
    expected: number | undefined,
    shard: number,
    place?: Place,
  ) {
    this.#place = place;
    this.#shard = shard;
    this.#rooms = rooms;
    this.#redundancy = redundancy;
    this.#expected = expected ?? Number.POSITIVE_INFINITY;
  }

  /** Plaintext bytes, from the beginning, that no write reads any more. */
  get plainWritten(): number {
    return this.#plainWritten;
  }

  /** Place of the next frame in its stripe. */
  get frameIndex(): number {
    return this.#open?.lengths.length ?? 0;
  }

  /** Starts the first stripe before its first frame is ready. */
  prepare(): void {
    this.#open ??= this.#start();
  }

  /**
   * @param sealed the frame's stored bytes, not to be changed any more
   * @returns a promise when the caller must wait before it gives the next frame
   */
  add(sealed: readonly Uint8Array[], stored: number, plain: number): Promise<void> | undefined {
    this.#open ??= this.#start();
    const open = this.#open;
    for (const piece of sealed) this.#group.push(piece);
    this.#groupBytes += stored;
    this.#groupPlain += plain;
    open.lengths.push(stored);
    open.plain += plain;
    if (stored !== plain + frameTagBytes) open.packed = true;
    if (open.lengths.length === framesPerStripe) return this.#flush(open, 'stripe');
    const most = this.#place?.group(limits.uploadGroupBytes) ?? limits.uploadGroupBytes;
    return this.#groupBytes >= most ? this.#flush(open, undefined) : undefined;
  }

  /** All stripes, durable. */
  async finish(): Promise<Stripe[]> {
    if (this.#open) void this.#flush(this.#open, 'end').catch(() => {});
    await this.#written;
    await this.#sealed;
    return this.#done;
  }

  /** Leaves nothing behind. What cannot be cleaned up now is left to the collector, which finds what no version points to. */
  async abort(): Promise<void> {
    await this.#written.catch(() => {});
    await this.#sealed.catch(() => {});
    const sealed: Buffer[] = [];
    for (const open of this.#all) {
      const writer = await open.writer.catch(() => undefined);
      if (!writer) continue;
      if (open.sealing) sealed.push(writer.id);
      else await writer.abort().catch(() => {});
    }
    if (sealed.length > 0) await this.#rooms.stripes.remove(sealed).catch(() => {});
  }

  #start(): Open {
    const writer = this.#rooms.stripes.create(this.#redundancy, storedBound(this.#expected), this.#shard);
    writer.catch(() => {});
    this.#expected -= limits.stripeBytes;
    const open: Open = { writer, lengths: [], packed: false, plain: 0, sealing: false };
    this.#all.push(open);
    return open;
  }

  /** Hands the group on, behind the one before, and waits for that one. @param last what ends with it */
  #flush(open: Open, last: Last): Promise<void> {
    const before = this.#written;
    const group = this.#group;
    this.#group = [];
    this.#groupBytes = 0;
    const plain = this.#groupPlain;
    this.#groupPlain = 0;
    if (last) this.#open = undefined;
    this.#written = this.#write(before, open, group, plain, last);
    this.#written.catch(() => {});
    return before;
  }

  async #write(
    before: Promise<void>,
    open: Open,
    group: readonly Uint8Array[],
    plain: number,
    last: Last,
  ): Promise<void> {
    await before;
    const writer = await open.writer;
    // Nothing comes behind the last group: it goes along with the seal, which saves a way to every device that is far.
    if (last !== 'end') {
      await writer.append(group);
      this.#plainWritten += plain;
      this.#free(group);
      if (!last) return;
    }
    await this.#sealed;
    open.sealing = true;
    const frames = open.packed ? open.lengths : undefined;
    this.#done.push({ id: writer.id, group: writer.group, length: open.plain, frames });
    this.#sealed =
      last === 'end'
        ? writer.seal(group).then(() => {
            this.#plainWritten += plain;
            this.#free(group);
          })
        : writer.seal();
    this.#sealed.catch(() => {});
  }

  #free(group: readonly Uint8Array[]): void {
    if (!this.#rooms.plain) for (const piece of group) release(piece);
  }
}
