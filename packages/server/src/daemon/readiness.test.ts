import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Readiness } from './protocol.ts';
import { askReadiness } from './readiness.ts';

const good: Readiness = { ready: true, reasons: [], degraded: [] };

test('an owner that answers is believed', async () => {
  const { timers } = manualHost();
  assert.deepEqual(await askReadiness({ readiness: async () => good }, timers), good);
});

test('an owner that is silent or fails: not ready, and it is not claimed that nothing lacks', async () => {
  const host = manualHost();
  const silent = askReadiness({ readiness: () => new Promise(() => {}) }, host.timers);
  host.advance(limits.readinessMs);
  const failed = askReadiness({ readiness: () => Promise.reject(new Error('the owner is gone')) }, host.timers);
  for (const [answer, reason] of [
    [await silent, 'the owner of the log does not answer'],
    [await failed, 'the owner is gone'],
  ] as const) {
    assert.equal(answer.ready, false);
    assert.deepEqual(answer.reasons, [reason]);
    assert.match(answer.degraded.join(), /what lacks is not known/);
  }
});
