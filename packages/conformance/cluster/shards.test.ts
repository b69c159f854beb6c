/* Objects of a bucket lie in several shards, each with an owner of its own: for a client it is one bucket, on every node, whoever owns what. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;

interface Shard {
  readonly shard: number;
  readonly holds: 'system' | 'objects';
  readonly owner: string | null;
  readonly position: number;
}

let cluster: Cluster;
before(async () => {
  if (skip === false) cluster = await Cluster.start(scratchFolder('cluster-shards'), 3, () => ['--object-shards', '4']);
});
after(async () => {
  await cluster?.stop('SIGKILL');
});

const shards = async (index?: number): Promise<readonly Shard[]> => (await cluster.status(index))['shards'] as Shard[];
const holding = async (index?: number): Promise<readonly Shard[]> =>
  (await shards(index)).filter(({ holds }) => holds === 'objects');
const at = (turn: number): string => cluster.endpoint(turn % 3);

/** All of a listing, page by page, each page from another node. */
async function listed(query: Readonly<Record<string, string>>): Promise<{ keys: string[]; prefixes: string[] }> {
  const keys: string[] = [];
  const prefixes: string[] = [];
  for (let page = 0, token: string | undefined; ; page++) {
    const answer = await send(at(page), 'GET', '/spread', {
      query: {
        'list-type': '2',
        'max-keys': '7',
        ...query,
        ...(token !== undefined && { 'continuation-token': token }),
      },
    });
    assert.equal(answer.status, 200, answer.text());
    keys.push(...answer.elements('Key'));
    for (const [, prefix] of answer.text().matchAll(/<CommonPrefixes><Prefix>([^<]*)</g))
      prefixes.push(prefix as string);
    token = answer.element('NextContinuationToken');
    if (token === undefined) return { keys, prefixes };
  }
}

const names = Array.from({ length: 90 }, (_, i) => `${['a', 'b/', 'b/c/', ''][i % 4]}${i}`);

test('every object shard has an owner, and no node owns all of them', { skip, timeout: 900_000 }, async (t) => {
  const took = await until('the shards are spread', 90_000, async () => {
    const found = await holding(0);
    const owners = new Set(found.map(({ owner }) => owner));
    return found.length === 4 && !owners.has(null) && owners.size > 1;
  });
  t.diagnostic(`spread after ${Math.round(took)} ms`);
});

test('a listing through any node is exact', { skip, timeout: 900_000 }, async () => {
  assert.equal((await send(at(0), 'PUT', '/spread')).status, 200);
  const before = await holding();
  for (const [turn, name] of names.entries())
    assert.equal((await send(at(turn), 'PUT', pathOf('spread', name), { body: name })).status, 200);
  // What another node has answered, this one may have still to apply.
  await until('every shard has taken some', 60_000, async () => {
    const after = await holding();
    return before.every(({ position }, index) => (after[index] as Shard).position > position);
  });
  assert.deepEqual((await listed({})).keys, [...names].sort());
  const folded = await listed({ delimiter: '/' });
  assert.deepEqual(folded, { keys: names.filter((name) => !name.includes('/')).sort(), prefixes: ['b/'] });
  const below = await listed({ delimiter: '/', prefix: 'b/' });
  assert.deepEqual(below.prefixes, ['b/c/']);
  assert.deepEqual(below.keys, names.filter((name) => /^b\/\d+$/.test(name)).sort());
});

test('copies and deletions of many keys reach all shards', { skip, timeout: 900_000 }, async () => {
  const large = randomBytes(200_000);
  assert.equal((await send(at(0), 'PUT', pathOf('spread', 'source'), { body: large })).status, 200);
  for (let i = 0; i < 8; i++) {
    const copied = await send(at(i), 'PUT', pathOf('spread', `copy-${i}`), {
      headers: { 'x-amz-copy-source': '/spread/source' },
    });
    assert.equal(copied.status, 200, copied.text());
  }
  assert.equal((await send(at(1), 'DELETE', pathOf('spread', 'source'))).status, 204);
  for (let i = 0; i < 8; i++)
    assert.ok((await send(at(i + 1), 'GET', pathOf('spread', `copy-${i}`))).body.equals(large), `copy-${i}`);
  const gone = [...names.slice(0, 40), ...Array.from({ length: 8 }, (_, i) => `copy-${i}`)];
  const body = `<Delete>${gone.map((name) => `<Object><Key>${name}</Key></Object>`).join('')}</Delete>`;
  const deleted = await send(at(2), 'POST', '/spread', {
    query: { delete: '' },
    body,
    headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
  });
  assert.equal(deleted.status, 200, deleted.text());
  assert.equal(deleted.elements('Key').length, gone.length);
  assert.deepEqual((await listed({})).keys, names.slice(40).sort());
});

test('versioning holds in every shard once it was answered', { skip, timeout: 900_000 }, async () => {
  assert.equal((await send(at(0), 'PUT', '/kept')).status, 200);
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  assert.equal((await send(at(1), 'PUT', '/kept', { query: { versioning: '' }, body })).status, 200);
  const puts = await Promise.all(
    Array.from({ length: 24 }, (_, i) => send(at(i), 'PUT', pathOf('kept', `k${i}`), { body: 'x' })),
  );
  for (const put of puts) assert.match(put.headers['x-amz-version-id'] as string, /^[0-9a-f]{32}$/);
});

test('a token of one session binds reads of all shards that it has written', { skip, timeout: 900_000 }, async () => {
  let token = '';
  for (let i = 0; i < 24; i++) {
    const put = await send(at(i), 'PUT', pathOf('spread', `session-${i}`), {
      body: `${i}`,
      headers: { 'x-dsom-token': token },
    });
    assert.equal(put.status, 200, put.text());
    token = put.headers['x-dsom-token'] as string;
  }
  for (let i = 0; i < 24; i++) {
    const got = await send(at(i + 1), 'GET', pathOf('spread', `session-${i}`), {
      headers: { 'x-dsom-consistency': 'causal', 'x-dsom-token': token },
    });
    assert.equal(got.text(), `${i}`);
  }
});

test('a bucket is deleted when nothing is left of it in any shard', { skip, timeout: 900_000 }, async () => {
  assert.equal((await send(at(0), 'PUT', '/short')).status, 200);
  for (let i = 0; i < 6; i++)
    assert.equal((await send(at(i), 'PUT', pathOf('short', `k${i}`), { body: 'x' })).status, 200);
  for (let i = 0; i < 6; i++) {
    const refused = await send(at(i), 'DELETE', '/short');
    assert.deepEqual([refused.status, refused.element('Code')], [409, 'BucketNotEmpty']);
    assert.equal((await send(at(i), 'DELETE', pathOf('short', `k${i}`))).status, 204);
  }
  // Writes and the deletion at once: whatever comes first, no write that was answered is gone.
  const [deletion, ...writes] = await Promise.all([
    send(at(0), 'DELETE', '/short'),
    ...Array.from({ length: 6 }, (_, i) => send(at(i), 'PUT', pathOf('short', `w${i}`), { body: 'x' })),
  ]);
  const written = writes.flatMap(({ status }, i) => (status === 200 ? [`w${i}`] : []));
  if (deletion.status === 204) assert.deepEqual(written, []);
  for (const key of written) assert.equal((await send(at(1), 'GET', pathOf('short', key))).status, 200);
  if (deletion.status === 204)
    for (let i = 0; i < 3; i++) assert.equal((await send(at(i), 'HEAD', '/short')).status, 404);
});

test('a node that owns shards is killed: their writes go on, and none that was answered is lost', {
  skip,
  timeout: 900_000,
}, async (t) => {
  const { node, nodes } = (await cluster.status(0)) as {
    node: string;
    nodes: readonly { readonly id: string; readonly apiAddress: string }[];
  };
  const victim = (await holding(0)).find(({ owner }) => owner !== node)?.owner;
  const address = nodes.find(({ id }) => id === victim)?.apiAddress;
  const dead = [0, 1, 2].find((index) => cluster.endpoint(index) === `http://${address}`) as number;
  const alive = [0, 1, 2].filter((index) => index !== dead);
  const written = new Map<string, string>();
  let running = true;
  const writers = Array.from({ length: 6 }, async (_, writer) => {
    for (let i = 0; running; i++) {
      const key = `w${writer}-${i}`;
      const endpoint = cluster.endpoint(alive[i % 2]);
      const put = await send(endpoint, 'PUT', pathOf('spread', key), { body: key }).catch(() => undefined);
      if (put?.status === 200) written.set(key, key);
    }
  });
  try {
    await until('writes are under way', 30_000, async () => written.size > 30);
    await cluster.end(dead);
    const killed = written.size;
    const probes = Array.from({ length: 16 }, (_, i) => `probe-${i}`);
    const took = await until('writes to all shards go on', 60_000, async () => {
      const puts = await Promise.all(
        probes.map((key, i) => send(cluster.endpoint(alive[i % 2]), 'PUT', pathOf('spread', key), { body: key })),
      );
      return puts.every(({ status }) => status === 200);
    });
    t.diagnostic(`every shard took writes ${Math.round(took)} ms after a node was killed`);
    await until('more is written', 30_000, async () => written.size > killed + 30);
  } finally {
    running = false;
    await Promise.all(writers);
  }
  await cluster.restart(dead);
  const everywhere = await listed({ prefix: 'w' });
  for (const key of written.keys()) assert.ok(everywhere.keys.includes(key), key);
  for (const [turn, key] of [...written.keys()].entries())
    if (turn % 10 === 0) assert.equal((await send(at(turn), 'GET', pathOf('spread', key))).text(), key);
  await until('the shards are spread again', 90_000, async () => {
    const owners = (await holding()).map(({ owner }) => owner);
    return new Set(owners).size > 1 && !owners.includes(null);
  });
});
