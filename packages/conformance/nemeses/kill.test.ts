/*
 * Nodes of a cluster of five are killed under load, one, two or all of them, with and without their member of etcd: no write that was answered is
 * lost, none is corrupt, each object is one register, and every node comes back by itself.
 *
 * `npm run test:nemeses:kill` for 300 cycles, whose result is kept in results/; `DSOM_KILL_CYCLES` for other numbers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, etcdMissing, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { pathOf, send } from '../src/request.ts';
import { Registers } from './registers.ts';
import { keepResult } from './results.ts';

const cycles = Number(process.env['DSOM_KILL_CYCLES'] ?? 3);
/** It ends earlier after so many seconds, and says how far it came. */
const seconds = Number(process.env['DSOM_KILL_SECONDS'] ?? Infinity);
const nodes = 5;
const KiB = 1024;

const pick = (count: number): number => Math.floor(Math.random() * count);

/** Who dies in a cycle: one of them, the owner of a shard, two at once, or all. */
async function victims(cluster: Cluster): Promise<number[]> {
  const roll = Math.random();
  if (roll < 0.5) return [pick(nodes)];
  if (roll < 0.7) return [Math.max(0, await cluster.leader(pick(nodes), pick(2)).catch(() => 0))];
  if (roll < 0.9) {
    const first = pick(nodes);
    return [first, (first + 1 + pick(nodes - 1)) % nodes];
  }
  return Array.from({ length: nodes }, (_, index) => index);
}

test(`kill -9 of nodes of a cluster of ${nodes} under load, ${cycles} times`, {
  skip: etcdMissing,
  timeout: 300_000 + cycles * 60_000,
}, async (t) => {
  const began = new Date();
  const cluster = await Cluster.start(scratchFolder('nemeses-kill'), nodes);
  t.after(() => cluster.stop('SIGKILL'));
  assert.equal((await send(cluster.endpoint(0), 'PUT', pathOf('registers'))).status, 200);
  const registers = new Registers({
    endpoints: () => cluster.endpoints(),
    bucket: 'registers',
    clients: 8,
    objects: 48,
    sizes: [64, 4 * KiB, 20 * KiB, 300 * KiB, KiB * KiB],
    restMs: 2,
  });
  let done = 0;
  let killed = 0;
  let slowestMs = 0;
  try {
    for (; done < cycles && Date.now() - began.getTime() < seconds * 1000; done++) {
      registers.start();
      const enough = registers.counts.written + 5;
      await sleep(300 + Math.random() * 1200);
      // A machine that does much else may have answered nothing yet.
      await until('some writes are answered', 60_000, async () => registers.counts.written > enough);
      const dead = await victims(cluster);
      const withMember = Math.random() < 0.5;
      await Promise.all(
        dead.map((index) => (withMember ? cluster.end(index) : cluster.nodes[index]?.server.stop('SIGKILL'))),
      );
      killed += dead.length;
      await sleep(Math.random() * 1000);
      await registers.stop();
      const down = performance.now();
      await cluster.restartAll(dead, 'live');
      await until('every node is ready', 120_000, async () => {
        const asked = cluster.endpoints().map((one) => send(one, 'GET', '/-/health/ready', { anonymous: true }));
        return (await Promise.all(asked)).every(({ status }) => status === 200);
      });
      slowestMs = Math.max(slowestMs, performance.now() - down);
      await registers.check([cluster.endpoint(pick(nodes))]);
      if (done % 10 === 9) console.log(`${done + 1} of ${cycles} cycles, ${JSON.stringify(registers.counts)}`);
    }
    await registers.check(cluster.endpoints());
  } catch (cause) {
    console.log(cause);
    for (const { server } of cluster.nodes) console.log(`a node printed:\n${server.output().slice(-6000)}`);
    throw cause;
  }
  const { written, read, conditional, unknown, refused } = registers.counts;
  const result = `${done} cycles, ${killed} kills of ${nodes} nodes; ${written} writes (${conditional} conditional) and ${read} reads answered, ${unknown} writes of unknown outcome, ${refused} reads refused; 0 lost, 0 corrupt, 0 anomalies; slowest return of all nodes ${Math.round(slowestMs)} ms`;
  t.diagnostic(result);
  keepResult('kill', 'kill -9 in a cluster of five, under load', began, result, 'npm run test:nemeses:kill');
});
