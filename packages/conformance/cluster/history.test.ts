import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anomaly, initial, type Operation } from './history.ts';

const write = (value: string, beganAt: number, endedAt: number): Operation => ({
  kind: 'write',
  value,
  beganAt,
  endedAt,
});
const read = (value: string, beganAt: number, endedAt: number): Operation => ({
  kind: 'read',
  value,
  beganAt,
  endedAt,
});

test('what a register can do is accepted', () => {
  assert.equal(anomaly([]), undefined);
  assert.equal(anomaly([read(initial, 0, 1), write('a', 2, 3), read('a', 4, 5)]), undefined);
  // Writes at the same time may take effect in any order, and reads tell which.
  assert.equal(anomaly([write('a', 0, 10), write('b', 0, 10), read('b', 11, 12), read('b', 13, 14)]), undefined);
  // A write of which nobody knows may have happened late, or never.
  assert.equal(anomaly([write('a', 0, Infinity), write('b', 1, 2), read('b', 3, 4), read('a', 5, 6)]), undefined);
  assert.equal(anomaly([write('a', 0, Infinity), write('b', 1, 2), read('b', 3, 4)]), undefined);
});

test('what no register can do is found', () => {
  assert.match(anomaly([write('a', 0, 1), read(initial, 2, 3)]) ?? '', /.+/);
  assert.match(anomaly([write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]) ?? '', /.+/);
  assert.match(
    anomaly([write('a', 0, 10), write('b', 0, 10), read('a', 11, 12), read('b', 13, 14), read('a', 15, 16)]) ?? '',
    /.+/,
  );
  assert.match(anomaly([read('a', 0, 1), write('a', 2, 3)]) ?? '', /before it was written/);
  assert.match(anomaly([read('x', 0, 1)]) ?? '', /never written/);
});

/** Whether some order of the operations, each within its time, explains all reads: by trying them all. */
function explained(history: readonly Operation[], value = initial): boolean {
  if (history.every(({ kind, endedAt }) => kind === 'write' && endedAt === Infinity)) return true;
  const firstEnd = Math.min(...history.map(({ endedAt }) => endedAt));
  return history.some((one, i) => {
    // Nothing may come before one that ended before it began.
    if (one.beganAt > firstEnd) return false;
    if (one.kind === 'read' && one.value !== value) return false;
    return explained(history.toSpliced(i, 1), one.kind === 'write' ? one.value : value);
  });
}

test('it agrees with trying every order', () => {
  const times = fc.tuple(fc.nat(12), fc.nat(12)).filter(([a, b]) => a !== b);
  const arbitrary = fc
    .tuple(
      fc.array(fc.record({ at: times, lost: fc.boolean() }), { maxLength: 3 }),
      fc.array(fc.record({ at: times, of: fc.nat(3) }), { maxLength: 4 }),
    )
    .map(([writes, reads]) => {
      // No two moments are the same, so that "before" has one meaning.
      let nudge = 0;
      const span = ([a, b]: readonly [number, number]) =>
        [Math.min(a, b) + (nudge += 1e-6), Math.max(a, b) + (nudge += 1e-6)] as const;
      return [
        ...writes.map(({ at, lost }, i) => {
          const [began, ended] = span(at);
          return write(`w${i}`, began, lost ? Infinity : ended);
        }),
        ...reads.map(({ at, of }) => read(of < writes.length ? `w${of}` : initial, ...span(at))),
      ];
    });
  fc.assert(
    fc.property(arbitrary, (history) => assert.equal(anomaly(history) === undefined, explained(history))),
    { numRuns: 3000 },
  );
});
