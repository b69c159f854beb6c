/* Buckets that are replicated between two real servers, each of which is killed meanwhile: every version that was answered arrives, and nothing runs in circles. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { dsom, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { credentials, type Server, startServer } from '../src/server.ts';
import { ask } from './ask.ts';

const folder = scratchFolder('replication');
/** Where it is stays the same over every restart. */
interface Store {
  readonly name: string;
  server: Server;
}
const stores: Store[] = [];
const [here, there] = [0, 1].map((index) => () => (stores[index] as Store).server.endpoint) as [
  () => string,
  () => string,
];

before(async () => {
  process.env['XDG_CONFIG_HOME'] = path.join(folder, 'config');
  for (const name of ['here', 'there']) stores.push({ name, server: await startServer([path.join(folder, name)]) });
  const keys = ['--access-key-id', credentials.accessKeyId, '--secret-access-key', credentials.secretAccessKey];
  for (const { name, server } of stores) await dsom(server.endpoint, 'profile', 'add', name, server.endpoint, ...keys);
  await dsom(here(), 'replication', 'target', 'add', 'dr', 'there');
  await dsom(there(), 'replication', 'target', 'add', 'dr', 'here');
});
after(async () => {
  for (const { server } of stores) await server.stop('SIGKILL');
});

const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
const replication = (bucket: string): string =>
  `<ReplicationConfiguration><Role/><Rule><ID>all</ID><Status>Enabled</Status><Priority>1</Priority><Filter/><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:dsom:s3::dr:${bucket}</Bucket></Destination></Rule></ReplicationConfiguration>`;
const configure = (endpoint: string, bucket: string) =>
  ask(endpoint, 'PUT', `/${bucket}?replication`, { body: replication(bucket) });

async function makeBucket(endpoint: string, bucket: string): Promise<void> {
  assert.equal((await ask(endpoint, 'PUT', `/${bucket}`)).status, 200);
  assert.equal((await ask(endpoint, 'PUT', `/${bucket}?versioning`, { body: versioning })).status, 200);
}

async function restart(index: number): Promise<void> {
  const store = stores[index] as Store;
  const { port } = store.server;
  await store.server.stop('SIGKILL');
  store.server = await startServer([path.join(folder, store.name)], { port });
}

const bodyAt = async (endpoint: string, bucket: string, key: string): Promise<string | number> => {
  const got = await ask(endpoint, 'GET', `/${bucket}/${key}`);
  return got.status === 200 ? got.text() : got.status;
};

describe('replication', { timeout: 900_000 }, () => {
  it('is refused to a bucket that is not there, or keeps no versions', async () => {
    await makeBucket(here(), 'refused');
    const missing = await configure(here(), 'refused');
    assert.match(missing.text(), /InvalidRequest.*Destination bucket must exist/s);
    await ask(there(), 'PUT', '/refused');
    assert.match((await configure(here(), 'refused')).text(), /Destination bucket must have versioning enabled/);
  });

  it('brings every version that was answered, over kill -9 of either store', async (t) => {
    for (const endpoint of [here(), there()]) await makeBucket(endpoint, 'kept');
    const done = await configure(here(), 'kept');
    assert.equal(done.status, 200, done.text());
    const answered = new Map<string, string>();
    let writing = true;
    let written = 0;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let at = 0; writing; at++) {
        const key = `w${writer}/${at % 25}`;
        const body = `${key} ${at} ${'x'.repeat(at % 3 === 0 ? 9000 : 10)}`;
        const put = await ask(here(), 'PUT', `/kept/${key}`, { body }).catch(() => undefined);
        // What was not answered may have been written all the same: then the next one of its key says what counts.
        if (put?.status === 200) {
          answered.set(key, body);
          written++;
        } else answered.delete(key);
      }
    });
    try {
      for (const index of [1, 0, 1, 0, undefined]) {
        const before = written;
        await until('writes are answered', 180_000, async () => written > before + 60);
        if (index !== undefined) await restart(index);
      }
    } finally {
      writing = false;
      await Promise.all(writers);
    }
    assert.ok(answered.size > 0);
    for (const [key, body] of answered)
      await until(`${key} is there`, 180_000, async () => (await bodyAt(there(), 'kept', key)) === body);
    t.diagnostic(`${answered.size} keys`);
  });

  it('between two stores that replicate to each other ends', async () => {
    for (const endpoint of [here(), there()]) await makeBucket(endpoint, 'both');
    for (const endpoint of [here(), there()]) assert.equal((await configure(endpoint, 'both')).status, 200);
    await ask(here(), 'PUT', '/both/a', { body: 'from here' });
    await ask(there(), 'PUT', '/both/b', { body: 'from there' });
    await until('a is there', 60_000, async () => (await bodyAt(there(), 'both', 'a')) === 'from here');
    await until('b is here', 60_000, async () => (await bodyAt(here(), 'both', 'b')) === 'from there');
    await ask(here(), 'DELETE', '/both/b');
    await until('b is deleted there', 60_000, async () => (await bodyAt(there(), 'both', 'b')) === 404);
    const versions = await Promise.all([here(), there()].map((endpoint) => ask(endpoint, 'GET', '/both?versions')));
    for (const listed of versions) assert.equal(listed.elements('VersionId').length, 3, listed.text());
  });

  it('of what was there before is asked for by command', async () => {
    for (const endpoint of [here(), there()]) await makeBucket(endpoint, 'older');
    for (let at = 0; at < 30; at++) await ask(here(), 'PUT', `/older/${at}`, { body: `body ${at}` });
    assert.equal((await configure(here(), 'older')).status, 200);
    const lines = await dsom(here(), 'replication', 'resync', 's3://older');
    const summary = lines.find(({ type }) => type === 'summary');
    assert.deepEqual([summary?.['looked'], summary?.['sent'], summary?.['failed']], [30, 30, 0]);
    for (let at = 0; at < 30; at++) assert.equal(await bodyAt(there(), 'older', String(at)), `body ${at}`);
  });

  it('keeps the store that it needs', async () => {
    await dsom(here(), 'replication', 'target', 'test', 'dr');
    await assert.rejects(dsom(here(), 'replication', 'target', 'remove', 'dr'), /is replicated to dr/);
    const [{ targets }] = (await dsom(here(), 'replication', 'target', 'list')) as [
      { targets: Record<string, unknown>[] },
    ];
    assert.deepEqual(
      targets.map(({ name, kind, url, accessKeyId }) => [name, kind, url, accessKeyId]),
      [['dr', 's3', `${there()}/`, credentials.accessKeyId]],
    );
    assert.ok(!JSON.stringify(targets).includes(credentials.secretAccessKey));
  });
});
