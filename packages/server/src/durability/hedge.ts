import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { FragmentSource } from './whereabouts.ts';

/*
 * A read that takes longer than nineteen of twenty reads of that device did is asked for elsewhere too, and the first answer is taken ("The
 * Tail at Scale", CACM 2013). Only remote devices are watched: on one machine nothing is slow enough, and a timer per read is not free.
 *
 * The 95th percentile is followed without keeping samples: each slower one moves the estimate up, each faster one down, in the ratio that
 * balances there. Hedges are paid from a budget that every read fills a little, so that a cluster that is slow as a whole does not get twice
 * the work.
 */

/** Share of reads that are slower than the estimate, and how far one sample moves it. */
const tail = 0.05;
const gain = 0.2;

export class Hedging {
  readonly #host: Host;
  readonly #estimates = new Map<string, number>();
  #budget: number = limits.hedgesSaved;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Milliseconds after which a read of this device is late. */
  lateAfter(device: string): number {
    const estimate = this.#estimates.get(device) ?? limits.hedgeFloorMs;
    return Math.min(limits.hedgeCeilingMs, Math.max(limits.hedgeFloorMs, estimate));
  }

  #learn(device: string, took: number): void {
    const estimate = this.lateAfter(device);
    const factor = took > estimate ? 1 + gain * (1 - tail) : 1 - gain * tail;
    this.#estimates.set(device, estimate * factor);
  }

  /** How long a read of a remote device takes is remembered. */
  watch<Bytes>(access: FragmentSource, read: Promise<Bytes>): Promise<Bytes> {
    return access.remote ? this.#watch(access.device, read) : read;
  }

  async #watch<Bytes>(device: string, read: Promise<Bytes>): Promise<Bytes> {
    const began = this.#host.clock.monotonic();
    this.#budget = Math.min(limits.hedgesSaved, this.#budget + tail * 2);
    try {
      return await read;
    } finally {
      this.#learn(device, this.#host.clock.monotonic() - began);
    }
  }

  /** Runs `late` once when a read of this device that begins now has become late, and the budget allows another. */
  whenLate(access: FragmentSource, late: () => void): Cancel {
    if (!access.remote) return () => undefined;
    return this.#host.timers.after(this.lateAfter(access.device), () => {
      if (this.#budget < 1) return;
      this.#budget -= 1;
      late();
    });
  }

  /**
   * Answers of `first`, or of `other` when that fails or is late; a late one still counts when it comes before the other.
   * @param other called once at most; its argument is why `first` failed, undefined when it is late
   */
  race<Bytes>(
    access: FragmentSource,
    first: Promise<Bytes>,
    other: (failure: { readonly error: unknown } | undefined) => Promise<Bytes>,
  ): Promise<Bytes> {
    if (!access.remote) return first.catch((error) => other({ error }));
    const watched = this.#watch(access.device, first);
    return new Promise((resolve, reject) => {
      let second: Promise<Bytes> | undefined;
      const cancel = this.whenLate(access, () => {
        second = other(undefined);
        // When the second has nothing, what the first one gives decides.
        second.then(resolve, () => undefined);
      });
      watched.then(
        (bytes) => {
          cancel();
          resolve(bytes);
        },
        (error) => {
          cancel();
          (second ?? other({ error })).then(resolve, reject);
        },
      );
    });
  }
}
