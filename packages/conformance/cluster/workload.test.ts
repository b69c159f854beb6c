/*
 * Clients write and read the same few objects through all nodes, at strong, while nodes are killed, stopped and started again. Every write has a
 * value of its own, and the history of each object must be one that a single register could have had. DSOM_CLUSTER_SECONDS says for how long.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, send } from '../src/request.ts';
import { patienceMs } from '../src/server.ts';
import { Cluster, etcdMissing, until } from './cluster.support.ts';
import { anomaly, initial, type Operation } from './history.ts';
import { scratchFolder } from './scratch.ts';

const seconds = Number(process.env['DSOM_CLUSTER_SECONDS'] ?? 20);
const nodes = Number(process.env['DSOM_CLUSTER_NODES'] ?? 3);
const clients = 12;
const objects = 8;

/** Large enough for stripes, small enough to be many; the value stands at the beginning. */
const large = 40_000;

/** Rejects what takes longer: a node that is stopped answers nothing. */
async function within<Answer>(milliseconds: number, answer: Promise<Answer>): Promise<Answer> {
  const late = new AbortController();
  try {
    return await Promise.race([
      answer,
      sleep(milliseconds, undefined, { signal: late.signal }).then(() => {
        throw new Error('late');
      }),
    ]);
  } finally {
    late.abort();
    answer.catch(() => {});
  }
}

test(`${nodes} nodes under kill -9 and SIGSTOP for ${seconds} s: every object is one register`, {
  skip: etcdMissing,
  timeout: (seconds + 900) * 1000,
}, async (t) => {
  const cluster = await Cluster.start(scratchFolder('cluster-workload'), nodes, () => ['--object-shards', '4']);
  t.after(() => cluster.stop('SIGKILL'));
  assert.equal((await send(cluster.endpoint(0), 'PUT', '/registers')).status, 200);
  const histories = new Map<string, Operation[]>();
  let running = true;
  let written = 0;
  let read = 0;
  let unknown = 0;
  let refused = 0;

  const client = async (number: number): Promise<void> => {
    for (let i = 0; running; i++) {
      const endpoint = cluster.endpoints()[Math.floor(Math.random() * nodes)] as string;
      const key = `object-${Math.floor(Math.random() * objects)}`;
      const history = histories.get(key) ?? [];
      histories.set(key, history);
      const beganAt = performance.now();
      if (Math.random() < 0.5) {
        const value = `${number}-${i}`;
        const body = Math.random() < 0.3 ? value.padEnd(large, '.') : value;
        const status = await within(12_000, send(endpoint, 'PUT', pathOf('registers', key), { body })).then(
          (answer) => answer.status,
          () => 0,
        );
        // Only an answer of success or a plain refusal says what became of it.
        const known = status === 200;
        if (status >= 400 && status < 500) throw new Error(`a write was answered with ${status}`);
        history.push({ kind: 'write', value, beganAt, endedAt: known ? performance.now() : Infinity });
        if (known) written += 1;
        else unknown += 1;
      } else {
        const answer = await within(12_000, send(endpoint, 'GET', pathOf('registers', key))).catch(() => undefined);
        const endedAt = performance.now();
        if (answer?.status === 404) history.push({ kind: 'read', value: initial, beganAt, endedAt });
        else if (answer?.status === 200 && answer.complete) {
          history.push({ kind: 'read', value: answer.text().replace(/\.+$/, ''), beganAt, endedAt });
          read += 1;
        } else refused += 1;
      }
      await sleep(5);
    }
  };

  const down = new Set<number>();
  const nemesis = async (): Promise<void> => {
    const end = performance.now() + seconds * 1000;
    const isEnough = () => performance.now() > end && written > 50 && read > 50;
    for (const late = end + patienceMs; running && !isEnough() && performance.now() < late; ) {
      await sleep(2000);
      const index = Math.floor(Math.random() * nodes);
      if (Math.random() < 0.5) {
        const { pid } = (cluster.nodes[index] as (typeof cluster.nodes)[number]).server;
        process.kill(pid, 'SIGSTOP');
        await sleep(1000 + Math.random() * 5000);
        process.kill(pid, 'SIGCONT');
      } else {
        down.add(index);
        if (Math.random() < 0.5) await cluster.end(index);
        else await cluster.nodes[index]?.server.stop('SIGKILL');
        await sleep(Math.random() * 3000);
        await cluster.restart(index, 'live');
        down.delete(index);
      }
    }
  };
  const working = Array.from({ length: clients }, (_, i) => client(i));
  const disturbed = nemesis();
  try {
    await Promise.race([disturbed, Promise.all(working)]);
  } finally {
    running = false;
    // What it has stopped goes on, and what it has ended is started again.
    await Promise.allSettled([disturbed, ...working]);
  }
  await Promise.all([disturbed, ...working]);
  await until('every node is ready', 60_000, async () =>
    (
      await Promise.all(
        cluster.endpoints().map((endpoint) => send(endpoint, 'GET', '/-/health/ready', { anonymous: true })),
      )
    ).every(({ status }) => status === 200),
  );
  // Every node gives the same, and it is what the history allows.
  for (const [key, history] of histories) {
    let beganAt = 0;
    let answers: Answer[] = [];
    await until(`every node answers for ${key}`, 60_000, async () => {
      beganAt = performance.now();
      answers = await Promise.all(
        cluster.endpoints().map((endpoint) => send(endpoint, 'GET', pathOf('registers', key))),
      );
      for (const { status, text } of answers) assert.ok(status === 200 || status === 404, `${status} ${text()}`);
      return true;
    });
    for (const answer of answers) {
      const value = answer.status === 404 ? initial : answer.text().replace(/\.+$/, '');
      history.push({ kind: 'read', value, beganAt, endedAt: performance.now() });
    }
    assert.equal(anomaly(history), undefined, key);
  }
  t.diagnostic(
    `${written} writes and ${read} reads answered, ${unknown} writes of unknown outcome, ${refused} reads refused, 0 anomalies`,
  );
  assert.ok(written > 50 && read > 50, 'the workload got through');
});
