/* Who becomes a member, and who is one no more: invitations that outlive who made them, and an authority that is replaced while the cluster serves. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { startServer } from '../src/server.ts';
import { Cluster, dsom, etcdMissing, told, until } from './cluster.support.ts';
import { Load } from './load.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;

let cluster: Cluster;
before(async () => {
  if (skip === false) cluster = await Cluster.start(scratchFolder('cluster-members'), 3);
});
after(async () => {
  await cluster?.stop('SIGKILL');
});

const open = (index: number) => dsom(cluster.endpoint(index), 'cluster', 'invitations');

test('an invitation outlives its maker, is taken by any node, once, and can be revoked', { skip }, async () => {
  const kept = await cluster.invite(2);
  const [revoked, listed] = [await cluster.invite(1), await open(0)];
  assert.equal(listed.length, 2);
  const newest = [...listed].sort((a, b) => String(a['createdAt']).localeCompare(String(b['createdAt']))).at(-1);
  await dsom(cluster.endpoint(0), 'cluster', 'invitations', 'revoke', String(newest?.['id']));
  await assert.rejects(cluster.join(revoked), /not known here, was used, or has expired/);
  // The node that made it is away: its address is the first in the line, and the next one takes the joiner in.
  await cluster.end(2);
  const joined = await cluster.join(kept);
  await assert.rejects(cluster.join(kept), /not known here, was used, or has expired/);
  assert.deepEqual(await open(0), []);
  const again = await cluster.invite(0);
  await cluster.end(0);
  await cluster.restart(2);
  await cluster.restart(0);
  assert.equal((await open(joined)).length, 1);
  await cluster.join(again);
  assert.equal(((await cluster.status(0))['nodes'] as unknown[]).length, 5);
  await until('etcd has five members, each on a node', 120_000, async () => {
    const members = ((await cluster.status(1))['etcd'] ?? []) as { node: string | null; votes: boolean }[];
    return members.length === 5 && members.every(({ node, votes }) => node !== null && votes);
  });
});

test('a node that was removed is told so when it is started again', { skip }, async () => {
  const index = await cluster.join(await cluster.invite(0), ['--roles', 'gateway,storage']);
  const { node } = (await cluster.status(index)) as { node: string };
  await cluster.end(index, 'SIGTERM');
  await until('it is taken out', 60_000, async () => {
    await dsom(cluster.endpoint(0), 'node', 'remove', node);
    return true;
  });
  await assert.rejects(cluster.restart(index), /was removed from the cluster conformance .* new invitation/);
  cluster.forget(index);
});

test('a new authority takes the place of the old one while all serves, and who was removed is refused for good', {
  skip,
}, async (t) => {
  const gone = cluster.nodes.length - 1;
  const copy = mkdtempSync(path.join(scratchFolder('removed'), 'node-'));
  const { folder, flags } = cluster.nodes[gone] as Cluster['nodes'][number];
  const { node: goneId } = (await cluster.status(gone)) as { node: string };
  await cluster.end(gone, 'SIGTERM');
  cpSync(folder, copy, { recursive: true });
  const serving = [0, 1, 2, 3];
  await until('the node is away', 30_000, async () =>
    ((await cluster.status(0))['nodes'] as { id: string; reachable: boolean }[]).some(
      ({ id, reachable }) => id === goneId && !reachable,
    ),
  );
  await dsom(cluster.endpoint(0), 'node', 'remove', goneId);
  await until(
    'etcd has a member less',
    60_000,
    async () => ((await cluster.status(0))['etcd'] as unknown[]).length === 4,
  );

  assert.equal((await send(cluster.endpoint(0), 'PUT', '/rotated')).status, 200);
  const load = new Load(
    'rotated',
    serving.map((index) => cluster.endpoint(index)),
    4,
  );
  t.after(() => load.stop());
  // While a node is away the change cannot end, and no other one begins.
  await cluster.end(3, 'SIGTERM');
  await dsom(cluster.endpoint(1), 'cluster', 'rotate-authority');
  await assert.rejects(dsom(cluster.endpoint(2), 'cluster', 'rotate-authority'), /under way/);
  await cluster.restart(3);
  const ended = await until('the old authority is trusted no more', 240_000, async () => {
    const found = await told(cluster.endpoint(2), '/authority');
    return found['state'] === 'only' && (found['waitsFor'] as unknown[]).length === 0;
  });
  await load.until(50);
  await load.stop();
  t.diagnostic(`changed in ${Math.round(ended / 1000)} s; ${load.summary()}`);
  assert.deepEqual([load.failures, load.odd], [[], []]);

  // With all that it had, the keyring and the old authority among it, the node that was removed gets in nowhere.
  await assert.rejects(
    startServer([copy], { port: cluster.nodes[gone]?.port as number, flags }),
    /the server ended at start/,
  );
  rmSync(copy, { recursive: true });

  // All others start with what they have now, and others join.
  for (const index of serving) {
    await cluster.end(index, 'SIGTERM');
    await cluster.restart(index);
  }
  const newcomer = await cluster.join(await cluster.invite(1));
  for (const [key, body] of load.kept) {
    const got = await send(cluster.endpoint(newcomer), 'GET', pathOf('rotated', key));
    assert.ok(got.status === 200 && got.body.equals(body), `${key}: ${got.status}`);
  }
  assert.equal((await dsom(cluster.endpoint(newcomer), 'cluster', 'authority'))[0]?.['number'], 1);
});
