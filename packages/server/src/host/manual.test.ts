import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from './manual.ts';

test('one seed gives one sequence; ids do not repeat', () => {
  const ids = (seed: number) => {
    const { entropy } = manualHost(seed);
    return Array.from({ length: 20_000 }, () => entropy.bytes(8).toString('hex'));
  };
  assert.deepEqual(ids(7), ids(7));
  assert.equal(new Set([...ids(1), ...ids(2)]).size, 40_000);
});

test('timers run in the order in which they come due, and time stands still between', () => {
  const host = manualHost();
  const seen: string[] = [];
  host.timers.after(20, () => seen.push(`b at ${host.clock.monotonic()}`));
  host.timers.after(10, () => seen.push(`a at ${host.clock.monotonic()}`));
  const stop = host.timers.every(15, () => seen.push(`tick at ${host.clock.monotonic()}`));
  host.advance(30);
  stop();
  host.advance(100);
  assert.deepEqual(seen, ['a at 10', 'tick at 15', 'b at 20', 'tick at 30']);
});
