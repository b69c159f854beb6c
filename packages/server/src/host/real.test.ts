import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realHost } from './real.ts';

test('what is due already comes at once, and without a warning on standard error', async (t) => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const { timers } = realHost();
  await timers.sleep(-5);
  await new Promise<void>((resolve) => {
    const kept = setInterval(() => {}, 1000);
    timers.after(-5, () => {
      clearInterval(kept);
      resolve();
    });
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});
