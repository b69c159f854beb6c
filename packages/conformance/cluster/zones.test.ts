/* Nodes in zones: what a whole zone takes with it, what goes on, and whether it is told. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
// Both nodes of the first zone come first: groups are made while there is no other zone.
const zones = ['a', 'a', 'b', 'b', 'c'];
const lost = [0, 1];
const left = [2, 3, 4];
let cluster: Cluster | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
});

const kept = new Map<string, Buffer>();

async function put(endpoint: string, path: string): Promise<number> {
  const body = randomBytes(100_000);
  const { status } = await send(endpoint, 'PUT', path, { body });
  if (status === 200) kept.set(path, body);
  return status;
}

async function check(endpoint: string): Promise<void> {
  for (const [path, body] of kept) {
    const got = await send(endpoint, 'GET', path);
    assert.ok(got.status === 200 && got.body.equals(body), `${path}: ${got.status} ${got.text().slice(0, 300)}`);
  }
}

async function degradedOf(endpoint: string): Promise<string> {
  const answer = await fetch(`${endpoint}/-/health/ready`);
  const { degraded } = (await answer.json()) as { degraded: readonly string[] };
  return degraded.join('; ');
}

test('a zone is lost with all its nodes: what was written is read, writes go on, what cannot be kept is refused and told', {
  skip,
  timeout: 900_000,
}, async () => {
  cluster = await Cluster.start(scratchFolder('cluster-zones'), zones.length, (index) => [
    '--zone',
    zones[index] as string,
  ]);
  const store = cluster;
  const first = store.endpoint(0);
  for (const [bucket, redundancy] of [
    ['two', 'copies=2'],
    ['code', '3+2'],
  ] as const) {
    assert.equal((await send(first, 'PUT', `/${bucket}`)).status, 200);
    await dsom(first, 'redundancy', `s3://${bucket}`, redundancy);
  }
  assert.equal((await send(first, 'PUT', '/usual')).status, 200);
  // The first groups of two copies lie within zone a.
  for (let n = 0; n < 40; n++) assert.equal(await put(store.endpoint(n % 5), pathOf('two', `key-${n}`)), 200);
  for (let n = 0; n < 5; n++)
    for (const bucket of ['code', 'usual']) assert.equal(await put(first, pathOf(bucket, `key-${n}`)), 200);
  const [risk] = (await dsom(first, 'cluster', 'risk')) as [{ schemes: { scheme: string; survives: string }[] }];
  for (const { scheme, survives, ...rest } of risk.schemes)
    assert.ok(/one zone|any 2 zones/.test(survives) && !('crowded' in rest), `${scheme}: ${survives}`);
  await until('five nodes run members of etcd', 180_000, async () => {
    const { etcd } = (await store.status(0)) as { etcd: { votes: boolean }[] };
    return etcd.filter(({ votes }) => votes).length === 5;
  });
  // Until then zone a had two of three.
  await until('no zone has most of them', 60_000, async () => {
    const [{ decidingZone }] = (await dsom(first, 'cluster', 'risk')) as [{ decidingZone: unknown }];
    return decidingZone === null;
  });

  await Promise.all(lost.map((index) => store.end(index)));
  const here = store.endpoint(left[0]);
  await until('a write is taken', 60_000, async () => (await put(here, pathOf('usual', 'meanwhile'))) === 200);
  await check(here);
  await until('what a code cannot take is told', 60_000, async () =>
    /none of the .* 3\+2 has its write quorum/.test(await degradedOf(here)),
  );
  assert.equal(await put(here, pathOf('code', 'meanwhile')), 503);

  await store.restartAll(lost);
  await until('nothing lacks', 180_000, async () => (await degradedOf(here)) === '');
  assert.equal(await put(here, pathOf('code', 'afterwards')), 200);
  for (const index of lost) await check(store.endpoint(index));
});
