import type { Cancel, Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type Etcd, EtcdError } from './types.ts';

/**
 * A lease that is kept alive until it is released or lost. Time decides nothing but when to give up: what is written under a lost lease is
 * refused by the transaction itself. A new leader of etcd prolongs all leases, so what lasted for an election is not given up for that.
 */
export class Lease {
  readonly id: number;
  readonly #etcd: Etcd;
  readonly #host: Host;
  readonly #milliseconds: number;
  readonly #lost = new AbortController();
  /** The lease is given up then, on the monotonic clock: `limits.etcdLeaseGraceMs` after it may be over. */
  #until: number;
  #timer: Cancel;
  #renewing: Promise<void> | undefined;

  /** @param granted when its grant was asked for, on the monotonic clock; @param seconds that it lives */
  constructor(etcd: Etcd, host: Host, id: number, granted: number, seconds: number) {
    this.id = id;
    this.#etcd = etcd;
    this.#host = host;
    this.#milliseconds = seconds * 1000;
    this.#until = granted + this.#milliseconds + limits.etcdLeaseGraceMs;
    this.#timer = this.#again(this.#milliseconds / 3);
  }

  /** Aborts when the lease is over or may be; its reason says why. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(why: string): void {
    this.#timer();
    this.#lost.abort(why);
  }

  #again(milliseconds: number): Cancel {
    const left = Math.max(0, this.#until - this.#host.clock.monotonic());
    return this.#host.timers.after(Math.min(milliseconds, left), () => {
      this.#renewing = this.#renew();
    });
  }

  async #renew(): Promise<void> {
    const sent = this.#host.clock.monotonic();
    if (sent >= this.#until) return this.lose('etcd was out of reach for the life of the lease');
    let pause = this.#milliseconds / 3;
    try {
      const seconds = await this.#etcd.keepAlive(this.id);
      if (seconds <= 0) return this.lose('its lease has ended');
      this.#until = sent + seconds * 1000 + limits.etcdLeaseGraceMs;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.outcome === 'refused') return this.lose(error.message);
      pause = limits.etcdBackoffMs;
    }
    if (!this.#lost.signal.aborted) this.#timer = this.#again(pause);
  }

  /** Ends the lease, so that nobody waits for it; when etcd is out of reach it ends by itself. */
  async release(): Promise<void> {
    this.lose('it was given back');
    await this.#renewing;
    await this.#etcd.revoke(this.id).catch((error) => {
      if (!(error instanceof EtcdError)) throw error;
    });
  }
}
