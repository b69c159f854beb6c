import { checkKey } from './checks.ts';
import type { Environment } from './environment.ts';
import type { KvChange } from './types.ts';

/*
 * Counts of commits in memory that threads share. They say how long a reader may keep what it has read: most commits change rows of a few kinds,
 * and what is asked for with every request (a bucket, an access key) is hardly ever among them.
 *
 * Place 0 counts all commits. Place 1 + b is about rows whose keys begin with byte b, the rows of a table: odd while a commit that changes
 * such rows may become visible at any moment, even otherwise.
 *
 *   Writer: 1. the places of what it has changed become odd. 2. The commit becomes visible. 3. Place 0 moves. 4. The places of 1 become even.
 *   Reader: a. looks at the place of its table. Odd: it neither uses nor keeps anything. The same as at the last time: what it kept is right.
 *           b. Else it forgets, renews its read transaction if place 0 has moved, reads, and keeps what it found under the number of a.
 *
 * Invariant: what is kept under an even number n has been read from a state with every commit that n counts (3 comes before 4, so b renews);
 * and from the first moment that anybody can see a commit until for ever, the place is not n any more (1 comes before 2). So nothing kept is
 * used once a commit that changed its table is visible: not when the commit has returned, and not by a reader that happens to see it before.
 *
 * Without 1, a reader might read the position of a commit and answer, at that position, with what it had kept. With 4 before 3, it might keep
 * the old row under the new number, for good. A commit that fails is counted like any other: who could tell whether anything of it was seen.
 */

const ALL = 0;
const TABLES = 1;

/** All at zero. */
export const newCounts = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * (TABLES + 256)));

/** How many commits there were. */
export const commitsOf = (counts: Int32Array): number => Atomics.load(counts, ALL);

/** {@link KvView.changeCount}. */
export function changeCountOf(counts: Int32Array, first: number): number | undefined {
  const count = Atomics.load(counts, TABLES + first);
  return count & 1 ? undefined : count;
}

/** Commits all changes or none, and counts them. Returns the bytes of their values. */
export function commitCounted(
  counts: Int32Array,
  environment: Pick<Environment, 'put' | 'remove' | 'transactionSync'>,
  changes: Iterable<KvChange>,
): number {
  const firsts = new Set<number>();
  let marked = false;
  let bytes = 0;
  try {
    environment.transactionSync(() => {
      for (const [key, value] of changes) {
        checkKey(key);
        firsts.add(key[0]!);
        if (value === undefined) environment.remove(key);
        else {
          environment.put(key, value);
          bytes += value.length;
        }
      }
      marked = true;
      for (const first of firsts) Atomics.add(counts, TABLES + first, 1);
    });
  } finally {
    if (marked) {
      Atomics.add(counts, ALL, 1);
      for (const first of firsts) Atomics.add(counts, TABLES + first, 1);
    }
  }
  return bytes;
}
