import type { Slice } from '../../objects/index.ts';

/** What a Range header asks of a representation: all of it, a slice of it, or something it does not have. */
export type Range = Slice | 'whole' | 'unsatisfiable';

/** Past every object size, and still exact: digits beyond it all mean "further than any object". */
const farAway = Number.MAX_SAFE_INTEGER;

/** Decimal digits of text[from, to); undefined when there is any other character or none. */
function digits(text: string, from: number, to: number): number | undefined {
  if (from >= to) return undefined;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = Math.min(value * 10 + digit, farAway);
  }
  return value;
}

/**
 * Reads a Range header (RFC 9110 §14.2) as S3 does: one range of bytes is answered; several at once, another unit, and
 * everything that does not parse are as if the header were absent.
 * @param size bytes of the representation
 */
export function parseRange(header: string, size: number): Range {
  if (header.length < 8 || header.slice(0, 6).toLowerCase() !== 'bytes=') return 'whole';
  const dash = header.indexOf('-', 6);
  if (dash < 0) return 'whole';
  if (dash === 6) {
    const suffix = digits(header, 7, header.length);
    if (suffix === undefined) return 'whole';
    if (suffix === 0 || size === 0) return 'unsatisfiable';
    return { start: Math.max(0, size - suffix), end: size };
  }
  const start = digits(header, 6, dash);
  if (start === undefined) return 'whole';
  const open = dash + 1 === header.length;
  const last = open ? farAway : digits(header, dash + 1, header.length);
  if (last === undefined || last < start) return 'whole';
  if (start >= size) return 'unsatisfiable';
  return { start, end: Math.min(last, size - 1) + 1 };
}

/** `bytes=first-last`, both given: the only form that copying a part accepts. undefined for any other. */
export function parseExactRange(header: string): Slice | undefined {
  if (!header.startsWith('bytes=')) return undefined;
  const dash = header.indexOf('-', 6);
  if (dash < 0) return undefined;
  const start = digits(header, 6, dash);
  const last = digits(header, dash + 1, header.length);
  if (start === undefined || last === undefined || last < start || last >= farAway) return undefined;
  return { start, end: last + 1 };
}
