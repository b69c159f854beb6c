import type { Entropy } from '../host/index.ts';

const hexOf = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
const bytesInHex = Array.from({ length: 256 }, (_, byte) => hexOf(byte, 2));

/** Sixteen digits in upper case: eight drawn at random when the thread started, and a count that goes on from a random one. */
export function requestIds(entropy: Entropy): () => string {
  const drawn = entropy.bytes(8);
  const beginning = drawn.toString('hex', 0, 4).toUpperCase();
  let count = drawn.readUInt32LE(4);
  /** All but the last two digits, which are all that most ids have of their own. */
  let common = '';
  return () => {
    count = (count + 1) >>> 0;
    if (common === '' || (count & 0xff) === 0) common = beginning + hexOf(count >>> 8, 6);
    return common + bytesInHex[count & 0xff];
  };
}
