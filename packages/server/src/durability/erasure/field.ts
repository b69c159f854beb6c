/*
 * GF(2^8): bytes as polynomials over GF(2) modulo x^8 + x^4 + x^3 + x^2 + 1. Addition is exclusive or.
 */

const polynomial = 0x11d;
/** Powers of x, which generates all but 0; twice, so that a sum of two logarithms needs no modulo. */
const powers = new Uint8Array(510);
const logarithms = new Uint8Array(256);
for (let exponent = 0, value = 1; exponent < 255; exponent++) {
  powers[exponent] = value;
  powers[exponent + 255] = value;
  logarithms[value] = exponent;
  value <<= 1;
  if (value > 255) value ^= polynomial;
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return powers[(logarithms[a] as number) + (logarithms[b] as number)] as number;
}

/** @param a not 0 */
export const inverse = (a: number): number => powers[255 - (logarithms[a] as number)] as number;

/** Products of one factor: with the values of the low half of a byte, then with those of the high half. */
export const productBytes = 32;

/** The {@link productBytes} of every factor, one after the other. */
export const products = new Uint8Array(256 * productBytes);
for (let factor = 0; factor < 256; factor++) {
  for (let half = 0; half < 16; half++) {
    products[factor * productBytes + half] = multiply(factor, half);
    products[factor * productBytes + 16 + half] = multiply(factor, half << 4);
  }
}
