import { CorruptionError } from '../errors.ts';
import type { FragmentId, FragmentStore } from '../fragments/index.ts';
import { limits } from '../limits.ts';
import type { Stripe } from '../metadata/index.ts';

/** Bytes of data that one fragment checksum covers: one stored frame (its plaintext and the 16-byte tag), so that a frame read verifies one block. */
export const checksumBytes = limits.frameBytes + 16;

/** Bytes of a stripe id, and of the intent prefix that it begins with. */
export const stripeIdBytes = 16;
export const prefixBytes = 8;

/** Stored bytes of a stripe: its frames, or the plaintext and a 16-byte tag per frame. */
export function storedBytes({ frames, length }: Pick<Stripe, 'length' | 'frames'>): number {
  if (!frames) return length + 16 * Math.ceil(length / limits.frameBytes);
  let bytes = 0;
  for (const frame of frames) bytes += frame;
  return bytes;
}

/** The id of fragment `index` of a stripe: the stripe's id with the index as last byte. */
export function fragmentId(stripe: Buffer, index: number): FragmentId {
  if (index === 0) return stripe;
  const id = Buffer.from(stripe);
  id[stripeIdBytes - 1] = index;
  return id;
}

/** The stripe that a fragment belongs to. */
export function stripeOf(fragment: FragmentId): Buffer {
  if (fragment[stripeIdBytes - 1] === 0) return fragment;
  return fragmentZero(fragment);
}

function fragmentZero(fragment: FragmentId): Buffer {
  const id = Buffer.from(fragment);
  id[stripeIdBytes - 1] = 0;
  return id;
}

/** Which of its stripe's fragments it is. */
export const indexOf = (fragment: FragmentId): number => fragment[stripeIdBytes - 1] as number;

/** The id right behind this one, for paging; undefined behind the last of all. */
export function successor(id: Buffer): Buffer | undefined {
  const next = Buffer.from(id);
  for (let at = next.length - 1; at >= 0; at--) {
    const byte = next[at] as number;
    next[at] = (byte + 1) & 0xff;
    if (byte !== 0xff) return next;
  }
  return undefined;
}

/** The first copy to read: fixed per stripe, so that one device's cache holds it, and spread over the stripes. */
export function preferredCopy(stripe: Buffer, copies: number): number {
  return (stripe[stripeIdBytes - 2] as number) % copies;
}

/** Data bytes of a fragment, undefined when the device has none of that id, `damaged` when its row of the index cannot be read. */
export function lengthOf(store: FragmentStore, id: FragmentId): number | 'damaged' | undefined {
  try {
    return store.length(id);
  } catch (error) {
    if (error instanceof CorruptionError) return 'damaged';
    throw error;
  }
}

/** As {@link lengthOf}, for sums: what nobody knows counts nothing. */
export function knownBytes(store: FragmentStore, id: FragmentId): number {
  const length = lengthOf(store, id);
  return typeof length === 'number' ? length : 0;
}

/** The fragments of a stripe on one device: none, one, or several after its group was given other devices. */
export function fragmentsOn(store: FragmentStore, stripe: Buffer): readonly FragmentId[] {
  const isOf = (id: FragmentId): boolean => id.compare(stripe, 0, stripeIdBytes - 1, 0, stripeIdBytes - 1) === 0;
  let found = store.ids(stripe, 2).filter(isOf);
  if (found.length === 2) found = store.ids(stripe, limits.codeData + limits.codeParity).filter(isOf);
  return found;
}
