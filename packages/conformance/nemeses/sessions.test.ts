import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Known, seen } from './sessions.ts';

test('a session that sees what it is bound to, or newer, is told nothing', () => {
  const known: Known = {};
  assert.equal(seen(known, 'a', undefined), undefined);
  assert.equal(seen(known, 'a', { number: 3, knew: { b: 5 } }), undefined);
  assert.equal(seen(known, 'a', { number: 3, knew: {} }), undefined);
  assert.equal(seen(known, 'b', { number: 5, knew: {} }), undefined);
  assert.equal(seen(known, 'b', { number: 9, knew: { a: 1 } }), undefined);
  assert.deepEqual(known, { a: 3, b: 9 });
});

test('going back in time is found: an older state, or none any more', () => {
  for (const later of [{ number: 2, knew: {} }, undefined]) {
    const known: Known = {};
    seen(known, 'a', { number: 3, knew: {} });
    assert.match(seen(known, 'a', later) ?? '', /a was at \d for a session that is bound to 3/);
  }
});

test('a session that does not see its own write is found', () => {
  const known: Known = { mine: 4 };
  assert.match(seen(known, 'mine', { number: 3, knew: {} }) ?? '', /mine was at 3/);
});

test('a write without what its writer had seen is found', () => {
  const known: Known = {};
  seen(known, 'answer', { number: 1, knew: { question: 7 } });
  assert.match(
    seen(known, 'question', { number: 6, knew: {} }) ?? '',
    /question was at 6 for a session that is bound to 7/,
  );
});
