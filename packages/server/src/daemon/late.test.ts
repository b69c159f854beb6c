import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { realHost } from '../host/index.ts';
import { until } from '../host/patience.support.ts';
import { limits } from '../limits.ts';
import { loadConfig } from './config.ts';
import { startServer } from './server.ts';
import { scratch } from './store.support.ts';
import { threadPlan } from './workers.ts';

test('a start that fails when its jobs run already says why, and leaves none of them behind', async (t) => {
  const config = loadConfig(
    { data: [path.join(scratch(t), 'data')], address: '127.0.0.1:0', workers: '2', logLevel: 'warn' },
    {},
  );
  const broken = { open: () => Promise.reject(new Error('this worker does not open')), end: async () => {} };
  const workers = Array.from({ length: threadPlan(config.workers).workers }, () => broken);
  assert.ok(workers.length > 0);
  await assert.rejects(startServer(config, workers), /this worker does not open/);
  const told: string[] = [];
  t.mock.method(process.stderr, 'write', (line: string) => told.push(line) > 0);
  // One that was left would look at the closed store, and say that it cannot: its turn comes before the second of this timer, which is as long and was begun later.
  let turns = 0;
  const cancel = realHost().timers.every(limits.targetsLookMs, () => turns++);
  await until(() => turns > 1, 'the turn of a job that is left');
  cancel();
  assert.deepEqual(told, []);
});
