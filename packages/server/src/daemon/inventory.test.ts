import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../limits.ts';
import { periodOf } from './inventory.ts';

const at = (text: string, frequency: 'Daily' | 'Weekly', dayMs: number = limits.dayMs) =>
  periodOf(frequency, Date.parse(text), dayMs);

test('a day begins at midnight UTC, a week on Sunday', () => {
  assert.equal(at('2026-11-28T23:59:59.999Z', 'Daily') + 1, at('2026-11-29T00:00:00Z', 'Daily'));
  // 2026-11-29 is a Sunday.
  assert.equal(at('2026-11-28T23:59:59.999Z', 'Weekly') + 1, at('2026-11-29T00:00:00Z', 'Weekly'));
  assert.equal(at('2026-11-29T00:00:00Z', 'Weekly'), at('2026-12-05T23:59:59Z', 'Weekly'));
  assert.equal(at('2026-11-29T00:00:02Z', 'Daily', 1000) - 2, at('2026-11-29T00:00:00Z', 'Daily', 1000));
});
