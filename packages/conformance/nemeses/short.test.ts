/*
 * A cluster of five under each kind of fault in turn, while clients write and read at `strong` and sessions at `causal` and `eventual` through all nodes.
 * After each fault every node must be ready again by itself, and what was seen must be what the levels promise. A few seconds each (DSOM_NEMESES_MS).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { etcdMissing, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { pathOf, send } from '../src/request.ts';
import { nemeses, ready } from './nemeses.ts';
import { Registers } from './registers.ts';
import { Sessions } from './sessions.ts';
import { Stage } from './stage.ts';

const nodes = 5;
const lastsMs = Number(process.env['DSOM_NEMESES_MS'] ?? 4000);
const only = process.env['DSOM_NEMESES_ONLY'];
const KiB = 1024;

test(`a cluster of ${nodes} under each fault in turn`, { skip: etcdMissing, timeout: 3_600_000 }, async (t) => {
  const stage = await Stage.open(scratchFolder('nemeses-short'), nodes, 1);
  t.after(() => stage.close());
  const first = stage.cluster.endpoint(0);
  for (const bucket of ['registers', 'sessions']) assert.equal((await send(first, 'PUT', pathOf(bucket))).status, 200);
  const endpoints = () => stage.endpoints();
  const registers = new Registers({
    endpoints,
    bucket: 'registers',
    clients: 6,
    objects: 12,
    sizes: [64, 3 * KiB, 20 * KiB, 200 * KiB],
    restMs: 5,
  });
  const sessions = new Sessions({ endpoints, bucket: 'sessions', sessions: 6, restMs: 10 });
  for (const { name, missing, run } of nemeses) {
    if (only !== undefined && !name.includes(only)) continue;
    await t.test(name, { skip: missing }, async (one) => {
      registers.longestGapMs = 0;
      registers.start();
      sessions.start();
      await sleep(200);
      try {
        await run(stage, lastsMs);
        const took = await until('every node is ready', 90_000, async () =>
          (await Promise.all(endpoints().map(ready))).every(Boolean),
        );
        const before = registers.counts.written;
        const seen = sessions.counts.causal;
        await until('writes are taken, and sessions go on', 60_000, async () => {
          return registers.counts.written > before + 5 && sessions.counts.causal > seen + 5;
        });
        await registers.stop();
        await sessions.stop();
        registers.verify();
        one.diagnostic(
          `ready again after ${Math.round(took)} ms; longest time without any answer at strong ${Math.round(registers.longestGapMs)} ms`,
        );
      } catch (cause) {
        console.log(cause, stage.evidence());
        // A session that went on would be two with the next fault, and break the promises to itself.
        await Promise.allSettled([registers.stop(), sessions.stop()]);
        throw cause;
      }
    });
  }
  await registers.check(endpoints());
  t.diagnostic(`strong: ${JSON.stringify(registers.counts)}; sessions: ${JSON.stringify(sessions.counts)}`);
});
