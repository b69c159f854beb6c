import assert from 'node:assert/strict';
import { parseExactRange, parseRange, type Range } from '../../src/api/http/ranges.ts';
import type { Target } from '../target.ts';

/* A Range header, behind the size of the object (four bytes, little endian): the same as a plain reading of RFC 9110 says. */

function plainly(header: string, size: number): Range {
  const parts = /^bytes=(\d*)-(\d*)$/i.exec(header);
  const [, first = '', last = ''] = parts ?? [];
  if (!parts || (first === '' && last === '')) return 'whole';
  const total = BigInt(size);
  if (first === '') {
    const suffix = BigInt(last);
    if (suffix === 0n || total === 0n) return 'unsatisfiable';
    return { start: Number(suffix > total ? 0n : total - suffix), end: size };
  }
  if (last !== '' && BigInt(last) < BigInt(first)) return 'whole';
  if (BigInt(first) >= total) return 'unsatisfiable';
  const end = last === '' || BigInt(last) >= total ? size : Number(BigInt(last)) + 1;
  return { start: Number(first), end };
}

export const target: Target = {
  name: 'range',
  maximum: 128,
  words: ['bytes=', 'BYTES=', '-', '0', '9', '00', '4294967295', '9007199254740991', '9007199254740992', ',', ' ', '+'],
  check(input) {
    if (input.length < 4) return;
    const size = input.readUInt32LE(0);
    const header = input.toString('latin1', 4);
    const far = /\d{16}/.test(header);
    const range = parseRange(header, size);
    // Beyond 2^53 both ends count as further than any object, and may count as equal.
    if (!far) assert.deepEqual(range, plainly(header, size));
    if (typeof range === 'object') assert.ok(range.start >= 0 && range.start < range.end && range.end <= size);
    const exact = parseExactRange(header);
    if (exact === undefined) return;
    assert.match(header, /^bytes=\d+-\d+$/);
    assert.ok(Number.isSafeInteger(exact.end) && exact.start >= 0 && exact.start < exact.end);
    if (!far && exact.end <= size) assert.deepEqual(range, exact);
  },
};
