import type { Redundancy, Stripe } from '../metadata/index.ts';

/** Writes one stripe to all devices of its group. */
export interface StripeWriter {
  readonly id: Buffer;
  readonly group: number;
  /** Stored bytes, in order. Waits for the slowest device. The pieces must not be changed until it resolves. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Durable on its write quorum when it resolves. */
  seal(): Promise<void>;
  /** Gives the space back and settles the stripe. */
  abort(): Promise<void>;
}

/** Bytes of stripes on this server's devices, with their redundancy. One per thread. */
export interface StripeStore {
  /**
   * Starts a stripe on a group that can give the redundancy. A device that fails moves the stripe to another group while nothing was appended yet.
   * @param maximum upper bound of the stored bytes
   * @throws StoreError UnsupportedRedundancy, StorageFull, ServiceUnavailable
   */
  create(redundancy: Redundancy | undefined, maximum: number): Promise<StripeWriter>;
  /**
   * Stored bytes [start, end) of a stripe; their memory is the caller's. A copy that is missing or damaged is read from another device, repaired and counted.
   * @param copy only this copy (index in the group) is read: for a reader whose own check failed on bytes that looked good here
   * @throws StoreError Damaged, naming the stripe, when no good copy is left
   */
  read(stripe: Pick<Stripe, 'id' | 'group'>, start: number, end: number, copy?: number): Promise<Buffer>;
  /**
   * As {@link read}, but without a look at the checksums: for a reader who tells wrong bytes himself, and then asks for them once more.
   */
  fetch(stripe: Pick<Stripe, 'id' | 'group'>, start: number, end: number): Promise<Buffer>;
  /** A reader found that one copy of a stripe does not open though its checksums hold: count it and repair it from another copy. */
  distrust(stripe: Pick<Stripe, 'id' | 'group'>, copy: number): void;
  /** Copies that a stripe is meant to have, and how many of them its devices do not have now: index look-ups, no data is read. */
  copies(stripe: Pick<Stripe, 'id' | 'group'>): { readonly copies: number; readonly missing: number };
  /**
   * The proposal that publishes these stripes was answered, either way. An intent closes only when all its stripes are settled, because
   * publishing under a closed intent is refused.
   */
  settle(stripes: readonly Buffer[]): void;
  /** Removes every fragment of stripes that were never published (a failed PUT), and settles them. */
  remove(stripes: readonly Buffer[]): Promise<void>;
  close(): Promise<void>;
}

/** Reports one bad copy, so that it is counted and repaired. */
export interface DamageReport {
  readonly stripe: Buffer;
  readonly device: string;
  readonly reason: 'missing' | 'damaged' | 'unreadable';
  readonly repaired: boolean;
}
