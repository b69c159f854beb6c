/* Nodes come and go for good while objects are read and written: every byte ends where it should be, and none is missed on the way. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, send } from '../src/request.ts';
import { patienceMs } from '../src/server.ts';
import { Cluster, dsom, etcdMissing, told, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
const KiB = 1024;
const schemes = ['copies=1', 'copies=3', '2+1'];
const minutes = 60_000;

let cluster: Cluster | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
});

const kept = new Map<string, Buffer>();
/** Nodes that serve. */
let serving: number[] = [];

const endpoint = (index: number): string => (cluster as Cluster).endpoint(index);
const someEndpoint = (turn: number): string => endpoint(serving[turn % serving.length] as number);

async function put(key: string, scheme: string, size: number, turn: number): Promise<boolean> {
  const body = randomBytes(size);
  const answer = await send(someEndpoint(turn), 'PUT', pathOf('moves', key), {
    body,
    headers: { 'x-dsom-redundancy': scheme },
  });
  if (answer.status === 200) kept.set(key, body);
  return answer.status === 200;
}

async function readAll(from: readonly number[]): Promise<void> {
  for (const index of from)
    for (const [key, body] of kept) {
      const got = await send(endpoint(index), 'GET', pathOf('moves', key));
      assert.equal(got.status, 200, `${key} at node ${index}: ${got.text().slice(0, 300)}`);
      assert.ok(got.body.equals(body), `${key} at node ${index} has other bytes`);
    }
}

/** As any client asks: on a machine that stands still for seconds a shard may lose its owner, and "try again" is an answer. */
async function patiently(ask: () => Promise<Answer>): Promise<Answer | Error> {
  for (const end = performance.now() + patienceMs; ; await sleep(100)) {
    const got = await ask().catch((cause: Error) => cause);
    if (got instanceof Error || got.status !== 503 || performance.now() > end) return got;
  }
}

/** Reads and writes until it is told to stop. @returns what went wrong, and how much was done */
let loads = 0;
function load() {
  const name = `load-${loads++}`;
  let running = true;
  let reads = 0;
  let writes = 0;
  const failures: string[] = [];
  const reading = (async () => {
    while (running) {
      for (const [key, body] of kept) {
        if (!running) break;
        const got = await patiently(() => send(someEndpoint(reads++), 'GET', pathOf('moves', key)));
        if (got instanceof Error) failures.push(`${key}: ${got.message}`);
        else if (got.status !== 200) failures.push(`${key}: ${got.status} ${got.text().slice(0, 200)}`);
        else if (!got.body.equals(body)) failures.push(`${key}: other bytes`);
        await sleep(5);
      }
    }
  })();
  const writing = (async () => {
    while (running) {
      await put(`${name}-${writes}`, schemes[writes % schemes.length] as string, 200 * KiB, writes);
      writes += 1;
      await sleep(100);
    }
  })();
  return async () => {
    running = false;
    await Promise.all([reading, writing]);
    return { reads, writes, failures };
  };
}

async function nodeId(index: number): Promise<string> {
  return String((await (cluster as Cluster).status(index))['node']);
}

/** Until every node says that every fragment is where it should be. */
function settled(what: string, from: number): Promise<number> {
  return until(what, 3 * minutes, async () => (await told(endpoint(from), '/repair'))['done'] === true);
}

/** Fragments on the devices of a node, and what its own check finds. */
async function checked(index: number): Promise<{ readonly fragments: number; readonly findings: unknown[] }> {
  // With findings the command fails, and tells them all the same.
  const lines = await dsom(endpoint(index), 'fsck').catch((cause: Error & { readonly stdout?: string }) => {
    if (!cause.stdout?.includes('"summary"')) throw cause;
    const told = cause.stdout.split('\n').filter((line) => line !== '');
    return told.map((line) => JSON.parse(line) as Record<string, unknown>);
  });
  const summary = lines.find((line) => line['type'] === 'summary') as { totals: { fragments: number } };
  return { fragments: summary.totals.fragments, findings: lines.filter((line) => line['type'] === 'finding') };
}

async function allThere(from: readonly number[]): Promise<void> {
  for (const index of from) {
    const { findings } = await checked(index);
    assert.deepEqual(findings, [], `node ${index}`);
  }
  for (const key of kept.keys()) {
    const head = await send(endpoint(from[0] as number), 'HEAD', pathOf('moves', key));
    assert.doesNotMatch(String(head.headers['x-dsom-redundancy']), /missing/, key);
  }
}

test('a node is drained under load: nothing is missed meanwhile, and nothing is left on it', {
  skip,
  timeout: 10 * minutes,
}, async (t) => {
  cluster = await Cluster.start(scratchFolder('cluster-moves'), 4);
  serving = [0, 1, 2, 3];
  assert.equal((await send(endpoint(0), 'PUT', '/moves')).status, 200);
  for (let i = 0; i < 60; i++)
    assert.ok(await put(`before-${i}`, schemes[i % 3] as string, i % 2 === 0 ? 40 * KiB : 700 * KiB, i), `before-${i}`);
  assert.ok((await checked(3)).fragments > 0);

  const stop = load();
  await dsom(endpoint(0), 'node', 'drain', await nodeId(3));
  const took = await settled('the node is empty', 0);
  const { reads, writes, failures } = await stop();
  t.diagnostic(`${Math.round(took)} ms, ${reads} reads and ${writes} writes meanwhile`);
  assert.deepEqual(failures, []);
  await settled('what was written meanwhile has moved too', 0);
  await until('its device holds nothing', minutes, async () => (await checked(3)).fragments === 0);
  await readAll([0, 1, 2, 3]);
  await allThere([0, 1, 2, 3]);
});

test('a node that was drained is taken into use again, and gets its share back', {
  skip,
  timeout: 10 * minutes,
}, async () => {
  await dsom(endpoint(0), 'node', 'activate', await nodeId(3));
  await dsom(endpoint(1), 'rebalance', 'limit', '64MiB');
  const stop = load();
  await dsom(endpoint(1), 'rebalance', 'start');
  await until('rebalance has come to its end', 5 * minutes, async () => {
    const found = await told(endpoint(2), '/rebalance');
    return found['state'] === 'stopped';
  });
  const { failures } = await stop();
  assert.deepEqual(failures, []);
  await settled('all has moved', 0);
  assert.ok((await checked(3)).fragments > 0);
  await readAll([0, 1, 2, 3]);
  await allThere([0, 1, 2, 3]);
});

test('a node is lost for good: what it held is written again, as far as other copies are left', {
  skip,
  timeout: 10 * minutes,
}, async () => {
  const store = cluster as Cluster;
  const gone = await nodeId(3);
  // One copy is one copy.
  for (const key of kept.keys()) {
    const head = await send(endpoint(0), 'HEAD', pathOf('moves', key));
    if (!String(head.headers['x-dsom-redundancy']).startsWith('copies=1')) continue;
    await send(endpoint(0), 'DELETE', pathOf('moves', key));
    kept.delete(key);
  }
  await store.end(3);
  rmSync((store.nodes[3] as { folder: string }).folder, { recursive: true });
  serving = [0, 1, 2];
  await readAll([0]);
  await until('it is taken out', minutes, async () => {
    await dsom(endpoint(0), 'node', 'remove', gone);
    return true;
  });
  await settled('full redundancy is back', 1);
  await readAll(serving);
  await allThere(serving);
});

test('a further node gets its share, and no more bytes are moved than it must', {
  skip,
  timeout: 10 * minutes,
}, async (t) => {
  const store = cluster as Cluster;
  const index = await store.add();
  serving = [0, 1, 2, index];
  await settled('the node is in', 0);
  const held = async (): Promise<number> => {
    let sum = 0;
    for (const one of serving) sum += (await checked(one)).fragments;
    return sum;
  };
  const all = await held();
  await dsom(endpoint(0), 'rebalance', 'start');
  await until('rebalance has come to its end', 5 * minutes, async () => {
    const found = await told(endpoint(index), '/rebalance');
    return found['state'] === 'stopped';
  });
  await settled('all has moved', 0);
  const share = (await checked(index)).fragments / all;
  t.diagnostic(`the new node holds ${(share * 100).toFixed(1)} % of the fragments`);
  assert.ok(share > 0.1 && share <= 0.25 * 1.2, `${share}`);
  assert.equal(await held(), all, 'as many fragments as before');
  await readAll(serving);
  await allThere(serving);
});
