/* A node whose state the log cannot bring up to date takes that of another, and serves the same. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';
import { answered, Upload } from './uploads.ts';

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

/** What doctor says of the metadata of a node, once it finds that well: while a shard has no owner yet it is not ready, which doctor tells by its exit status. */
async function madeAnew(store: Cluster, index: number): Promise<string> {
  let said: unknown;
  await until(`doctor finds node ${index} well, and says what was made anew`, 120_000, async () => {
    const rows = await dsom(store.endpoint(index), 'doctor');
    said = rows.find((row) => row['test'] === 'metadata')?.['detail'];
    return said !== undefined;
  });
  return String(said);
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
  // Parts that borrow while the node is there, and are all that is left of their source when it comes back.
  const whole = randomBytes(12 * 1024 * 1024);
  const lender = await Upload.begin(here[0], 'lender');
  for (const half of [0, 1])
    await lender.part(here[0], whole.subarray((half * whole.length) / 2, ((half + 1) * whole.length) / 2));
  assert.equal((await lender.complete(here[0])).status, 200);
  const [borrower, given] = [await Upload.begin(here[0], 'borrower'), await Upload.begin(here[1], 'given up')];
  for (const one of [borrower, given]) await one.copy(here[0], 'lender', 1000, whole.length - 1000);
  const before = await logsOf(store, away);
  await store.end(away, 'SIGTERM');
  assert.equal((await answered('it is completed', () => borrower.complete(here[1]))).status, 200);
  kept.set('borrower', whole.subarray(1000, whole.length - 1000));
  assert.equal((await answered('it is aborted', () => given.abort(here[0]))).status, 204);
  assert.equal(
    (await answered('it is deleted', () => send(here[0], 'DELETE', pathOf('bucket', 'lender')))).status,
    204,
  );
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
  const said = await madeAnew(store, lost);
  for (const name of ['kv', 'kv-2', 'kv-3'])
    assert.match(said, new RegExp(`there was none in [^;]*metadata.${name}; it comes from (another node|the log)`));
  assert.doesNotMatch(said, /kv-1|kv-4/);
  await check(store.endpoint(lost));
  await put(store.endpoint(lost), 'last', 5000);
  for (const endpoint of store.endpoints()) await check(endpoint);
});

test('two of three nodes lose the state of an object shard, one of them by damage: nothing is lost, and both tell', {
  skip,
  timeout: 900_000,
}, async () => {
  const store = cluster as Cluster;
  const state = (index: number): string =>
    path.join((store.nodes[index] as { folder: string }).folder, 'metadata/kv-1');
  const [gone, damaged] = [0, 1];
  for (const index of [gone, damaged]) await put(store.endpoint(2), `before the loss of ${index}`, 50_000);
  // One after the other, under the running cluster: its own writes to the file end with it.
  rmSync(state(gone), { recursive: true });
  await store.end(gone);
  await store.end(damaged);
  writeFileSync(path.join(state(damaged), 'data.mdb'), randomBytes(64 * 1024));
  await store.restartAll([gone, damaged]);
  for (const [index, why] of [
    [gone, /there was none in [^;]*kv-1; it comes from/],
    [damaged, /the one in [^;]*kv-1 could not be read \(.*\); it comes from/],
  ] as const) {
    assert.match(await madeAnew(store, index), why);
    await check(store.endpoint(index));
    await put(store.endpoint(index), `after the loss of ${index}`, 50_000);
  }
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
