/* A disk of a node is lost, another one is put in for it, and takes all its places: nothing is missed on the way, and full redundancy is back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, told, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

let cluster: Cluster | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
});

test('a lost device is replaced by a new one of the same node', { skip: etcdMissing, timeout: 600_000 }, async () => {
  const folder = scratchFolder('cluster-replace');
  const second = (name: string): string => path.join(folder, name);
  cluster = await Cluster.start(folder, 3, (index) => (index === 1 ? ['--data', second('disk')] : []));
  const store = cluster;
  const put = async (key: string): Promise<Buffer> => {
    const body = randomBytes(200_000);
    const headers = { 'x-dsom-redundancy': 'copies=3' };
    const answer = await send(store.endpoint(0), 'PUT', pathOf('kept', key), { body, headers });
    assert.equal(answer.status, 200, answer.text());
    return body;
  };
  assert.equal((await send(store.endpoint(0), 'PUT', '/kept')).status, 200);
  const kept = new Map<string, Buffer>();
  for (let i = 0; i < 40; i++) kept.set(`object-${i}`, await put(`object-${i}`));
  const devicesOf = async () => (await store.status(0))['devices'] as Record<string, unknown>[];
  const before = await devicesOf();
  const { node: nodeId } = await store.status(1);

  await store.end(1, 'SIGTERM');
  rmSync(second('disk'), { recursive: true });
  const flags = (store.nodes[1] as Cluster['nodes'][number]).flags.map((one) =>
    one === second('disk') ? second('new') : one,
  );
  store.nodes[1] = { ...(store.nodes[1] as Cluster['nodes'][number]), flags };
  await store.restart(1);
  const known = new Set(before.map(({ identity }) => identity));
  let fresh: Record<string, unknown> | undefined;
  await until('the new device is known', 30_000, async () => {
    fresh = (await devicesOf()).find(({ identity }) => !known.has(identity));
    return fresh?.['health'] === 'good';
  });
  const lost = (await devicesOf()).find(({ node, health }) => node === nodeId && health !== 'good');
  assert.ok(lost && fresh, 'one device is away, one is new');
  const held = async (device: unknown) =>
    ((await store.status(0))['groups'] as { devices: unknown[] }[]).filter(({ devices }) => devices.includes(device));
  const places = (await held(lost['identity'])).length;
  assert.ok(places > 0);
  const [answer] = await dsom(
    store.endpoint(2),
    'device',
    'replace',
    String(lost['identity']),
    String(fresh['identity']),
  );
  assert.deepEqual([answer?.['state'], answer?.['groups'], answer?.['groupsElsewhere']], ['retired', places, 0]);
  // It was asked of another node than the one that is asked now.
  await until('its places are given away', 30_000, async () => (await held(lost['identity'])).length === 0);
  assert.ok((await held(fresh['identity'])).length >= places);
  for (const [key, body] of kept) {
    const got = await send(store.endpoint(1), 'GET', pathOf('kept', key));
    assert.ok(got.status === 200 && got.body.equals(body), `${key}: ${got.status}`);
  }
  await until('full redundancy is back', 240_000, async () => {
    return (await told(store.endpoint(0), '/repair'))['done'] === true;
  });
  // Each of the other nodes goes in turn: the bytes are on the new device too.
  for (const [key, body] of kept) {
    const got = await send(store.endpoint(2), 'GET', pathOf('kept', key));
    assert.ok(got.body.equals(body), key);
    assert.equal(got.headers['x-dsom-redundancy'], 'copies=3');
  }
  const lines = await dsom(store.endpoint(1), 'fsck');
  assert.deepEqual(lines.find(({ type }) => type === 'summary')?.['counts'], {});
});
