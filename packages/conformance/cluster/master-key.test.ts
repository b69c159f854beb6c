/* The master key of a cluster is rotated under load, while a node is away and another one joins. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { Load } from './load.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;

let cluster: Cluster;
before(async () => {
  if (skip === false) cluster = await Cluster.start(scratchFolder('cluster-master-key'), 3);
});
after(async () => {
  await cluster?.stop('SIGKILL');
});

const status = async (index: number) => (await dsom(cluster.endpoint(index), 'key', 'master', 'status'))[0] ?? {};
/** Of the keyring file of a node: docs/formats/keys.md. */
function keyringOf(index: number) {
  const bytes = readFileSync(path.join((cluster.nodes[index] as Cluster['nodes'][number]).folder, 'keys/keyring'));
  return { format: bytes[8] as number, active: bytes.readUInt32LE(25), keys: bytes.readUInt32LE(29), bytes };
}

test('the master key is rotated while all serves: a node that is away holds it up, and none seals with a key that another lacks', {
  skip,
}, async (t) => {
  await until('the feature is on', 60_000, async () =>
    ((await cluster.status(0))['features'] as { name: string; on: boolean }[]).some(
      ({ name, on }) => name === 'masterKeys' && on,
    ),
  );
  for (let at = 0; at < 20; at++)
    assert.equal((await send(cluster.endpoint(at % 3), 'PUT', `/bucket-${at}`)).status, 200);
  assert.equal((await send(cluster.endpoint(0), 'PUT', '/rotated')).status, 200);
  const load = new Load(
    'rotated',
    [0, 1, 2].map((index) => cluster.endpoint(index)),
    3,
  );
  t.after(() => load.stop());
  const { node: awayId } = (await cluster.status(2)) as { node: string };
  await cluster.end(2);
  assert.equal((await dsom(cluster.endpoint(1), 'key', 'master', 'rotate'))[0]?.['number'], 2);
  await until('both others have the key', 60_000, async () => keyringOf(0).keys === 2 && keyringOf(1).keys === 2);
  await until('only the node that is away lacks it', 60_000, async () => {
    const found = await status(0);
    return found['state'] === 'spreading' && String(found['waitsFor']) === awayId;
  });
  const before = load.kept.size;
  await load.until(before + 20);
  assert.deepEqual(
    [keyringOf(0).active, keyringOf(1).active, keyringOf(2).keys],
    [1, 1, 1],
    'nobody seals with it yet',
  );
  const joined = await cluster.join(await cluster.invite(0));
  assert.equal((await status(joined))['state'], 'spreading');
  await cluster.restart(2);
  for (let at = 20; at < 30; at++) {
    // Meanwhile buckets are made, on every node: each answer can be read everywhere.
    assert.equal((await send(cluster.endpoint(at % 4), 'PUT', `/bucket-${at}`)).status, 200);
    assert.equal(
      (await send(cluster.endpoint((at + 1) % 4), 'PUT', `/bucket-${at}/o`, { body: Buffer.from('o') })).status,
      200,
    );
  }
  await until('nothing hangs on the old key', 120_000, async () => {
    const found = await status(1);
    return found['state'] === 'sealed' && (found['waitsFor'] as unknown[]).length === 0;
  });
  for (const index of [0, 1, 2, joined]) assert.equal(keyringOf(index).active, 2);
  await assert.rejects(dsom(cluster.endpoint(0), 'key', 'master', 'remove'), /--end-sessions/);
  await dsom(cluster.endpoint(0), 'key', 'master', 'remove', '--end-sessions', '--wait');
  for (const index of [0, 1, 2, joined]) assert.equal(keyringOf(index).format, 2);
  await load.until(load.kept.size + 20);
  await load.stop();
  t.diagnostic(load.summary());
  assert.deepEqual([load.failures, load.odd], [[], []]);

  for (const index of [0, 1, 2]) {
    await cluster.end(index, 'SIGTERM');
    await cluster.restart(index);
  }
  const newcomer = await cluster.join(await cluster.invite(1));
  for (const [key, body] of load.kept) {
    const got = await send(cluster.endpoint(newcomer), 'GET', pathOf('rotated', key));
    assert.ok(got.status === 200 && got.body.equals(body), `${key}: ${got.status}`);
  }
  assert.equal(keyringOf(newcomer).format, 2);
});
