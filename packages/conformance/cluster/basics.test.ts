/* Three nodes are one store: what is answered by one is there on all, at the level that is asked for. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const MiB = 1 << 20;
const skip = etcdMissing;

let cluster: Cluster;
before(async () => {
  if (skip === false) cluster = await Cluster.start(scratchFolder('cluster-basics'), 3);
});
after(async () => {
  await cluster?.stop();
});

test('each node is ready, knows the others, and says who leads', { skip }, async () => {
  // An object shard may just be handed to the node whose turn it is.
  for (const endpoint of cluster.endpoints())
    await until('it is ready', 60_000, async () => {
      const health = await send(endpoint, 'GET', '/-/health/ready', { anonymous: true });
      assert.equal(health.status, 200, health.text());
      return true;
    });
  // Nor does one node hear of a new owner when another does.
  await until('they say the same', 60_000, async () => {
    const statuses = await Promise.all([0, 1, 2].map((index) => cluster.status(index)));
    for (const status of statuses) assert.equal((status['nodes'] as unknown[]).length, 3);
    for (const same of ['leader', 'store']) assert.equal(new Set(statuses.map((status) => status[same])).size, 1, same);
    assert.equal(new Set(statuses.map((status) => status['node'])).size, 3);
    return true;
  });
});

test('what one node has answered, every node answers at once', { skip }, async () => {
  const [a, b, c] = cluster.endpoints() as [string, string, string];
  assert.equal((await send(b, 'PUT', '/shared')).status, 200);
  for (const [index, size] of [0, 1, 1000, 5000, 100_000, 3 * MiB, 20 * MiB].entries()) {
    const body = randomBytes(size);
    const at = cluster.endpoints();
    const put = await send(at[index % 3] as string, 'PUT', pathOf('shared', `object-${index}`), { body });
    assert.equal(put.status, 200, put.text());
    assert.match(put.headers['x-dsom-position'] as string, /^\d+$/);
    for (const endpoint of at) {
      const got = await send(endpoint, 'GET', pathOf('shared', `object-${index}`));
      assert.equal(got.status, 200, got.text());
      assert.ok(got.body.equals(body), `${endpoint} gave other bytes of ${size}`);
      assert.equal(got.headers['etag'], `"${createHash('md5').update(body).digest('hex')}"`);
    }
  }
  const listed = await send(c, 'GET', '/shared', { query: { 'list-type': '2' } });
  assert.equal(listed.elements('Key').length, 7);
  assert.equal((await send(a, 'DELETE', pathOf('shared', 'object-0'))).status, 204);
  for (const endpoint of [a, b, c])
    assert.equal((await send(endpoint, 'HEAD', pathOf('shared', 'object-0'))).status, 404);
});

test('a conditional write that two nodes take at once is won by one', { skip }, async () => {
  const endpoints = cluster.endpoints();
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        send(endpoints[i % 3] as string, 'PUT', pathOf('shared', `once-${round}`), {
          body: `writer ${i}`,
          headers: { 'if-none-match': '*' },
        }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, answers.map(({ status }) => status).join());
    assert.ok(answers.every(({ status }) => status === 200 || status === 412 || status === 409));
  }
});

test('a token binds a read at causal to what its bearer has seen', { skip }, async () => {
  const endpoints = cluster.endpoints();
  for (let i = 0; i < 20; i++) {
    const put = await send(endpoints[i % 3] as string, 'PUT', pathOf('shared', 'seen'), { body: `${i}` });
    const token = put.headers['x-dsom-token'] as string;
    const got = await send(endpoints[(i + 1) % 3] as string, 'GET', pathOf('shared', 'seen'), {
      headers: { 'x-dsom-consistency': 'causal', 'x-dsom-token': token },
    });
    assert.equal(got.text(), `${i}`);
    assert.equal(got.headers['x-dsom-consistency'], 'causal');
  }
  const last = await send(endpoints[0] as string, 'HEAD', pathOf('shared', 'seen'));
  const beyond = Buffer.from([1, 0, 0xff, 0xff, 0xff, 0x7f]).toString('base64url');
  assert.ok(last.headers['x-dsom-token'] !== beyond);
  const refused = await send(endpoints[1] as string, 'GET', pathOf('shared', 'seen'), {
    headers: { 'x-dsom-consistency': 'causal', 'x-dsom-token': beyond },
  });
  assert.deepEqual([refused.status, refused.element('Code')], [400, 'InvalidToken'], refused.text());
});

test('a read at eventual is answered from what is here, and catches up', { skip }, async () => {
  const [a, b] = cluster.endpoints() as [string, string, string];
  await send(a, 'PUT', pathOf('shared', 'lazy'), { body: 'there' });
  await until('the other node has it', 5000, async () => {
    const got = await send(b, 'GET', pathOf('shared', 'lazy'), { headers: { 'x-dsom-consistency': 'eventual' } });
    return got.status === 200 && got.text() === 'there';
  });
});

test('a key that one node makes is good at the next request to another, and revoked as fast', { skip }, async () => {
  const [a, b, c] = cluster.endpoints() as [string, string, string];
  for (let i = 0; i < 5; i++) {
    const [key] = await dsom(a, 'key', 'create', `app-${i}`);
    const { accessKeyId, secretAccessKey } = key as { accessKeyId: string; secretAccessKey: string };
    assert.equal((await send(b, 'GET', '/', { accessKeyId, secretAccessKey })).status, 200);
    await dsom(c, 'key', 'revoke', accessKeyId);
    assert.equal((await send(b, 'GET', '/', { accessKeyId, secretAccessKey })).status, 403);
  }
});

test('a named key is used by every node once one has made it, and by none once one has disabled it', {
  skip,
}, async () => {
  const [a, b, c] = cluster.endpoints() as [string, string, string];
  const sse = 'x-amz-server-side-encryption';
  await until('the feature is on', 30_000, async () =>
    (await dsom(a, 'cluster', 'features')).some(({ name, on }) => name === 'kmsKeys' && on === true),
  );
  await dsom(a, 'kms', 'create', 'payroll');
  const headers = { [sse]: 'aws:kms', [`${sse}-aws-kms-key-id`]: 'alias/payroll' };
  const put = await send(b, 'PUT', pathOf('shared', 'named'), { body: 'bytes', headers });
  assert.equal(put.status, 200, put.text());
  for (const level of ['strong', 'eventual'])
    assert.equal(
      (await send(b, 'GET', pathOf('shared', 'named'), { headers: { 'x-dsom-consistency': level } })).text(),
      'bytes',
    );
  assert.equal((await send(c, 'GET', pathOf('shared', 'named'))).text(), 'bytes');
  await dsom(c, 'kms', 'disable', 'alias/payroll');
  for (const endpoint of [a, b, c]) {
    const got = await send(endpoint, 'GET', pathOf('shared', 'named'));
    assert.deepEqual([got.status, got.element('Code')], [400, 'KMS.DisabledException'], got.text());
  }
});

test('objects have three copies, on three nodes', { skip }, async () => {
  const [a] = cluster.endpoints() as [string];
  const put = await send(a, 'PUT', pathOf('shared', 'copies'), { body: randomBytes(MiB) });
  assert.match(String(put.headers['x-dsom-redundancy']), /3/);
  const groups = await dsom(a, 'cluster', 'groups');
  const devices = await dsom(a, 'cluster', 'devices');
  const nodeOf = new Map(devices.map((device) => [device['identity'], device['node']]));
  const wide = groups.filter((group) => (group['devices'] as string[]).length === 3);
  assert.ok(wide.length > 0);
  for (const group of wide) assert.equal(new Set((group['devices'] as string[]).map((one) => nodeOf.get(one))).size, 3);
});
