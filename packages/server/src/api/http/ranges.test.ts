import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseExactRange, parseRange, type Range } from './ranges.ts';

describe('parseRange', () => {
  const rows: readonly [header: string, size: number, expected: Range][] = [
    ['bytes=0-0', 100, { start: 0, end: 1 }],
    ['bytes=0-99', 100, { start: 0, end: 100 }],
    ['bytes=0-100', 100, { start: 0, end: 100 }],
    ['bytes=0-', 100, { start: 0, end: 100 }],
    ['bytes=50-', 100, { start: 50, end: 100 }],
    ['bytes=99-99', 100, { start: 99, end: 100 }],
    ['bytes=00-01', 100, { start: 0, end: 2 }],
    ['BYTES=1-2', 100, { start: 1, end: 3 }],
    ['bytes=-1', 100, { start: 99, end: 100 }],
    ['bytes=-100', 100, { start: 0, end: 100 }],
    ['bytes=-101', 100, { start: 0, end: 100 }],
    [`bytes=1-${'9'.repeat(40)}`, 100, { start: 1, end: 100 }],
    [`bytes=-${'9'.repeat(40)}`, 100, { start: 0, end: 100 }],
    ['bytes=-0', 100, 'unsatisfiable'],
    ['bytes=100-', 100, 'unsatisfiable'],
    ['bytes=100-110', 100, 'unsatisfiable'],
    [`bytes=${'9'.repeat(40)}-`, 100, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-5', 0, 'unsatisfiable'],
    ['bytes=40-50', 0, 'unsatisfiable'],
  ];
  for (const [header, size, expected] of rows) {
    it(`${header.slice(0, 30)} of ${size}`, () => assert.deepEqual(parseRange(header, size), expected));
  }

  for (const header of [
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes= -1',
    'bytes=--1',
    'bytes=0 -1',
    'bytes=0--1',
    'bytes=10-5',
    'bytes=abc',
    'bytes=a-z',
    'foo=0-1',
    'bytes=100-x',
    'bytes=0-0,1-2',
    'bytes=0-1;',
    'bytes=+1-2',
    'bytes=1.0-2',
    'bytes=0x1-2',
    'bytes=٠-١',
    ' bytes=0-1',
    'items=0-1',
  ]) {
    it(`passes over ${JSON.stringify(header)}`, () => assert.equal(parseRange(header, 100), 'whole'));
  }

  it('gives a slice of the object or none, whatever the header', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((s) => `bytes=${s}`),
          fc.stringMatching(/^bytes=[0-9]{0,18}-[0-9]{0,18}$/),
        ),
        fc.nat(),
        (header, size) => {
          const range = parseRange(header, size);
          if (typeof range === 'string') return;
          assert.ok(range.start >= 0 && range.start < range.end && range.end <= size);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('parseExactRange', () => {
  it('takes first and last, and nothing else', () => {
    assert.deepEqual(parseExactRange('bytes=0-9'), { start: 0, end: 10 });
    for (const bad of [
      'bytes=0-',
      'bytes=-9',
      'bytes=9-0',
      'bytes=0-9,10-11',
      '0-9',
      'bytes=0-a',
      'bytes 0-9',
      `bytes=0-${'9'.repeat(30)}`,
    ]) {
      assert.equal(parseExactRange(bad), undefined, bad);
    }
  });
});
