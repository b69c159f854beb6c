import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { exitCode } from './exit.ts';
import { type Stub, startStub } from './stub.fixture.ts';

const id = (digit: string): string => `${digit.repeat(8)}-0000-4000-8000-000000000000`;

const answer = {
  cluster: 'main',
  store: 'the-store',
  node: id('1'),
  leader: id('2'),
  epoch: 3,
  position: 99,
  shards: [
    { shard: 0, holds: 'system', owner: id('2'), epoch: 3, position: 99 },
    { shard: 1, holds: 'objects', owner: id('1'), epoch: 4, position: 7 },
    { shard: 2, holds: 'objects', owner: null, epoch: null, position: 8 },
  ],
  nodes: [
    {
      id: id('1'),
      state: 'active',
      apiAddress: '10.0.0.1:9000',
      zone: 'west',
      roles: ['gateway', 'storage'],
      leads: false,
      reachable: true,
      applied: 99,
    },
    {
      id: id('2'),
      state: 'draining',
      apiAddress: '10.0.0.2:9000',
      zone: '',
      roles: ['metadata'],
      leads: true,
      reachable: true,
      applied: 98,
    },
    {
      id: id('3'),
      state: 'active',
      apiAddress: '10.0.0.3:9000',
      zone: '',
      roles: ['metadata'],
      leads: false,
      reachable: false,
      applied: null,
    },
  ],
  devices: [
    {
      identity: id('a'),
      node: id('1'),
      state: 'active',
      health: 'good',
      class: 'ssd',
      capacityBytes: 2048,
      freeBytes: 1024,
    },
    {
      identity: id('b'),
      node: id('3'),
      state: 'active',
      health: 'away',
      class: 'hdd',
      capacityBytes: 2048,
      freeBytes: null,
    },
  ],
  etcd: [
    { node: id('1'), clientUrls: [], votes: true },
    { node: null, clientUrls: [], votes: false },
  ],
  groups: [{ id: 7, epoch: 2, scheme: 'copies=2', devices: [id('a'), id('b')] }],
  features: [
    { name: 'settings', on: true, known: true, heldBackBy: [] },
    { name: 'invitations', on: false, known: true, heldBackBy: [{ node: id('3'), version: '0.1.0' }] },
  ],
  degraded: ['node 3 does not answer\u001b[31m'],
};

let stub: Stub;
/** What was asked of the server, as `METHOD path body`. */
let asked: string[];
let given: unknown;
before(async () => {
  stub = await startStub();
});
after(() => stub.close());
beforeEach(() => {
  asked = [];
  given = answer;
  stub.store.intercept = ({ method, path, body }) => {
    if (!path.startsWith('/-/admin/v1/cluster')) return undefined;
    asked.push(`${method} ${path.slice('/-/admin/v1/cluster'.length)} ${new TextDecoder().decode(body)}`);
    return Response.json(given);
  };
});

test('the status says what an operator must know, and nothing that a terminal would obey', async () => {
  for (const command of [['cluster'], ['cluster', 'status']]) {
    const { code, stdout } = await stub.run(command);
    assert.equal(code, 0);
    assert.match(stdout, /cluster {3}main {2}\(store the-store\)/);
    assert.match(stdout, /owned by node 22222222, position 99, epoch 3/);
    assert.match(stdout, /shards {4}2 hold objects, no node owns 2: writes there wait/);
    assert.match(stdout, /nodes {5}3, 1 away: 33333333/);
    assert.match(stdout, /devices {3}2, 1 not good: bbbbbbbb away/);
    assert.match(stdout, /degraded {2}node 3 does not answer/);
    assert.match(stdout, /feature {3}invitations is off: held back by node 33333333 \(version 0\.1\.0\)/);
    assert.ok(!stdout.includes('settings'));
    assert.match(stdout, /etcd {6}2 members, on nodes 11111111, 1 without a vote yet/);
    assert.ok(!stdout.includes('\u001b'));
  }
  given = { ...answer, staleMs: 7000 };
  assert.match((await stub.run(['cluster', 'status'])).stdout, /silent {4}the log \(etcd\) has not answered for 7 s/);
  assert.match((await stub.run(['cluster', 'nodes'])).stderr, /silent {4}the log \(etcd\) has not answered for 7 s/);
  given = { ...answer, leader: null, etcd: null };
  assert.match(
    (await stub.run(['cluster', 'status'])).stdout,
    /no node owns it: writes wait[\s\S]*etcd {6}does not answer/,
  );
});

test('nodes, devices and groups are tables, or a line each', async () => {
  const nodes = (await stub.run(['cluster', 'nodes'])).stdout.trim().split('\n');
  assert.equal(nodes.length, 4);
  assert.match(nodes[1] as string, /^11111111 +active +here +west +gateway,storage +10\.0\.0\.1:9000 +99$/);
  assert.match(nodes[2] as string, /draining +leads +- /);
  assert.match(nodes[3] as string, /away .* -$/);
  const devices = (await stub.run(['cluster', 'devices'])).stdout;
  assert.match(
    devices,
    /aaaaaaaa +11111111 +active +good +ssd +2\.0 KiB +1\.0 KiB|aaaaaaaa +11111111 +active +good +ssd/,
  );
  assert.match((await stub.run(['cluster', 'groups'])).stdout, /7 +2 +copies=2 +aaaaaaaa bbbbbbbb/);
  assert.match((await stub.run(['cluster', 'shards'])).stdout, /1 +objects +11111111 +4 +7\n2 +objects +- +- +8/);
  for (const part of ['nodes', 'devices', 'groups', 'shards'] as const)
    assert.deepEqual((await stub.run(['cluster', part, '--json'])).rows, answer[part]);
});

test('object shards are asked for, and waited for until all nodes have them', async () => {
  given = { objectShards: 4, inUse: 1, notOpenOn: [id('2'), id('3')] };
  const begun = (await stub.run(['cluster', 'shards', 'grow', '4'])).stdout;
  assert.match(
    begun,
    /^1 of 4 object shards are in use\nnot open yet on node 22222222, 33333333: it opens them by itself/,
  );
  assert.deepEqual((await stub.run(['cluster', 'shards', 'use', '--json'])).rows, [given]);
  given = { objectShards: 4, inUse: 4, notOpenOn: [] };
  const waited = await stub.run(['cluster', 'shards', 'grow', '4', '--wait']);
  assert.ok(!waited.stderr.includes('\u001b'), 'nobody looks on, so no line is wiped');
  assert.equal(waited.stdout, '4 of 4 object shards are in use\n');
  assert.deepEqual(asked, ['POST /shards {"count":4}', 'GET /shards ', 'POST /shards {"count":4}', 'GET /shards ']);
  for (const bad of ['0', '1.5', 'x']) {
    const refused = await stub.run(['cluster', 'shards', 'grow', bad]);
    assert.deepEqual([refused.code, /whole number, 1 or more/.test(refused.stderr)], [exitCode.usage, true]);
  }
});

test('a bucket is given more shards, and told what is in each', async () => {
  const found = {
    bucket: 'photos',
    madeWith: 1,
    objectShardsInUse: 4,
    shards: [
      { shard: 1, objects: 9, versions: 10, uploads: 1, bytes: 2048 },
      { shard: 2, objects: 0, versions: 0, uploads: 0, bytes: 0 },
    ],
  };
  const requests: string[] = [];
  stub.store.intercept = ({ method, path, body }) => {
    if (!path.startsWith('/-/admin/v1/buckets')) return undefined;
    requests.push(`${method} ${path.slice('/-/admin/v1/buckets'.length)} ${new TextDecoder().decode(body)}`);
    return Response.json(found);
  };
  const { stdout } = await stub.run(['bucket', 'reshard', 'photos']);
  assert.match(
    stdout,
    /^photos has 2 shards, and was made with 1: keys from before stay where they are, new ones spread\n/,
  );
  assert.match(stdout, /\n1 +9 +10 +1 +2\.00 KiB\n2 +0 +0 +0 +0 B/);
  await stub.run(['bucket', 'reshard', 'photos', '--to', '4']);
  assert.deepEqual((await stub.run(['bucket', 'shards', 'photos', '--json'])).rows, [found]);
  const [read, four] = ['GET /photos/shards ', 'POST /photos/shards {"shards":4}'];
  // Never "twice as many": a command whose answer was lost is sent again.
  assert.deepEqual(requests, [read, four, four, read]);
  const refused = await stub.run(['bucket', 'reshard', 'photos', '--to', 'many']);
  assert.deepEqual([refused.code, /--to is a whole number/.test(refused.stderr)], [exitCode.usage, true]);
});

test('features are listed with the nodes that hold them back', async () => {
  const lines = (await stub.run(['cluster', 'features'])).stdout.trim().split('\n');
  assert.match(lines[1] as string, /^settings +on +-$/);
  assert.match(lines[2] as string, /^invitations +off +33333333 \(version 0\.1\.0\)$/);
  assert.deepEqual((await stub.run(['cluster', 'features', '--json'])).rows, answer.features);
});

test('an invitation is a command to run, for as long as was asked for', async () => {
  given = { line: 'dsom-join:1/x', expiresAt: '2030-01-01T00:00:00.000Z' };
  const { stdout, stderr } = await stub.run(['cluster', 'invite', '--expires', '120']);
  assert.equal(stdout, 'dsom server --data DIR --join dsom-join:1/x\n');
  assert.match(stderr, /good for one node, until 2030/);
  await stub.run(['cluster', 'invite']);
  assert.deepEqual(asked, ['POST /invite {"seconds":120}', 'POST /invite {}']);
  for (const bad of ['59', '1.5', 'x']) {
    const refused = await stub.run(['cluster', 'invite', '--expires', bad]);
    assert.deepEqual([refused.code, /60 or more/.test(refused.stderr)], [exitCode.usage, true]);
  }
});

test('invitations are listed, and revoked by their ids', async () => {
  const open = { id: `${'c'.repeat(32)}`, createdAt: 'then', expiresAt: 'soon', by: id('2') };
  given = { invitations: [open] };
  assert.match((await stub.run(['cluster', 'invitations'])).stdout, /cccccccc +soon +then +22222222\n/);
  assert.deepEqual((await stub.run(['cluster', 'invitations', '--json'])).rows, [open]);
  given = { id: open.id };
  assert.equal(
    (await stub.run(['cluster', 'invitations', 'revoke', 'cc/c'])).stdout,
    `invitation ${open.id} is revoked\n`,
  );
  assert.deepEqual(asked, ['GET /invitations ', 'GET /invitations ', 'DELETE /invitations/cc%2Fc ']);
});

test('the authority is shown, and changed until the old one is trusted no more', async () => {
  given = { number: 0, state: 'only', validUntil: '2036', waitsFor: [] };
  assert.match(
    (await stub.run(['cluster', 'authority'])).stdout,
    /the first one of this cluster, valid until 2036\nchange {5}none/,
  );
  given = { number: 1, state: 'trusted', validUntil: '2036', waitsFor: [id('2'), id('3')] };
  const begun = (await stub.run(['cluster', 'rotate-authority'])).stdout;
  assert.match(
    begun,
    /number 1 after the first.*\nchange +every node comes to trust.*\nwaits for +node 22222222, 33333333/,
  );
  given = { number: 1, state: 'only', validUntil: '2036', waitsFor: [] };
  assert.match((await stub.run(['cluster', 'authority', '--wait'])).stdout, /change {5}none/);
  assert.deepEqual(asked, ['GET /authority ', 'POST /authority {"action":"rotate"}', 'GET /authority ']);
});

test('nodes and devices are changed by their ids', async () => {
  given = { id: id('2'), state: 'draining', zone: 'east', identity: id('a') };
  for (const action of ['drain', 'activate', 'remove'])
    assert.equal((await stub.run(['node', action, '2222'])).stdout, `node ${id('2')} is draining, zone east\n`);
  await stub.run(['node', 'label', '2222', 'east']);
  for (const action of ['drain', 'activate', 'retire'])
    assert.equal((await stub.run(['device', action, 'a/b'])).stdout, `device ${id('a')} is draining\n`);
  given = { identity: id('a'), state: 'retired', by: id('b'), groups: 7, groupsElsewhere: 2 };
  assert.equal(
    (await stub.run(['device', 'replace', 'aa', 'bb'])).stdout,
    `device ${id('a')} is retired\ndevice ${id('b')} takes its place in 7 placement groups\n2 groups may not lie on it, and go to other devices\n`,
  );
  assert.equal(asked.pop(), 'POST /devices/aa {"action":"replace","by":"bb"}');
  assert.deepEqual(asked, [
    'POST /nodes/2222 {"action":"drain"}',
    'POST /nodes/2222 {"action":"activate"}',
    'POST /nodes/2222 {"action":"remove"}',
    'POST /nodes/2222 {"action":"label","zone":"east"}',
    'POST /devices/a%2Fb {"action":"drain"}',
    'POST /devices/a%2Fb {"action":"activate"}',
    'POST /devices/a%2Fb {"action":"retire"}',
  ]);
});

test('what the server refuses is said, with an exit code of its own', async () => {
  const refuse = (status: number, code: string, detail: string) => {
    stub.store.intercept = () =>
      Response.json({ type: 'about:blank', title: code, status, detail, code, requestId: 'r' }, { status });
  };
  refuse(404, 'NotFound', 'There is no node 9. `dsom cluster nodes` lists them.');
  const none = await stub.run(['node', 'drain', '9']);
  assert.deepEqual(
    [none.code, none.stderr],
    [exitCode.notFound, 'dsom: There is no node 9. `dsom cluster nodes` lists them.\n'],
  );
  refuse(400, 'InvalidRequest', 'This server is not a node of a cluster. Start it with --cluster-name.');
  const alone = await stub.run(['cluster', 'status']);
  assert.deepEqual([alone.code, /--cluster-name/.test(alone.stderr)], [exitCode.failed, true]);
});
