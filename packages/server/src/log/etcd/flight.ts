import { CorruptionError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Batch, batchId, encodePlace, type Place } from './batch.ts';
import { refusal } from './failures.ts';
import type { EtcdLog } from './log.ts';
import { EtcdError, type RangeAnswer, type Transaction } from './types.ts';

/** What etcd shows of a batch that is under way. */
type Sight = 'won' | 'deposed' | 'free' | 'waits';

/**
 * One batch on its way into the log.
 *
 * A transaction whose answer is lost may have been made, or may still be made. So the slot is read: if the batch there has this one's id, it
 * won. If the slot is free and this node still owns the log, the same transaction is sent again: only one of the two can find the slot free.
 */
export class Flight {
  readonly batch: Batch;
  /** Resolves when the batch, and those before it, are in the log. */
  readonly landed: Promise<void>;
  readonly #log: EtcdLog;
  readonly #epoch: number;
  readonly #transaction: Transaction;
  readonly #tailBefore: Buffer;
  readonly #previous: Flight | undefined;
  #refused = false;
  #deposed = false;
  #landedYet = false;
  #reject: (error: unknown) => void = () => {};

  /**
   * @param before where the batch goes on from; @param behind what the tail is behind it
   * @param previous the flight before it, as long as that has not landed
   */
  constructor(
    log: EtcdLog,
    epoch: number,
    before: Place,
    behind: Place,
    batch: Batch,
    value: Buffer,
    previous: Flight | undefined,
  ) {
    this.#log = log;
    this.#epoch = epoch;
    this.#previous = previous;
    this.batch = batch;
    this.#tailBefore = encodePlace(before);
    const { keys } = log;
    const slot = keys.slot(batch.slot);
    const reads = [slot, keys.owner, keys.tail].map((key) => ({ range: { key } }));
    this.#transaction = {
      compare: [
        { key: slot, created: 0 },
        ...(before.slot > 0 ? [{ key: keys.slot(before.slot), present: true } as const] : []),
        { key: keys.tail, value: this.#tailBefore },
        { key: keys.owner, created: epoch },
      ],
      success: [{ put: { key: slot, value } }, { put: { key: keys.tail, value: encodePlace(behind) } }],
      failure: reads,
    };
    this.landed = new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#fly().then(() => {
        this.#landedYet = true;
        resolve();
      }, reject);
    });
  }

  /** True when it will not be in the log because etcd refused it or one before it. */
  get refused(): boolean {
    return this.#refused;
  }

  /** True when it failed because this node does not own the log any more. */
  get deposed(): boolean {
    return this.#deposed;
  }

  /** Nobody waits for it any more. */
  fail(error: unknown): void {
    this.#refused = true;
    this.#reject(error);
  }

  async #fly(): Promise<void> {
    /** True when an earlier try may still be made. */
    let doubt = false;
    while (!this.#refused) {
      const previousLanded = this.#previous === undefined || this.#previous.#landedYet;
      const sent = this.#log.host.clock.monotonic();
      let sight: Sight;
      try {
        const answer = await this.#log.etcd.transact(this.#transaction);
        sight = answer.succeeded ? 'won' : this.#see(answer.ranges);
        if (!answer.succeeded && sight === 'free') throw intruder();
        this.#log.heard(sent);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (error.outcome === 'refused') {
          this.#refused = true;
          // With an earlier try in doubt nobody can say what the log will hold: whoever owns it next will see.
          this.#deposed = doubt;
          throw refusal(error);
        }
        doubt = true;
        sight = await this.#look();
      }
      if (sight === 'won') return this.#previous?.landed;
      if (sight === 'deposed') {
        this.#deposed = true;
        throw new Error('another node owns the log');
      }
      if (sight === 'free') await this.#log.host.timers.sleep(limits.etcdBackoffMs);
      if (sight === 'waits') {
        if (previousLanded) throw intruder();
        // It throws when the one before is refused: then so is this one, which was built on it.
        await this.#previous?.landed.catch((error: unknown) => {
          this.#refused = true;
          throw error;
        });
      }
    }
  }

  #see(ranges: readonly RangeAnswer[]): Sight {
    const [slot, owner, tail] = ranges.map(({ pairs }) => pairs[0]);
    if (slot) return batchId(slot.value)?.equals(this.batch.id) ? 'won' : 'deposed';
    if (owner?.created !== this.#epoch) return 'deposed';
    return tail?.value.equals(this.#tailBefore) ? 'free' : 'waits';
  }

  /** Reads what became of a transaction whose answer was lost, as soon as etcd can be reached. */
  async #look(): Promise<Sight> {
    const { keys, etcd, host } = this.#log;
    const requests = [keys.slot(this.batch.slot), keys.owner, keys.tail].map((key) => ({ key }));
    while (!this.#refused) {
      try {
        return this.#see(await etcd.ranges(requests));
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        await host.timers.sleep(limits.etcdBackoffMs);
      }
    }
    return 'free';
  }
}

const intruder = (): CorruptionError =>
  new CorruptionError('the log in etcd was changed by somebody who does not own it');
