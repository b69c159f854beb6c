/* A node whose state the log cannot bring up to date takes that of another, and serves the same. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
let cluster: Cluster | undefined;
const kept = new Map<string, Buffer>();
after(async () => {
  await cluster?.stop('SIGKILL');
});

/** Until it is taken: what was told to try again may be there or not, and all that is there is compared. */
async function put(endpoint: string, key: string, size: number): Promise<void> {
  const body = randomBytes(size);
  await until(`${key} is taken`, 60_000, async () => {
    const answer = await send(endpoint, 'PUT', pathOf('bucket', key), { body });
    assert.equal(answer.status, 200, answer.text());
    return true;
  });
  kept.set(key, body);
}

/** Of each shard that holds objects. */
async function logsOf(store: Cluster, index: number): Promise<readonly { position: number; oldest: number }[]> {
  const { shards } = (await store.status(index)) as {
    shards: { holds: string; position: number; oldest: number }[];
  };
  return shards.filter(({ holds }) => holds === 'objects');
}

/** All of it, from the state of that node. */
async function check(endpoint: string): Promise<void> {
  const listed = await send(endpoint, 'GET', '/bucket', { query: { 'list-type': '2' } });
  assert.deepEqual(listed.elements('Key'), [...kept.keys()].sort());
  for (const [key, body] of kept) {
    const got = await send(endpoint, 'GET', pathOf('bucket', key));
    assert.ok(got.status === 200 && got.body.equals(body), `${endpoint} ${key}: ${got.status}`);
  }
}

test('a node that was away for longer than the log is kept takes the state of another', {
  skip,
  timeout: 900_000,
}, async (t) => {
  cluster = await Cluster.start(scratchFolder('cluster-install'), 3, () => ['--object-shards', '4']);
  const store = cluster;
  assert.equal((await send(store.endpoint(0), 'PUT', '/bucket')).status, 200);
  for (let i = 0; i < 5; i++) await put(store.endpoint(i % 3), `before-${i}`, i % 2 === 0 ? 500 : 200_000);
  const away = (await store.leader(0)) === 2 ? 1 : 2;
  const others = [0, 1, 2].filter((index) => index !== away);
  const here = others.map((index) => store.endpoint(index)) as [string, string];
  const before = await logsOf(store, away);
  await store.end(away, 'SIGTERM');
  let count = 0;
  // Each replica makes a checkpoint once a minute, and the owner trims behind those of two.
  const took = await until('the logs are trimmed', 300_000, async () => {
    await put(here[count % 2] as string, `meanwhile-${count++}`, count % 2 === 0 ? 500 : 100_000);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const now = await logsOf(store, others[0] as number);
    return now.every(({ oldest }, shard) => oldest > (before[shard]?.position ?? 0) + 1);
  });
  t.diagnostic(`the logs were trimmed after ${Math.round(took / 1000)} s`);
  await store.restart(away);
  await check(store.endpoint(away));
  await put(store.endpoint(away), 'after', 100_000);
  for (const endpoint of store.endpoints()) await check(endpoint);
});

test('a node whose metadata were deleted while it was stopped builds them anew', {
  skip,
  timeout: 900_000,
}, async () => {
  const store = cluster as Cluster;
  const lost = ((await store.leader()) + 1) % 3;
  await store.end(lost, 'SIGTERM');
  for (const name of ['kv', 'kv-2', 'kv-3']) {
    const kv = path.join((store.nodes[lost] as { folder: string }).folder, 'metadata', name);
    assert.ok(existsSync(kv));
    rmSync(kv, { recursive: true });
  }
  await store.restart(lost);
  const said = (await dsom(store.endpoint(lost), 'doctor')).find((row) => row['test'] === 'metadata');
  assert.match(String(said?.['detail']), /there was none in .*metadata.kv; it comes from another node/);
  await check(store.endpoint(lost));
  await put(store.endpoint(lost), 'last', 5000);
  for (const endpoint of store.endpoints()) await check(endpoint);
});

test('two nodes of which each needs a state that only the other has both start, and nobody else is there', {
  skip,
  timeout: 900_000,
}, async () => {
  const store = cluster as Cluster;
  const folder = (index: number): string => path.join((store.nodes[index] as { folder: string }).folder, 'metadata');
  await until('the log of the system shard is trimmed', 200_000, async () => {
    const { shards } = (await store.status(0)) as { shards: { holds: string; oldest: number }[] };
    return shards.every(({ oldest }) => oldest > 1);
  });
  for (const index of [2, 0, 1]) await store.end(index, 'SIGTERM');
  rmSync(path.join(folder(0), 'kv'), { recursive: true });
  rmSync(path.join(folder(1), 'kv-1'), { recursive: true });
  await store.restartAll([0, 1]);
  for (const index of [0, 1]) await check(store.endpoint(index));
  await put(store.endpoint(0), 'of two', 5000);
  await store.restart(2);
  await check(store.endpoint(2));
});
