import { StoreError } from '../errors.ts';
import type { FragmentWriter } from '../fragments/index.ts';
import { InvariantError, invariant } from '../invariant.ts';
import type { GroupRecord } from '../metadata/index.ts';
import type { StripeWriter } from './types.ts';

/** Copies that must be durable before a stripe is: all of one or two, all but one of more. */
export const writeQuorum = (copies: number): number => (copies <= 2 ? copies : copies - 1);

/** What a stripe writer tells the store that made it. */
export interface WriterEvents {
  /** The stripe is durable on its quorum, or on all devices that are there, without these copies of its group. */
  sealedWithout(stripe: Buffer, group: GroupRecord, missing: readonly number[]): void;
  /** The stripe is given up: `sealedOn` devices hold a copy that must go. */
  abandoned(stripe: Buffer, sealedOn: readonly string[], failed: boolean): Promise<void>;
}

/**
 * Fans one stripe out to the devices of its group. A copy that fails is dropped as long as the write quorum is left; with less, the whole
 * stripe fails and every copy is given up.
 */
export class GroupWriter implements StripeWriter {
  readonly id: Buffer;
  readonly group: number;
  readonly #group: GroupRecord;
  /** By index in the group; undefined where the copy failed. */
  readonly #copies: (FragmentWriter | undefined)[];
  readonly #events: WriterEvents;
  #state: 'open' | 'sealing' | 'sealed' | 'given up' = 'open';

  constructor(id: Buffer, group: GroupRecord, copies: (FragmentWriter | undefined)[], events: WriterEvents) {
    this.id = id;
    this.group = group.id;
    this.#group = group;
    this.#copies = copies;
    this.#events = events;
  }

  append(pieces: readonly Uint8Array[]): Promise<void> {
    invariant(this.#state === 'open', 'a stripe is appended to while it is open');
    const [only] = this.#copies;
    if (only && this.#copies.length === 1) return only.append(pieces).catch((error) => this.#failOnly(error));
    return this.#onAll((copy) => copy.append(pieces));
  }

  async seal(): Promise<void> {
    invariant(this.#state === 'open', 'a stripe is sealed once, while it is open');
    this.#state = 'sealing';
    await this.#onAll((copy) => copy.seal());
    this.#state = 'sealed';
    const missing = [...this.#copies.keys()].filter((index) => !this.#copies[index]);
    if (missing.length > 0) this.#events.sealedWithout(this.id, this.#group, missing);
  }

  async abort(): Promise<void> {
    if (this.#state === 'given up') return;
    invariant(this.#state === 'open', 'a stripe is aborted before it is sealed');
    await this.#giveUp([], false);
  }

  /** Does one step on every copy, waiting for all even when one fails: the caller may reuse its buffers afterwards. */
  async #onAll(step: (copy: FragmentWriter) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(
      this.#copies.map(async (copy) => {
        if (copy) await step(copy);
      }),
    );
    const failures = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ index, error: result.reason as unknown }] : [],
    );
    if (failures.length === 0) return;
    const done =
      this.#state === 'sealing'
        ? results.flatMap((r, i) => (r.status === 'fulfilled' && this.#copies[i] ? [i] : []))
        : [];
    const failed = failures.map(({ index }) => this.#copies[index]);
    for (const { index } of failures) this.#copies[index] = undefined;
    await abortAll(failed);
    const left = this.#copies.filter((copy) => copy).length;
    if (left >= writeQuorum(this.#copies.length)) return;
    for (const index of done) this.#copies[index] = undefined;
    await this.#giveUp(
      done.map((index) => this.#group.devices[index] as string),
      true,
    );
    throw writeFailure(failures[0]?.error, this.id);
  }

  async #failOnly(error: unknown): Promise<never> {
    await this.#giveUp([], true);
    throw writeFailure(error, this.id);
  }

  async #giveUp(sealedOn: readonly string[], failed: boolean): Promise<void> {
    this.#state = 'given up';
    await abortAll(this.#copies);
    await this.#events.abandoned(this.id, sealedOn, failed);
  }
}

/** Gives up every copy; a device that fails to is left to the collector. */
export async function abortAll(copies: readonly (FragmentWriter | undefined)[]): Promise<void> {
  await Promise.allSettled(copies.flatMap((copy) => (copy ? [copy.abort()] : [])));
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
