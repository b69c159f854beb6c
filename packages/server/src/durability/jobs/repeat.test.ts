import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { drive } from '../memory.fixture.ts';
import { Pace } from './pace.ts';
import { ProgressMeter } from './progress.ts';
import { repeat } from './repeat.ts';

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

test('runs again after each end, on demand, and never twice at the same time', async () => {
  const host = manualHost();
  const ends: (() => void)[] = [];
  let running = 0;
  let runs = 0;
  const errors: unknown[] = [];
  const job = repeat({
    host,
    everyMs: 100,
    onError: (error) => errors.push(error),
    run: async () => {
      runs += 1;
      running += 1;
      assert.equal(running, 1);
      await new Promise<void>((resolve) => ends.push(resolve));
      running -= 1;
      if (runs === 2) throw new Error('second fails');
    },
  });
  const end = async (): Promise<void> => {
    ends.shift()?.();
    await settle();
  };
  host.advance(99);
  assert.equal(runs, 0);
  host.advance(1);
  assert.equal(runs, 1);
  host.advance(1000);
  assert.equal(runs, 1);
  job.nudge();
  job.nudge();
  assert.equal(runs, 1);
  await end();
  assert.equal(runs, 2);
  await end();
  assert.equal(errors.length, 1);
  host.advance(99);
  assert.equal(runs, 2);
  job.nudge();
  assert.equal(runs, 3);
  let stopped = false;
  const stopping = job.stop().then(() => {
    stopped = true;
  });
  await settle();
  assert.equal(stopped, false);
  await end();
  await stopping;
  job.nudge();
  host.advance(1000);
  assert.equal(runs, 3);
});

test('a job rests between slices, keeps to its rate and can be cancelled', async () => {
  const host = manualHost();
  const stop = new AbortController();
  const pace = new Pace(host, { signal: stop.signal });
  await pace.step();
  await pace.step(1_000_000);
  assert.equal(host.clock.monotonic(), 0);
  host.advance(limits.jobSliceMs);
  const resting = pace.step();
  let rested = false;
  void resting.then(() => {
    rested = true;
  });
  await settle();
  assert.equal(rested, false);
  await drive(host, resting);
  pace.limit(1000);
  const began = host.clock.monotonic();
  for (let i = 0; i < 20; i++) await drive(host, pace.step(100));
  const took = host.clock.monotonic() - began;
  assert.ok(took > 2000 - 2 * limits.jobBurstMs && took < 2200, String(took));
  const waiting = pace.step(1_000_000);
  stop.abort(new Error('enough'));
  await assert.rejects(drive(host, waiting), /enough/);
  assert.throws(() => pace.check(), /enough/);
});

test('progress counts units, bytes, rate and what is left', () => {
  const host = manualHost();
  const meter = new ProgressMeter(host.clock);
  assert.deepEqual(meter.snapshot(), { phase: 'idle', done: 0, total: 0, bytes: 0, rate: 0, etaMs: undefined });
  meter.start();
  meter.phase('reading', 100);
  host.advance(2000);
  meter.advance(20, 5000);
  assert.deepEqual(meter.snapshot(), { phase: 'reading', done: 20, total: 100, bytes: 5000, rate: 10, etaMs: 8000 });
  meter.advance(90);
  assert.deepEqual(meter.snapshot().total, 110);
  meter.phase('next', 5);
  assert.deepEqual([meter.snapshot().done, meter.snapshot().bytes], [0, 5000]);
});
