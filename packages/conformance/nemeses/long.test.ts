/*
 * A cluster of five under all faults, one, two or three at a time in changing combinations, until clients and sessions have made so many operations
 * (DSOM_NEMESES_OPERATIONS) or so much time is over (DSOM_NEMESES_SECONDS): no anomaly at `strong`, every promise of `causal` kept, no wrong byte.
 * `npm run test:nemeses:long`; without these two it is skipped.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { etcdMissing, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { pathOf, send } from '../src/request.ts';
import { nemeses, ready } from './nemeses.ts';
import { Registers } from './registers.ts';
import { keepResult } from './results.ts';
import { Sessions } from './sessions.ts';
import { Stage } from './stage.ts';

const operations = Number(process.env['DSOM_NEMESES_OPERATIONS'] ?? 0);
const seconds = Number(process.env['DSOM_NEMESES_SECONDS'] ?? Infinity);
const nodes = 5;
const KiB = 1024;
const skip = etcdMissing || (operations === 0 && 'DSOM_NEMESES_OPERATIONS says how many operations');

test(`${operations} operations on a cluster of ${nodes} under combined faults`, {
  skip,
  timeout: Number.isFinite(seconds) ? (seconds + 900) * 1000 : 24 * 3_600_000,
}, async (t) => {
  const began = new Date();
  const startedAt = performance.now();
  const stage = await Stage.open(scratchFolder('nemeses-long'), nodes, 1);
  stage.calm = false;
  t.after(() => stage.close());
  for (const bucket of ['registers', 'sessions'])
    assert.equal((await send(stage.cluster.endpoint(0), 'PUT', pathOf(bucket))).status, 200);
  const endpoints = () => stage.endpoints();
  // Small objects for the most part: it is the number of operations that counts here.
  const sizes = [...Array<number>(12).fill(64), 3 * KiB, 3 * KiB, 20 * KiB, 200 * KiB];
  const registers = new Registers({ endpoints, bucket: 'registers', clients: 240, objects: 320, sizes, restMs: 0 });
  const sessions = new Sessions({ endpoints, bucket: 'sessions', sessions: 160, restMs: 0 });
  const done = (): number => registers.operations + sessions.operations;
  const times = new Map<string, number>();
  const here = nemeses.filter(({ missing }) => missing === false);
  const enough = (): boolean => done() >= operations || performance.now() - startedAt > seconds * 1000;
  registers.start();
  sessions.start();
  try {
    for (let round = 1; !enough(); round++) {
      const chosen = here.toSorted(() => Math.random() - 0.5).slice(0, 1 + (round % 3));
      for (const { name } of chosen) times.set(name, (times.get(name) ?? 0) + 1);
      await Promise.all(chosen.map((one) => one.run(stage, 1000 + Math.random() * 7000)));
      // Now and then all is well for a while, or nothing but faults would be tested.
      if (round % 3 === 0)
        await until('every node is ready', 180_000, async () =>
          (await Promise.all(endpoints().map(ready))).every(Boolean),
        );
      await sleep(500);
      if (!registers.running || !sessions.running) break;
      if (round % 4 !== 0) continue;
      registers.verify();
      console.log(
        `${round} rounds, ${done()} operations: ${JSON.stringify({ ...registers.counts, sessions: sessions.counts })}`,
      );
    }
    await registers.stop();
    await sessions.stop();
    await until('every node is ready', 180_000, async () => (await Promise.all(endpoints().map(ready))).every(Boolean));
    await registers.check(endpoints());
  } catch (cause) {
    console.log(cause, stage.evidence());
    throw cause;
  }
  const strong = registers.counts;
  const causal = sessions.counts;
  const result = [
    `${done()} operations on ${nodes} nodes: at strong ${strong.written} writes (${strong.conditional} conditional) and ${strong.read} reads answered, ${strong.unknown} writes of unknown outcome, ${strong.refused} reads refused;`,
    `in sessions ${causal.written} writes, ${causal.causal} reads at causal and ${causal.eventual} at eventual (${causal.stale} marked as stale), ${causal.unknown} writes of unknown outcome, ${causal.refused} reads refused.`,
    `0 anomalies at strong, session guarantees kept, no wrong byte. Faults, and how often:\n`,
    ...[...times].toSorted().map(([name, count]) => `- ${name}: ${count}`),
    ...nemeses
      .filter(({ missing }) => missing !== false)
      .map(({ name, missing }) => `- not here: ${name} (${missing})`),
  ].join('\n');
  t.diagnostic(result);
  keepResult('combined', 'Combined faults on a cluster of five', began, result, 'npm run test:nemeses:long');
});
