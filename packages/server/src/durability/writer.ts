import { StoreError } from '../errors.ts';
import type { FragmentWriter } from '../fragments/index.ts';
import { InvariantError, invariant } from '../invariant.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { redundancyOf, writeQuorum } from './scheme.ts';
import type { StripeWriter } from './types.ts';

/** What a stripe writer tells the store that made it. */
export interface WriterEvents {
  /** The stripe is durable on its quorum, or on all devices that are there, without these fragments. */
  sealedWithout(stripe: Buffer, group: GroupRecord, missing: readonly number[]): void;
  /** The stripe is given up: `sealedOn` devices hold a fragment that must go. */
  abandoned(stripe: Buffer, sealedOn: readonly string[], failed: boolean): Promise<void>;
}

/** One step of a fragment's writer. */
type Step = (writer: FragmentWriter, index: number) => Promise<void>;

/**
 * The writers of one stripe's fragments, in step. A fragment that fails is dropped as long as the write quorum is left; with less, the whole
 * stripe fails and every fragment is given up.
 */
export class FanOut {
  readonly #id: Buffer;
  readonly #group: GroupRecord;
  /** By index in the group; undefined where the fragment failed. */
  readonly #writers: (FragmentWriter | undefined)[];
  readonly #quorum: number;
  readonly #events: WriterEvents;
  #state: 'open' | 'sealing' | 'sealed' | 'given up' = 'open';

  constructor(id: Buffer, group: GroupRecord, writers: (FragmentWriter | undefined)[], events: WriterEvents) {
    this.#id = id;
    this.#group = group;
    this.#writers = writers;
    this.#quorum = writeQuorum(redundancyOf(group));
    this.#events = events;
  }

  /** Does one step of all fragments while the stripe is open. */
  write(step: Step): Promise<void> {
    invariant(this.#state === 'open', 'a stripe is appended to while it is open');
    const [only] = this.#writers;
    if (only && this.#writers.length === 1) return step(only, 0).catch((error) => this.#failOnly(error));
    return this.#onAll(step);
  }

  /** The last step, which makes them durable. */
  async seal(step: Step): Promise<void> {
    invariant(this.#state === 'open', 'a stripe is sealed once, while it is open');
    this.#state = 'sealing';
    await this.#onAll(step);
    this.#state = 'sealed';
    const missing = [...this.#writers.keys()].filter((index) => !this.#writers[index]);
    if (missing.length > 0) this.#events.sealedWithout(this.#id, this.#group, missing);
  }

  async abort(): Promise<void> {
    if (this.#state === 'given up') return;
    invariant(this.#state === 'open', 'a stripe is aborted before it is sealed');
    await this.#giveUp([], false);
  }

  /** Waits for all even when one fails: the caller may reuse its buffers afterwards. */
  async #onAll(step: Step): Promise<void> {
    const results = await Promise.allSettled(
      this.#writers.map(async (writer, index) => {
        if (writer) await step(writer, index);
      }),
    );
    const failures = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ index, error: result.reason as unknown }] : [],
    );
    if (failures.length === 0) return;
    const done =
      this.#state === 'sealing'
        ? results.flatMap((r, i) => (r.status === 'fulfilled' && this.#writers[i] ? [i] : []))
        : [];
    const failed = failures.map(({ index }) => this.#writers[index]);
    for (const { index } of failures) this.#writers[index] = undefined;
    await abortAll(failed);
    const left = this.#writers.filter((writer) => writer).length;
    if (left >= this.#quorum) return;
    for (const index of done) this.#writers[index] = undefined;
    await this.#giveUp(
      done.map((index) => this.#group.devices[index] as string),
      true,
    );
    throw writeFailure(failures[0]?.error, this.#id);
  }

  async #failOnly(error: unknown): Promise<never> {
    await this.#giveUp([], true);
    throw writeFailure(error, this.#id);
  }

  async #giveUp(sealedOn: readonly string[], failed: boolean): Promise<void> {
    this.#state = 'given up';
    await abortAll(this.#writers);
    await this.#events.abandoned(this.#id, sealedOn, failed);
  }
}

/** Writes the same bytes to every device of a group. */
export class CopiesWriter implements StripeWriter {
  readonly id: Buffer;
  readonly group: number;
  readonly #copies: FanOut;

  constructor(id: Buffer, group: GroupRecord, writers: (FragmentWriter | undefined)[], events: WriterEvents) {
    this.id = id;
    this.group = group.id;
    this.#copies = new FanOut(id, group, writers, events);
  }

  append(pieces: readonly Uint8Array[]): Promise<void> {
    return this.#copies.write((copy) => copy.append(pieces));
  }

  seal(last?: readonly Uint8Array[]): Promise<void> {
    return this.#copies.seal((copy) => copy.seal(last));
  }

  abort(): Promise<void> {
    return this.#copies.abort();
  }
}

/** Gives up every fragment; a device that fails to is left to the collector. */
export async function abortAll(writers: readonly (FragmentWriter | undefined)[]): Promise<void> {
  await Promise.allSettled(writers.flatMap((writer) => (writer ? [writer.abort()] : [])));
}

/** What the client is told when a stripe could not be written: the device's own error when it has one. */
function writeFailure(error: unknown, stripe: Buffer): Error {
  if (error instanceof StoreError || error instanceof InvariantError) return error;
  return new StoreError('ServiceUnavailable', {
    message: 'A storage device failed while the bytes were written. Try again.',
    resource: stripe.toString('hex'),
    cause: error,
  });
}
