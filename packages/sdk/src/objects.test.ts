import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DsomClient } from './client.ts';
import { DsomError } from './error.ts';
import { MemoryStore } from './testing/index.ts';

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

async function setup() {
  const store = new MemoryStore({ md5 });
  const client = new DsomClient({
    endpoint: 'http://127.0.0.1:9000',
    accessKeyId: 'test',
    secretAccessKey: 'secret',
    fetch: store.fetch,
  });
  await client.buckets.create('b');
  return { store, client };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const out: Item[] = [];
  for await (const item of items) out.push(item);
  return out;
}

test('buckets', async () => {
  const { client } = await setup();
  await client.buckets.create('c', { versioning: 'enabled', tags: { team: 'x' } });
  assert.deepEqual(
    (await all(client.buckets.list())).map((one) => [one.name, one.versioning]),
    [
      ['b', 'off'],
      ['c', 'enabled'],
    ],
  );
  const updated = await client.buckets.update('b', { versioning: 'suspended' });
  assert.equal(updated.versioning, 'suspended');
  await client.put('b', 'k', '12345');
  const { objects, bytes, createdAt } = await client.buckets.get('b');
  assert.deepEqual([objects, bytes], [1, 5]);
  assert.ok(createdAt instanceof Date);
  await assert.rejects(
    client.buckets.delete('b'),
    (cause) => cause instanceof DsomError && cause.code === 'BucketNotEmpty' && cause.status === 409,
  );
  await client.buckets.delete('c');
});

test('a listing goes through all pages in order, folded or not, and stops when its reader does', async () => {
  const { store, client } = await setup();
  store.pageSize = 3;
  const keys = ['a', 'd/1', 'd/2', 'd/3', 'd/4', 'e', 'f/x', 'g', '😀', '\uffee'];
  for (const key of keys) await client.put('b', key, key);
  const plain = await all(client.list('b'));
  assert.deepEqual(
    plain.map((one) => (one.kind === 'object' ? one.key : '')),
    ['a', 'd/1', 'd/2', 'd/3', 'd/4', 'e', 'f/x', 'g', '\uffee', '😀'],
  );
  const folded = await all(client.list('b', { delimiter: '/' }));
  assert.deepEqual(
    folded.map((one) => (one.kind === 'object' ? one.key : `[${one.prefix}]`)),
    ['a', '[d/]', 'e', '[f/]', 'g', '\uffee', '😀'],
  );
  assert.deepEqual((await all(client.list('b', { prefix: 'd/', after: 'd/2' }))).length, 2);
  store.requests.length = 0;
  for await (const one of client.list('b')) {
    assert.equal(one.kind, 'object');
    break;
  }
  assert.ok(store.requests.length <= 2);
});

test('versions, markers and old bytes', async () => {
  const { client } = await setup();
  await client.buckets.update('b', { versioning: 'enabled' });
  const first = await client.put('b', 'k', 'one');
  await client.put('b', 'k', 'two');
  const removed = await client.delete('b', 'k');
  assert.equal(removed.deleteMarker, true);
  await assert.rejects(client.get('b', 'k'), (cause) => cause instanceof DsomError && cause.code === 'NoSuchKey');
  assert.equal(await (await client.get('b', 'k', { versionId: first.versionId })).text(), 'one');
  const versions = await all(client.versions('b'));
  assert.deepEqual(
    versions.map((one) => one.kind === 'version' && [one.isLatest, one.deleteMarker, one.size]),
    [
      [true, true, 0],
      [false, false, 3],
      [false, false, 3],
    ],
  );
  await client.delete('b', 'k', { versionId: removed.versionId });
  assert.equal(await (await client.get('b', 'k')).text(), 'two');
});

test('copy, metadata, tags, GUK', async () => {
  const { client } = await setup();
  const { guk } = await client.put('b', 'k', 'bytes', { metadata: { a: '1', b: '2' } });
  assert.deepEqual((await client.patchMetadata('b', 'k', { a: null, c: '3' })).metadata, { b: '2', c: '3' });
  await client.setTags('b', 'k', { 'a<b': 'x & "y"' });
  assert.deepEqual(await client.tags('b', 'k'), { 'a<b': 'x & "y"' });
  const copied = await client.copy({ bucket: 'b', key: 'k' }, 'b', 'copy/of k');
  assert.deepEqual([copied.size, copied.metadata], [5, { b: '2', c: '3' }]);
  assert.deepEqual((await client.copy({ bucket: 'b', key: 'k' }, 'b', 'k2', { metadata: { z: '9' } })).metadata, {
    z: '9',
  });
  const found = await client.byGuk(guk!);
  assert.deepEqual([found.bucket, found.key], ['b', 'k']);
});

test('deleting many goes in requests of a thousand', async () => {
  const { store, client } = await setup();
  const keys = Array.from({ length: 2300 }, (_, i) => `k${i}`);
  for (const key of keys) store.store('b', key, new Uint8Array(1));
  store.requests.length = 0;
  assert.deepEqual(await client.deleteMany('b', keys), []);
  assert.equal(store.requests.length, 3);
  assert.equal(store.buckets.get('b')!.objects.size, 0);
  store.intercept = () =>
    new Response(JSON.stringify({ deleted: [], errors: [{ key: 'x', code: 'AccessDenied', message: 'no' }] }));
  assert.deepEqual(await client.deleteMany('b', ['x']), [
    { key: 'x', versionId: undefined, code: 'AccessDenied', message: 'no' },
  ]);
});

test('keys', async () => {
  const { client } = await setup();
  const made = await client.keys.create({ name: 'ci', role: 'readonly', buckets: ['b'] });
  assert.deepEqual([made.name, made.role, made.secretAccessKey], ['ci', 'readonly', 'secret-once']);
  assert.deepEqual(
    (await client.keys.list()).map((one) => one.accessKeyId),
    [made.accessKeyId],
  );
  await client.keys.revoke(made.accessKeyId);
  assert.deepEqual(await client.keys.list(), []);
});

test('the lines of a check, however they are cut', async () => {
  const { store, client } = await setup();
  assert.deepEqual(
    (await all(client.admin.fsck())).map((line) => line.type),
    ['progress', 'summary'],
  );
  const pieces = ['{"type":"a","t":"', 'ü"}\n\n{"ty', 'pe":"b"}'].map((text) => new TextEncoder().encode(text));
  store.intercept = () => new Response(new Blob(pieces).stream());
  assert.deepEqual(await all(client.admin.fsck()), [{ type: 'a', t: 'ü' }, { type: 'b' }]);
  store.intercept = undefined;
  assert.equal((await client.admin.scrub('start'))['running'], true);
  assert.equal((await client.admin.scrubStatus())['running'], true);
});

test('a cluster is looked at and changed', async () => {
  const { store, client } = await setup();
  const asked: string[] = [];
  store.intercept = ({ method, path, body }) => {
    asked.push(`${method} ${path} ${new TextDecoder().decode(body)}`);
    return Response.json({ state: 'draining' });
  };
  assert.deepEqual(await client.admin.cluster(), { state: 'draining' });
  await client.admin.invite(60);
  await client.admin.invite(undefined);
  assert.deepEqual(await client.admin.node('a/b', { action: 'drain' }), { state: 'draining' });
  await client.admin.node('a', { action: 'label', zone: 'west' });
  await client.admin.device('d', { action: 'retire' });
  assert.deepEqual(asked, [
    'GET /-/admin/v1/cluster ',
    'POST /-/admin/v1/cluster/invite {"seconds":60}',
    'POST /-/admin/v1/cluster/invite {}',
    'POST /-/admin/v1/cluster/nodes/a%2Fb {"action":"drain"}',
    'POST /-/admin/v1/cluster/nodes/a {"action":"label","zone":"west"}',
    'POST /-/admin/v1/cluster/devices/d {"action":"retire"}',
  ]);
  const detail = 'This server is not a node of a cluster.';
  store.intercept = () =>
    Response.json({ title: 'InvalidRequest', status: 400, detail, code: 'InvalidRequest' }, { status: 400 });
  await assert.rejects(
    client.admin.cluster(),
    (cause) => cause instanceof DsomError && cause.code === 'InvalidRequest' && cause.message.includes(detail),
  );
});

test('health needs no signature', async () => {
  const { store, client } = await setup();
  assert.equal((await client.admin.health('ready')).ok, true);
  assert.equal(store.requests.at(-1)!.headers.get('authorization'), null);
  store.intercept = () => new Response('{"reason":"recovering"}', { status: 503 });
  assert.deepEqual(await client.admin.health('ready').then(({ ok, status }) => [ok, status]), [false, 503]);
});

test('presigned URLs', async () => {
  const { client } = await setup();
  const url = new URL(await client.presignGet('b', 'a b', { expiresIn: 60, contentDisposition: 'attachment' }));
  assert.equal(url.pathname, '/b/a%20b');
  assert.equal(url.searchParams.get('X-Amz-Expires'), '60');
  assert.equal(url.searchParams.get('response-content-disposition'), 'attachment');
  const put = new URL(await client.presignPut('b', 'k', { contentType: 'image/png' }));
  assert.equal(put.searchParams.get('X-Amz-SignedHeaders'), 'content-type;host');
  await assert.rejects(client.presignGet('b', 'k', { expiresIn: 8 * 24 * 3600 }), /from 1 to 604800/);
});
