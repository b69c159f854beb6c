import type { Position } from '../types.ts';
import { encodeStart, type Start } from './batch.ts';
import type { LogKeys } from './keys.ts';
import type { Slots } from './slots.ts';
import type { Etcd, TransactionAnswer } from './types.ts';

/** Slots removed by one transaction. */
const removedAtOnce = 512;

/** The position that durable snapshots of a quorum of the registered replicas cover; 0 when none is registered. */
export async function quorumCovered(etcd: Etcd, keys: LogKeys): Promise<Position> {
  const { pairs } = await etcd.range({ key: keys.coveredFrom, end: keys.coveredEnd });
  const positions = pairs.map(({ value }) => Number(value.toString())).sort((a, b) => b - a);
  const quorum = Math.floor(positions.length / 2) + 1;
  const covered = positions[quorum - 1] ?? 0;
  return Number.isSafeInteger(covered) ? covered : 0;
}

/** Which log is trimmed, on behalf of which owner. */
export interface Trimmed {
  readonly etcd: Etcd;
  readonly keys: LogKeys;
  readonly slots: Slots;
  readonly epoch: number;
  /** Where it is kept from now. */
  readonly start: Start;
  readonly head: Position;
}

/**
 * Where a log may be kept from: the batch that holds the newest position that is both `released` and passed by the slowest follower;
 * further on when followers alone would keep more than `tailBytes`.
 */
export async function findStart(
  { slots, start, head }: Trimmed,
  released: Position,
  slowest: Position,
  tailBytes: number,
): Promise<Start> {
  const at = async (position: Position): Promise<Start> => {
    const batch = position <= start.position ? undefined : await slots.at(Math.min(position, head));
    return batch ? { position: batch.slot, bytes: batch.before } : start;
  };
  const last = await at(released);
  if (slowest >= released) return last;
  const oldest = await at(slowest);
  const fits = ({ bytes }: Start): boolean => last.bytes - bytes <= tailBytes;
  if (fits(oldest)) return oldest;
  // The slowest followers lose what does not fit the bound: the oldest batch from which on all fits.
  let found = last;
  let [low, high] = [oldest.position, last.position];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const start = await at(middle);
    if (fits(start)) found = start;
    if (fits(start)) high = start.position;
    else low = middle;
  }
  return found;
}

/**
 * Lets go of everything before `next`: first says so, then removes. What a crash leaves between the two the next trim removes.
 * @returns the revision at which the last slot was removed, or undefined when etcd or the ownership did not let it
 */
export async function trimTo({ etcd, keys, epoch }: Trimmed, next: Start): Promise<number | undefined> {
  const owned = { key: keys.owner, created: epoch };
  const put = { key: keys.first, value: encodeStart(next) };
  let answer: TransactionAnswer = await etcd.transact({ compare: [owned], success: [{ put }] });
  for (;;) {
    if (!answer.succeeded) return undefined;
    const range = { key: keys.slot(0), end: keys.slot(next.position), limit: removedAtOnce, keysOnly: true };
    const { pairs, more } = await etcd.range(range);
    const last = pairs.at(-1)?.key;
    if (last === undefined) return answer.revision;
    const end = keys.slot(keys.positionOf(last) + 1);
    answer = await etcd.transact({ compare: [owned], success: [{ remove: { key: keys.slot(0), end } }] });
    if (!more) return answer.succeeded ? answer.revision : undefined;
  }
}
