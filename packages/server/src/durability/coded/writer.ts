import type { FragmentWriter } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import type { Code, GroupRecord } from '../../metadata/index.ts';
import { createCode, type Loan, lendFragments } from '../erasure/index.ts';
import type { StripeWriter } from '../types.ts';
import { FanOut, type WriterEvents } from '../writer.ts';
import { fragmentBytes, unitBytes } from './striping.ts';
import { encodeTrailer } from './trailer.ts';

/**
 * Writes a stripe as data and parity fragments. What comes is dealt out to a round of units for each data fragment; a full round gets its
 * parity and goes to all devices at once, the last one with the trailers. So about `limits.codingRoundBytes` of a stripe, and the parity of it, are in
 * memory, whatever its length.
 */
export class CodedWriter implements StripeWriter {
  readonly id: Buffer;
  readonly group: number;
  readonly #code: Code;
  readonly #fragments: FanOut;
  /** Units of one fragment in a round. */
  readonly #rows: number;
  /** A round of each fragment, by index, in memory that is lent until the stripe is sealed or given up. */
  #loan: Loan | undefined;
  readonly #round: readonly Uint8Array[];
  /** Bytes of the stripe in this round, and in all before. */
  #filled = 0;
  #before = 0;

  constructor(
    id: Buffer,
    group: GroupRecord,
    code: Code,
    writers: (FragmentWriter | undefined)[],
    events: WriterEvents,
  ) {
    this.id = id;
    this.group = group.id;
    this.#code = code;
    this.#fragments = new FanOut(id, group, writers, events);
    this.#rows = roundRows(code);
    this.#loan = lendFragments(writers.length, this.#rows * unitBytes);
    this.#round = this.#loan.fragments;
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    const whole = this.#rows * this.#code.data * unitBytes;
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        if (this.#filled === whole) await this.#writeRound();
        at += this.#deal(piece, at);
      }
    }
  }

  /** Copies what fits of the unit that is being filled. */
  #deal(piece: Uint8Array, from: number): number {
    const unit = Math.floor(this.#filled / unitBytes);
    const offset = this.#filled % unitBytes;
    const bytes = Math.min(piece.length - from, unitBytes - offset);
    const { data } = this.#code;
    const place = Math.floor(unit / data) * unitBytes + offset;
    (this.#round[unit % data] as Uint8Array).set(piece.subarray(from, from + bytes), place);
    this.#filled += bytes;
    return bytes;
  }

  /** The bytes of each fragment in this round, parity computed. */
  #encode(): Uint8Array[] {
    const { data, parity } = this.#code;
    const longest = fragmentBytes(this.#code, this.#filled, 0);
    const fragments = this.#round.map((bytes) => bytes.subarray(0, longest));
    const lengths = fragments.map((_, index) => fragmentBytes(this.#code, this.#filled, index));
    for (const [index, bytes] of fragments.entries()) if (index < data) bytes.fill(0, lengths[index]);
    createCode(data, parity).encode(fragments.slice(0, data), fragments.slice(data));
    return fragments.map((bytes, index) => bytes.subarray(0, lengths[index]));
  }

  async #writeRound(): Promise<void> {
    const fragments = this.#encode();
    await this.#fragments.write((writer, index) => writer.append([fragments[index] as Uint8Array]));
    this.#before += this.#filled;
    this.#filled = 0;
  }

  /** The last round is written and made durable in one step of each device. */
  async seal(last: readonly Uint8Array[] = []): Promise<void> {
    try {
      await this.append(last);
      const fragments = this.#encode();
      const stored = this.#before + this.#filled;
      await this.#fragments.seal(async (writer, index) => {
        const trailer = encodeTrailer(this.id, { stored, index, code: this.#code });
        await writer.seal([fragments[index] as Uint8Array, trailer]);
      });
    } finally {
      this.#giveBack();
    }
  }

  async abort(): Promise<void> {
    await this.#fragments.abort();
    this.#giveBack();
  }

  #giveBack(): void {
    this.#loan?.give();
    this.#loan = undefined;
  }
}

/** Units of one fragment that are coded, and read for a repair, together. */
export const roundRows = ({ data }: Code): number =>
  Math.max(1, Math.floor(limits.codingRoundBytes / (data * unitBytes)));
