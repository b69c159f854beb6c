import type { Redundancy, Stripe } from '../metadata/index.ts';

/** Writes one stripe to the devices of its group. */
export interface StripeWriter {
  readonly id: Buffer;
  readonly group: number;
  /** Stored bytes, in order. Waits for the slowest device. The pieces must not be changed until it resolves. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /** Durable on its write quorum when it resolves. @param last stored bytes to append before, as {@link append} */
  seal(last?: readonly Uint8Array[]): Promise<void>;
  /** Gives the space back and settles the stripe. */
  abort(): Promise<void>;
}

/** Bytes of stripes on this server's devices, with their redundancy. One per thread. */
export interface StripeStore {
  /**
   * Starts a stripe on a group that can give the redundancy. A device that fails moves the stripe to another group while nothing was appended yet.
   * @param maximum upper bound of the stored bytes
   * @param shard that will publish it; 0 when left out
   * @throws StoreError UnsupportedRedundancy, StorageFull, ServiceUnavailable
   */
  create(redundancy: Redundancy | undefined, maximum: number, shard?: number): Promise<StripeWriter>;
  /**
   * Stored bytes [start, end) of a stripe, each block verified; their memory is the caller's. A fragment that is missing or damaged is made up for by
   * others, repaired and counted.
   * @throws StoreError Damaged, naming the stripe, when too few good fragments are left; ServiceUnavailable when others may be on devices that are away
   */
  read(stripe: Stripe, start: number, end: number): Promise<Buffer>;
  /**
   * As {@link read}, but without a look at the checksums: for a reader who tells wrong bytes himself, and then asks for them once more.
   */
  fetch(stripe: Stripe, start: number, end: number): Promise<Buffer>;
  /**
   * For a reader who could not open what {@link read} gave: shows it the bytes as other fragments have them, until it opens some. The fragments
   * that these prove wrong are counted and repaired.
   * @param open what it makes of the bytes, which are its own; undefined when they do not open
   * @throws StoreError Damaged when none do
   */
  search<Opened>(
    stripe: Stripe,
    start: number,
    end: number,
    open: (stored: Buffer) => Opened | undefined,
  ): Promise<Opened>;
  /**
   * Whether stripes can be kept so here: has placement groups defined when nobody asked for it before.
   * @throws StoreError UnsupportedRedundancy, saying what would be needed
   */
  prepare(redundancy: Redundancy): Promise<void>;
  /** Copies that who asks for nothing gets. */
  usual(): number;
  /** Whether the layout has places for it, in failure domains of their own. Asked often: it only looks up. */
  carries(redundancy: Redundancy): boolean;
  /** What a stripe that is there would be written with when it is asked for: small stripes of a code are copies. */
  redundancyFor(stripe: Pick<Stripe, 'length' | 'frames'>, redundancy: Redundancy): Redundancy;
  /** How many fragments of a stripe are not there now, as far as that is known without asking another machine: index look-ups, no data is read. */
  lacking(stripe: Pick<Stripe, 'id' | 'group'>): number;
  /** What a stripe of this group is kept with; undefined when the group is not known. */
  redundancyOf(group: number): Redundancy | undefined;
  /**
   * The proposal that publishes these stripes was answered, either way. An intent closes only when all its stripes are settled, because
   * publishing under a closed intent is refused.
   */
  settle(stripes: readonly Buffer[]): void;
  /** Removes every fragment of stripes that were never published (a failed PUT), and settles them. */
  remove(stripes: readonly Buffer[]): Promise<void>;
  close(): Promise<void>;
}

/** Reports one bad fragment, so that it is counted and repaired. */
export interface DamageReport {
  readonly stripe: Buffer;
  readonly device: string;
  readonly reason: 'missing' | 'damaged' | 'unreadable';
  readonly repaired: boolean;
}
