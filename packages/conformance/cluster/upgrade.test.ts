/*
 * A cluster is upgraded node by node while it serves: no request is lost, what came with the new version is used only once every node knows it, and
 * from then on nobody goes back.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, etcdMissing, until } from './cluster.support.ts';
import { Load } from './load.ts';
import { scratchFolder } from './scratch.ts';
import { firstVersion, historyMissing, versionBefore } from './versions.ts';

interface Feature {
  readonly name: string;
  readonly on: boolean;
  readonly heldBackBy: readonly { readonly node: string; readonly version: string }[];
}

const featuresOf = async (cluster: Cluster, index: number): Promise<readonly Feature[]> =>
  ((await cluster.status(index))['features'] ?? []) as readonly Feature[];

async function readAll(cluster: Cluster, kept: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [i, endpoint] of cluster.endpoints().entries())
    for (const [key, body] of [...kept].filter((_, n) => n % 3 === i)) {
      const got = await send(endpoint, 'GET', pathOf('load', key));
      assert.equal(got.status, 200, `${key} at ${endpoint}: ${got.text().slice(0, 300)}`);
      assert.ok(got.body.equals(body), key);
    }
}

/**
 * @param newest a feature that the version before does not know
 * @param refusal what that version says when it is started again afterwards
 */
async function upgrade(t: TestContext, name: string, before: string, newest: string, refusal: RegExp): Promise<void> {
  const cluster = await Cluster.start(scratchFolder(name), 3, undefined, () => ({ program: before }));
  t.after(() => cluster.stop('SIGKILL'));
  assert.equal((await send(cluster.endpoint(0), 'PUT', '/load')).status, 200);
  const load = new Load('load', cluster.endpoints(), 4);
  t.after(() => load.stop());
  for (const index of [0, 1, 2]) {
    await load.until(load.kept.size + 10);
    await cluster.end(index, 'SIGTERM');
    cluster.install(index);
    await cluster.restart(index);
    const features = await featuresOf(cluster, index);
    const found = features.find((one) => one.name === newest);
    assert.ok(found, JSON.stringify(features));
    if (index === 2) break;
    assert.deepEqual([found.on, found.heldBackBy.length], [false, 2 - index], JSON.stringify(found));
  }
  for (const index of [0, 1, 2])
    await until(`the features come on at node ${index}`, 30_000, async () =>
      (await featuresOf(cluster, index)).every(({ on }) => on),
    );
  await load.until(load.kept.size + 50);
  await load.stop();
  t.diagnostic(load.summary());
  assert.deepEqual([load.failures, load.odd], [[], []]);
  await readAll(cluster, load.kept);

  await cluster.end(1, 'SIGTERM');
  cluster.install(1, before);
  await assert.rejects(cluster.restart(1), refusal);
  cluster.install(1);
  await cluster.restart(1);
  await readAll(cluster, load.kept);
}

test('from the version before the newest feature', { skip: etcdMissing }, async (t) => {
  const before = versionBefore(path.join(scratchFolder('version-before')));
  await upgrade(
    t,
    'upgrade',
    before,
    'authorities',
    /does not know authorities, which is in use here: start a version that does/,
  );
});

test('from the first version that had clusters', { skip: etcdMissing || historyMissing }, async (t) => {
  const before = firstVersion(path.join(scratchFolder('version-first')));
  await upgrade(
    t,
    'upgrade-first',
    before,
    'settings',
    /does not know .*settings.*, which is turned on: start a newer version/,
  );
});
