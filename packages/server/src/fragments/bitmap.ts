/** Bits of a region, block 0 in the lowest bit of byte 0. */
export type Bits = Uint8Array;

/** Mask of the bits of byte `index` that lie in [from, to). */
function mask(index: number, from: number, to: number): number {
  const low = Math.max(0, from - index * 8);
  const high = Math.min(8, to - index * 8);
  return ((1 << high) - 1) & ~((1 << low) - 1);
}

export function setBits(bits: Bits, from: number, to: number): void {
  for (let i = from >> 3; i * 8 < to; i++) bits[i] = (bits[i] as number) | mask(i, from, to);
}

export function clearBits(bits: Bits, from: number, to: number): void {
  for (let i = from >> 3; i * 8 < to; i++) bits[i] = (bits[i] as number) & ~mask(i, from, to);
}

export function countBits(bits: Bits, from: number, to: number): number {
  let count = 0;
  for (let i = from >> 3; i * 8 < to; i++) {
    let byte = (bits[i] as number) & mask(i, from, to);
    for (; byte !== 0; byte &= byte - 1) count++;
  }
  return count;
}

/** The last block before `end` whose bit is set; -1 when none is. */
export function lastBit(bits: Bits, end: number): number {
  for (let at = (end - 1) >> 3; at >= 0; at--) {
    const byte = (bits[at] as number) & mask(at, 0, end);
    if (byte !== 0) return at * 8 + 31 - Math.clz32(byte);
  }
  return -1;
}

/** First block at or after `from` whose bit is `value` in the union of both bitmaps; `end` when there is none before it. */
export function nextBit(a: Bits, b: Bits | undefined, value: boolean, from: number, end: number): number {
  const skip = value ? 0 : 0xff;
  for (let at = from; at < end; ) {
    const byte = (a[at >> 3] as number) | (b ? (b[at >> 3] as number) : 0);
    if ((at & 7) === 0 && byte === skip) {
      at += 8;
      continue;
    }
    if (((byte >> (at & 7)) & 1) === (value ? 1 : 0)) return at;
    at++;
  }
  return end;
}
