/**
 * What clients saw, from outside. Times are stamps of the scheduler: whole numbers, all different, in the order in which things happened.
 * An operation whose outcome its client never learned ends at infinity.
 */
export const never = Number.POSITIVE_INFINITY;

/** A write of one key. `value` names what it wrote, and no other write of that key wrote the same. */
export interface Write {
  readonly kind: 'write';
  readonly start: number;
  end: number;
  /** Undefined until somebody learns it: the write's answer, or a read of what it wrote. */
  value: string | undefined;
  /** Place in the order that the store says that it decided the writes in; undefined where its client was not told. */
  order: number | undefined;
  /** Who did what, for people. */
  readonly what: string;
  /** Number of the write in the scenario. */
  readonly write: number;
  /** It takes the object away. */
  readonly removes: boolean;
  /** It was refused: nothing of it may ever be seen. */
  refused: boolean;
}

/** A read of one key: what was there, or {@link absent}. Also what a conditional write saw. */
export interface Read {
  readonly kind: 'read';
  readonly start: number;
  readonly end: number;
  readonly value: string;
  readonly order: number | undefined;
  readonly what: string;
}

/** There is no object, and nothing says which write took it away. */
export const absent = 'absent';

/** Everything that happened to one key. */
export interface KeyHistory {
  readonly name: string;
  readonly writes: Write[];
  readonly reads: Read[];
}
