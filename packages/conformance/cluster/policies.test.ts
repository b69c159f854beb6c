/* The redundancy of a bucket changes under load, and the node that does the work is killed in the middle of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, told, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
const KiB = 1024;
const MiB = 1024 * KiB;
const minutes = 60_000;

let cluster: Cluster | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
});

const kept = new Map<string, Buffer>();
let serving: number[] = [];
const endpoint = (index: number): string => (cluster as Cluster).endpoint(index);
const someEndpoint = (turn: number): string => endpoint(serving[turn % serving.length] as number);

async function put(key: string, size: number, turn: number, headers: Record<string, string> = {}): Promise<boolean> {
  const body = randomBytes(size);
  const answer = await send(someEndpoint(turn), 'PUT', pathOf('policies', key), { body, headers });
  if (answer.status === 200) kept.set(key, body);
  return answer.status === 200;
}

/** What the bytes of an object are kept with now. */
async function keptWith(key: string, index = serving[0] as number): Promise<string> {
  const head = await send(endpoint(index), 'HEAD', pathOf('policies', key));
  return String(head.headers['x-dsom-redundancy']);
}

/** Reads everything again and again, whole and in part, until it is told to stop. A node that is just being killed may break a request. */
function load() {
  let running = true;
  let reads = 0;
  let writes = 0;
  const failures: string[] = [];
  const read = async (): Promise<void> => {
    for (const [key, body] of kept) {
      if (!running) return;
      const at = someEndpoint(reads++);
      const start = Math.floor(Math.random() * body.length);
      const range = reads % 2 === 0 ? undefined : `bytes=${start}-${body.length - 1}`;
      const got = await send(at, 'GET', pathOf('policies', key), range ? { headers: { range } } : {}).catch(
        (cause: Error) => cause,
      );
      const isServing = serving.some((index) => endpoint(index) === at);
      if (got instanceof Error) {
        if (isServing) failures.push(`${key} at ${at}: ${got.message}`);
      } else if (got.status === 200 || got.status === 206) {
        if (!got.body.equals(range ? body.subarray(start) : body)) failures.push(`${key}: other bytes`);
        // Without an owner of the shard, and until a node knows that another is gone, it may say so.
      } else if (got.status !== 503) failures.push(`${key}: ${got.status} ${got.text().slice(0, 200)}`);
      await sleep(5);
    }
  };
  const reading = (async () => {
    while (running) await read();
  })();
  const writing = (async () => {
    while (running) {
      await put(`during-${writes}`, 300 * KiB, writes).catch(() => false);
      writes += 1;
      await sleep(200);
    }
  })();
  return async () => {
    running = false;
    await Promise.all([reading, writing]);
    return { reads, writes, failures };
  };
}

interface Recode {
  readonly complete: boolean;
  readonly stripes: number;
  readonly failed: number;
}

const recode = async (index: number): Promise<Recode> => (await told(endpoint(index), '/repair'))['recode'] as Recode;

async function clean(index: number): Promise<void> {
  const lines = await dsom(endpoint(index), 'fsck');
  assert.deepEqual(
    lines.filter((line) => line['type'] === 'finding'),
    [],
    `node ${index}`,
  );
}

test('a bucket goes from copies to a code under load, and the node that does it is killed in the middle', {
  skip,
  timeout: 10 * minutes,
}, async (t) => {
  cluster = await Cluster.start(scratchFolder('cluster-policies'), 4);
  serving = [0, 1, 2, 3];
  assert.equal((await send(endpoint(0), 'PUT', '/policies')).status, 200);
  for (let i = 0; i < 10; i++) assert.ok(await put(`large-${i}`, 5 * MiB + i, i));
  assert.ok(await put('long', 33 * MiB, 0));
  for (let i = 0; i < 40; i++) assert.ok(await put(`small-${i}`, 20 * KiB + i * 9 * KiB, i));
  assert.ok(await put('own', 2 * MiB, 1, { 'x-dsom-redundancy': 'copies=2' }));
  assert.ok(await put('reduced', 2 * MiB, 1, { 'x-amz-storage-class': 'REDUCED_REDUNDANCY' }));
  await until('it is kept in three copies', minutes, async () => (await keptWith('large-0')) === 'copies=3');
  // However long a command takes, the node that does the work is killed before it is done.
  await dsom(endpoint(0), 'rebalance', 'limit', '1MiB');

  const stop = load();
  const [changed] = await dsom(endpoint(1), 'redundancy', 's3://policies', '2+2');
  assert.deepEqual(changed?.['redundancy'], { data: 2, parity: 2 });
  let leader = -1;
  await until('some of it is done', minutes, async () => {
    leader = await (cluster as Cluster).owner();
    return (await recode(leader)).stripes > 3;
  });
  const before = await recode(leader);
  assert.equal(before.complete, false, 'the node is killed in the middle');
  serving = serving.filter((index) => index !== leader);
  await cluster.end(leader);
  // Another one goes on, with three of four devices: 2+2 is durable on three of its fragments.
  await until('another node goes on', 2 * minutes, async () => {
    const next = await (cluster as Cluster).leader(serving[0]);
    return next >= 0 && next !== leader && (await recode(next)).stripes > 3;
  });
  await cluster.restart(leader);
  serving = [0, 1, 2, 3];
  await dsom(endpoint(0), 'rebalance', 'limit', '64MiB');
  const took = await until('everything is kept as wanted', 5 * minutes, async () => {
    const now = await recode(await (cluster as Cluster).owner());
    return now.complete && now.failed === 0;
  });
  const { reads, writes, failures } = await stop();
  t.diagnostic(`${Math.round(took)} ms after the restart; ${reads} reads and ${writes} writes meanwhile`);
  assert.deepEqual(failures, []);
  await until('nothing lacks', 3 * minutes, async () => {
    const status = await told(endpoint(0), '/repair');
    return status['done'] === true && (status['recode'] as Recode).complete;
  });
  for (const [key, body] of kept) {
    const got = await send(someEndpoint(body.length), 'GET', pathOf('policies', key));
    assert.equal(got.status, 200, `${key}: ${got.text().slice(0, 200)}`);
    assert.ok(got.body.equals(body), `${key} has other bytes`);
    const wanted = key === 'own' || key === 'reduced' ? 'copies=2' : body.length <= 64 * KiB ? 'copies=3' : '2+2';
    // A node that is slow to answer counts as away, and then its fragments do not count for that moment.
    await until(`${key} is kept as ${wanted}`, minutes, async () => (await keptWith(key)) === wanted);
  }
  for (const index of serving) await clean(index);
});

test('a storage class of the operator’s own, and hot copies that become a code when they are idle', {
  skip,
  timeout: 10 * minutes,
}, async () => {
  assert.ok(cluster);
  await dsom(endpoint(2), 'policy', 'set', 'COOL', 'copies=2/2+1/3s');
  // Asked later, it may be cold already.
  const body = randomBytes(3 * MiB);
  const made = await send(endpoint(3), 'PUT', pathOf('policies', 'cool'), {
    body,
    headers: { 'x-amz-storage-class': 'COOL' },
  });
  assert.match(String(made.headers['x-dsom-redundancy']), /^copies=2/);
  const head = await send(endpoint(0), 'HEAD', pathOf('policies', 'cool'));
  assert.equal(head.headers['x-amz-storage-class'], 'COOL');
  await until('it is cold', 2 * minutes, async () => (await keptWith('cool')) === '2+1');
  const got = await send(endpoint(3), 'GET', pathOf('policies', 'cool'));
  assert.ok(got.body.equals(body));
  const refused = await send(endpoint(1), 'PUT', pathOf('policies', 'x'), {
    body: Buffer.from('x'),
    headers: { 'x-amz-storage-class': 'GLACIER' },
  });
  assert.deepEqual([refused.status, /InvalidStorageClass/.test(refused.text())], [400, true]);
  await dsom(endpoint(1), 'policy', 'remove', 'COOL');
  await dsom(endpoint(1), 'redundancy', 's3://policies/cool', '--storage-class', 'STANDARD_IA');
  await until('it is kept as its new class says', 2 * minutes, async () => (await keptWith('cool')) === '2+2');
  for (const index of serving) await clean(index);
});
