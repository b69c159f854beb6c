import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { ReadHorizon } from './horizon.ts';

test('the oldest lease counts until it is left', () => {
  const host = manualHost();
  const horizon = new ReadHorizon(host.clock);
  assert.equal(horizon.oldest(), undefined);
  const first = horizon.enter(7);
  const second = horizon.enter(3);
  assert.equal(horizon.oldest(), 3);
  host.advance(1_000_000);
  assert.equal(horizon.oldest(), 3, 'a lease has no age');
  horizon.leave(second);
  horizon.leave(second);
  assert.equal(horizon.oldest(), 7);
  horizon.leave(first);
  assert.equal(horizon.oldest(), undefined);
});

test('a version that was looked up counts for a while, and then no more', () => {
  const host = manualHost();
  const horizon = new ReadHorizon(host.clock);
  horizon.note(5);
  horizon.note(9);
  host.advance(limits.unopenedReadMs - 1);
  assert.equal(horizon.oldest(), 5);
  host.advance(limits.unopenedReadMs - 1);
  assert.equal(horizon.oldest(), 5, 'one turn ago still counts');
  horizon.note(11);
  host.advance(limits.unopenedReadMs);
  assert.equal(horizon.oldest(), 11);
  host.advance(2 * limits.unopenedReadMs);
  assert.equal(horizon.oldest(), undefined);
});
