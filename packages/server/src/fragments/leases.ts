import { StoreError } from '../errors.ts';
import type { Cancel, Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import { Lease } from './lease.ts';
import type { FragmentOwner } from './types.ts';

/** The window in use for one class of sizes, and the next one, which is opened ahead. */
interface Class {
  current: Lease | undefined;
  next: Promise<Lease> | undefined;
  /** Something was written since the last look. */
  used: boolean;
}

/**
 * The windows of one writer. Small and large fragments have windows of their own. The next window is asked for when a quarter of the
 * present one is left, so that a writer seldom waits for one. Those that nobody writes into are closed: others may need their space.
 */
export class Leases {
  readonly #owner: FragmentOwner;
  readonly #small: Class = { current: undefined, next: undefined, used: false };
  readonly #large: Class = { current: undefined, next: undefined, used: false };
  /** Windows with fragments that are not ended, and the current ones. */
  readonly #all = new Set<Lease>();
  readonly #stopLooking: Cancel;
  #closed = false;

  constructor(owner: FragmentOwner, timers: Timers) {
    this.#owner = owner;
    this.#stopLooking = timers.every(limits.idleWindowMs, () => {
      for (const own of [this.#small, this.#large]) this.#look(own);
    });
  }

  #look(own: Class): void {
    const { current, next, used } = own;
    own.used = false;
    if (used || (current && current.busy > 0)) return;
    own.current = undefined;
    own.next = undefined;
    if (current) this.#retire(current);
    next?.then(
      (lease) => this.#retire(lease),
      () => undefined,
    );
  }

  /** Space for one fragment. Call {@link end} when it is sealed or given up. @throws StoreError StorageFull */
  async take(bytes: number): Promise<{ lease: Lease; address: number }> {
    const own = bytes < limits.smallFragmentBytes ? this.#small : this.#large;
    own.used = true;
    for (;;) {
      if (this.#closed) throw new StoreError('ServiceUnavailable', { message: 'The server is shutting down.' });
      const lease = own.current;
      const address = lease?.take(bytes);
      if (lease && address !== undefined) {
        lease.busy++;
        if (lease.freeBytes < lease.size / 4) void this.#ahead(own, bytes);
        return { lease, address };
      }
      try {
        await this.#advance(own, bytes);
      } catch (error) {
        // On a full device the other class may still have room.
        const other = own === this.#small ? this.#large.current : this.#small.current;
        const place = other?.take(bytes);
        if (!(error instanceof StoreError && error.code === 'StorageFull') || !other || place === undefined)
          throw error;
        other.busy++;
        return { lease: other, address: place };
      }
    }
  }

  /** Whoever comes while a window is being opened shares it. */
  async #advance(own: Class, bytes: number): Promise<void> {
    const before = own.current;
    const next = this.#ahead(own, bytes);
    const lease = await next;
    if (own.next !== next) return; // Another fragment has put it to use already, or the store was closed.
    own.next = undefined;
    own.current = lease;
    if (before) this.#retire(before);
  }

  #ahead(own: Class, bytes: number): Promise<Lease> {
    own.next ??= this.#open(own, bytes);
    return own.next;
  }

  #open(own: Class, bytes: number): Promise<Lease> {
    const opening = this.#owner.openWindow(bytes).then((window) => {
      const lease = new Lease(window);
      this.#all.add(lease);
      return lease;
    });
    // A failure must not stay for those who come later.
    opening.catch(() => {
      if (own.next === opening) own.next = undefined;
    });
    return opening;
  }

  /** One fragment of this window is sealed or given up. */
  end(lease: Lease): void {
    lease.busy--;
    if (lease.retired && lease.busy === 0) void this.#close(lease).catch(() => undefined);
  }

  #retire(lease: Lease): void {
    lease.retired = true;
    if (lease.busy === 0) void this.#close(lease).catch(() => undefined);
  }

  async #close(lease: Lease): Promise<void> {
    if (!this.#all.delete(lease)) return;
    await this.#owner.closeWindow(lease.nonce, lease.unused);
  }

  /** A window whose fragments have all ended is closed now, the others when their last one ends. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopLooking();
    for (const own of [this.#small, this.#large]) {
      const opening = own.next;
      own.next = undefined;
      own.current = undefined;
      await opening?.catch(() => undefined);
    }
    const idle = [...this.#all].filter((lease) => lease.busy === 0);
    for (const lease of this.#all) lease.retired = true;
    await Promise.all(idle.map((lease) => this.#close(lease)));
  }
}
