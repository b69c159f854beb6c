/* Days of three seconds in a cluster: each shard is walked by the node that owns it, and by another one when that is killed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
const objects = 600;

let cluster: Cluster;
before(async () => {
  if (skip === false)
    cluster = await Cluster.start(scratchFolder('cluster-lifecycle'), 3, () => [
      '--object-shards',
      '4',
      '--lifecycle-day-seconds',
      '3',
    ]);
});
after(async () => {
  await cluster?.stop('SIGKILL');
});

/** Nodes that answer. */
let serving = [0, 1, 2];
const at = (turn: number): string => cluster.endpoint(serving[turn % serving.length] as number);

const rule = (id: string, prefix: string, actions: string): string =>
  `<Rule><ID>${id}</ID><Filter><Prefix>${prefix}</Prefix></Filter><Status>Enabled</Status>${actions}</Rule>`;

async function configure(rules: string): Promise<void> {
  const body = `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`;
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
  const answer = await send(at(0), 'PUT', '/rules', { query: { lifecycle: '' }, body, headers });
  assert.equal(answer.status, 200, answer.text());
}

async function keysOf(turn: number): Promise<string[]> {
  const found: string[] = [];
  for (let token: string | undefined; ; ) {
    const query = { 'list-type': '2', ...(token !== undefined && { 'continuation-token': token }) };
    const answer = await send(at(turn), 'GET', '/rules', { query });
    assert.equal(answer.status, 200, answer.text());
    found.push(...answer.elements('Key'));
    token = answer.element('NextContinuationToken');
    if (token === undefined) return found;
  }
}

test('objects of all shards expire, whoever owns them, with a node killed in between', {
  skip,
  timeout: 900_000,
}, async (t) => {
  await until('the feature comes on', 60_000, async () => {
    const features = (await cluster.status(0))['features'] as { name: string; on: boolean }[];
    return features.some(({ name, on }) => name === 'lifecycle' && on);
  });
  assert.equal((await send(at(0), 'PUT', '/rules')).status, 200);
  for (let first = 0; first < objects; first += 30)
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const number = first + index;
        const key = `${number % 6 === 0 ? 'kept' : 'gone'}/${number}`;
        const answer = await send(at(number), 'PUT', pathOf('rules', key), { body: key });
        assert.equal(answer.status, 200, answer.text());
      }),
    );
  const kept = Array.from({ length: objects }, (_, at) => at)
    .filter((number) => number % 6 === 0)
    .map((number) => `kept/${number}`)
    .sort();
  await configure(rule('gone', 'gone/', '<Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration>'));
  await cluster.end(2);
  serving = [0, 1];
  t.diagnostic(`${(await keysOf(0)).length} objects were left when a node was dead`);
  await until('the rest has gone', 180_000, async () => (await keysOf(1)).length === kept.length);
  assert.deepEqual((await keysOf(0)).sort(), kept);
  for (const key of kept) assert.equal((await send(at(0), 'GET', pathOf('rules', key))).text(), key);
  interface Status {
    readonly shards: readonly number[];
    readonly last: { readonly endedAt: string | null; readonly counts: { readonly failed: number } } | null;
  }
  // While a shard had no owner, something of it may have failed; the next pass does it.
  await until('each shard is walked by one node, and nothing fails', 60_000, async () => {
    const found = await Promise.all(serving.map((index) => dsom(cluster.endpoint(index), 'lifecycle', 'status')));
    const statuses = found.map(([status]) => status as unknown as Status);
    const walked = statuses.flatMap(({ shards }) => shards).sort();
    // One of them may own all shards: the other one has walked none then, or none since.
    const walkers = statuses.filter(({ shards }) => shards.length > 0);
    return walked.join() === '0,1,2,3,4' && walkers.every(({ last }) => last?.endedAt && last.counts.failed === 0);
  });
  const lines = await dsom(at(1), 'lifecycle', 'run', '--dry-run', 's3://rules');
  assert.deepEqual(
    lines.map(({ type }) => type),
    ['summary'],
    'any node tells of the whole bucket, and nothing is left to do',
  );
  const [summary] = lines;
  assert.ok(summary);
  assert.equal((summary['counts'] as { versions: number }).versions, kept.length);
});
