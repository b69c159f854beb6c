/* A node dies: the others go on, and it finds its place again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
let cluster: Cluster | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
});

test('the owner of the shard is killed: writes go on, reads at eventual without a gap', {
  skip,
  timeout: 900_000,
}, async (t) => {
  cluster = await Cluster.start(scratchFolder('cluster-failover'), 3);
  const store = cluster;
  assert.equal((await send(store.endpoint(0), 'PUT', '/bucket')).status, 200);
  const kept = new Map<string, Buffer>();
  const put = async (endpoint: string, key: string, size: number): Promise<boolean> => {
    const body = randomBytes(size);
    const answer = await send(endpoint, 'PUT', pathOf('bucket', key), { body }).catch(() => undefined);
    if (answer?.status === 200) kept.set(key, body);
    return answer?.status === 200;
  };
  for (let i = 0; i < 20; i++) assert.ok(await put(store.endpoint(i % 3), `before-${i}`, i % 2 === 0 ? 500 : 300_000));

  for (let round = 0; round < 2; round++) {
    // The owner of the system shard, then that of the objects.
    const dead = await store.owner(round);
    const alive = [0, 1, 2].filter((index) => index !== dead).map((index) => store.endpoint(index));
    let reading = true;
    const gaps: string[] = [];
    const reader = (async () => {
      while (reading) {
        const got = await send(alive[0] as string, 'GET', pathOf('bucket', 'before-0'), {
          headers: { 'x-dsom-consistency': 'eventual' },
        }).catch((cause: Error) => cause);
        if (got instanceof Error || got.status !== 200) gaps.push(got instanceof Error ? got.message : `${got.status}`);
        await sleep(10);
      }
    })();
    let took = 0;
    try {
      await store.end(dead);
      took = await until('a write is taken', 60_000, () => put(alive[1] as string, `after-${round}`, 2000));
    } finally {
      reading = false;
      await reader;
    }
    t.diagnostic(`writes went on after ${Math.round(took)} ms`);
    assert.deepEqual(gaps, []);
    // With two of three nodes, large objects have their write quorum too; what one node takes, another may not have heard to be possible yet.
    await until('a large one is taken', 60_000, () => put(alive[0] as string, `large-${round}`, 2_000_000));
    await store.restart(dead);
    for (const [key, body] of kept)
      assert.ok((await send(store.endpoint(dead), 'GET', pathOf('bucket', key))).body.equals(body), key);
  }
  // What was written without the dead node is written to it now.
  await until('nothing lacks', 60_000, async () => {
    const health = await send(store.endpoint(0), 'GET', '/-/health/ready', { anonymous: true });
    return (JSON.parse(health.text()) as { degraded: string[] }).degraded.length === 0;
  });
});

test('two of three nodes are killed: no write is taken, reads at eventual are, and all of it comes back', {
  skip,
  timeout: 900_000,
}, async () => {
  const store = cluster as Cluster;
  const got = (level: string) =>
    send(store.endpoint(0), 'GET', pathOf('bucket', 'before-0'), { headers: { 'x-dsom-consistency': level } });
  await store.end(1);
  await store.end(2);
  assert.equal((await got('eventual')).status, 200);
  const refused = await send(store.endpoint(0), 'PUT', pathOf('bucket', 'lost'), { body: 'x' });
  assert.equal(refused.status, 503, refused.text());
  const strong = await got('strong');
  assert.deepEqual([strong.status, strong.element('Code')], [503, 'ServiceUnavailable'], strong.text());
  assert.ok(strong.headers['retry-after']);
  await until('the age is told', 60_000, async () => Number((await got('eventual')).headers['x-dsom-stale-ms']) > 3000);
  const health = await send(store.endpoint(0), 'GET', '/-/health/ready', { anonymous: true });
  assert.equal(health.status, 503);
  // Who looks what is wrong is told, by the one that is left.
  await until('its status says so', 60_000, async () => {
    const { staleMs, nodes } = (await store.status(0)) as { staleMs: number; nodes: readonly { reachable: boolean }[] };
    return staleMs > 3000 && nodes.filter(({ reachable }) => reachable).length === 1;
  });
  for (const command of [
    ['cluster', 'nodes'],
    ['cluster', 'devices'],
    ['cluster', 'risk'],
    ['repair', 'status'],
    ['rebalance', 'status'],
    ['bucket', 'shards', 'bucket'],
  ])
    assert.ok((await dsom(store.endpoint(0), ...command)).length > 0, command.join(' '));
  await assert.rejects(dsom(store.endpoint(0), 'doctor'), ({ stdout }: { stdout?: string }) =>
    /not ready: the log engine \(etcd\) has not answered/.test(String(stdout)),
  );
  await Promise.all([store.restart(1, 'live'), store.restart(2, 'live')]);
  await until(
    'writes are taken',
    30_000,
    async () => (await send(store.endpoint(0), 'PUT', pathOf('bucket', 'again'), { body: 'x' })).status === 200,
  );
  assert.equal((await got('strong')).status, 200);
});
