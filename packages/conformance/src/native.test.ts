/* The native API from outside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from './server.ts';
import { target } from './target.ts';

const store = target(async () => {
  assert.equal((await call('PUT', 'buckets/native', { versioning: 'off', tags: { team: 'a' } })).status, 201);
});
type Json = Record<string, unknown>;
async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; json: Json; text: string }> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const answer = await fetch(`${store.endpoint}/-/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${credentials.accessKeyId}.${credentials.secretAccessKey}`, ...headers },
    ...(body !== undefined && { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    json: (text.startsWith('{') ? JSON.parse(text) : {}) as Json,
  };
}

test('put, head, get, list, delete', async () => {
  const put = await call('PUT', 'buckets/native/objects/dir/hello world.txt', 'hello', {
    'content-type': 'text/plain',
    'x-dsom-metadata-colour': 'blue',
  });
  assert.equal(put.status, 200, put.text);
  assert.equal(put.json['size'], 5);
  assert.deepEqual(put.json['metadata'], { colour: 'blue' });
  const got = await call('GET', 'buckets/native/objects/dir/hello%20world.txt');
  assert.equal(got.text, 'hello');
  assert.equal(got.headers.get('x-dsom-metadata-colour'), 'blue');
  assert.equal(
    (await call('GET', 'buckets/native/objects/dir/hello%20world.txt', undefined, { range: 'bytes=1-2' })).text,
    'el',
  );
  const listed = await call('GET', 'buckets/native/objects?delimiter=/');
  assert.deepEqual(listed.json['prefixes'], ['dir/']);
  const byGuk = await call('GET', `guks/${put.json['guk']}`);
  assert.equal(byGuk.json['key'], 'dir/hello world.txt');
  assert.equal((await call('DELETE', 'buckets/native/objects/dir/hello%20world.txt')).status, 204);
  const missing = await call('GET', 'buckets/native/objects/dir/hello%20world.txt');
  assert.equal(missing.status, 404);
  assert.equal(missing.headers.get('content-type'), 'application/problem+json');
  assert.equal(missing.json['code'], 'NoSuchKey');
});

test('changes of the tags of a bucket at the same time are all kept', async () => {
  assert.equal((await call('PUT', 'buckets/native-tags', { tags: { old: '1' } })).status, 201);
  const names = Array.from({ length: 16 }, (_, index) => `t${index}`);
  const change = (tagChange: Record<string, string | null>) => call('PATCH', 'buckets/native-tags', { tagChange });
  const answers = await Promise.all([...names.map((name) => change({ [name]: 'x' })), change({ old: null })]);
  for (const { status, text } of answers) assert.equal(status, 200, text);
  const { json } = await call('GET', 'buckets/native-tags');
  assert.deepEqual(json['tags'], Object.fromEntries(names.map((name) => [name, 'x'])));
  const tooMany = await change(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`u${index}`, 'x'])));
  assert.deepEqual([tooMany.status, tooMany.json['code']], [400, 'InvalidTag']);
  assert.equal((await call('PUT', 'buckets/native-other', { tagChange: { a: 'b' } })).status, 400, 'only for PATCH');
  assert.equal((await call('DELETE', 'buckets/native-tags')).status, 204);
});

test('appends are atomic, in order, and refuse a wrong offset', async () => {
  let text = '';
  for (const line of ['one\n', 'two\n', 'x'.repeat(100_000), '\nend']) {
    const answer = await call('POST', `buckets/native/objects/log?append&offset=${text.length}`, line);
    assert.equal(answer.status, 200, answer.text);
    text += line;
  }
  assert.equal(
    (await call('POST', 'buckets/native/objects/log?append&offset=3', 'no')).json['code'],
    'InvalidWriteOffset',
  );
  assert.equal((await call('GET', 'buckets/native/objects/log')).text, text);
  const path = 'buckets/native/objects/race?append';
  const statuses = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => (await call('POST', path, `${i};`)).status),
  );
  assert.deepEqual(new Set(statuses), new Set([200]));
  const parts = (await call('GET', 'buckets/native/objects/race')).text.split(';').filter(Boolean).map(Number);
  assert.deepEqual(
    parts.sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i),
    'every append is there once',
  );
});

test('a copy and its source are appended to each in its own way', async () => {
  const base = 'b'.repeat(70_000);
  await call('PUT', 'buckets/native/objects/base', base);
  assert.equal(
    (await call('POST', 'buckets/native/copy', { source: { bucket: 'native', key: 'base' }, key: 'twin' })).status,
    200,
  );
  const before = await call('GET', 'buckets/native/objects/base');
  await call('POST', `buckets/native/objects/twin?append&offset=${base.length}`, 'twin');
  const after = await call('GET', 'buckets/native/objects/base');
  assert.deepEqual([after.text, after.headers.get('etag')], [before.text, before.headers.get('etag')]);
  await call('POST', `buckets/native/objects/base?append&offset=${base.length}`, 'base');
  assert.equal((await call('GET', 'buckets/native/objects/base')).text, `${base}base`);
  assert.equal((await call('GET', 'buckets/native/objects/twin')).text, `${base}twin`);
});

test('a metadata patch changes metadata and keeps the bytes', async () => {
  await call('PUT', 'buckets/native/objects/patched', 'y'.repeat(50_000), {
    'x-dsom-metadata-a': '1',
    'x-dsom-metadata-b': '2',
  });
  const patched = await call('PATCH', 'buckets/native/objects/patched', {
    metadata: { a: 'new', b: null, c: '3' },
    headers: { contentType: 'text/csv' },
  });
  assert.deepEqual(patched.json['metadata'], { a: 'new', c: '3' }, patched.text);
  const got = await call('GET', 'buckets/native/objects/patched');
  assert.equal(got.text, 'y'.repeat(50_000));
  assert.equal(got.headers.get('content-type'), 'text/csv');
});

test('a patch is a JSON merge patch: null removes a name, or all of them', async () => {
  await call('PUT', 'buckets/native/objects/merge', 'bytes', {
    'content-type': 'text/plain',
    'cache-control': 'no-store',
    'x-dsom-metadata-a': '1',
    'x-dsom-tags': 't=1&u=2',
  });
  const patch = async (change: object, query = '') => {
    const { json, status, text } = await call('PATCH', `buckets/native/objects/merge${query}`, change);
    assert.equal(status, 200, text);
    const { contentType, cacheControl, metadata, tags } = json;
    return { contentType, cacheControl, metadata, tags };
  };
  assert.deepEqual(await patch({ headers: { cacheControl: null }, tags: { t: null, v: '3' } }), {
    contentType: 'text/plain',
    cacheControl: undefined,
    metadata: { a: '1' },
    tags: { u: '2', v: '3' },
  });
  assert.equal((await call('GET', 'buckets/native/objects/merge')).headers.get('cache-control'), null);
  const bare = await patch({ headers: null, metadata: null, tags: null }, '?versionId=null');
  assert.deepEqual(bare, { contentType: undefined, cacheControl: undefined, metadata: {}, tags: {} });
  const names = Array.from({ length: 16 }, (_, i) => `n${i}`);
  await Promise.all(
    names.map((name, i) => patch({ metadata: { [name.toUpperCase()]: 'set' } }, i % 2 === 0 ? '' : '?versionId=null')),
  );
  const { metadata } = await patch({});
  assert.deepEqual(Object.keys(metadata as object).sort(), names.sort(), 'no patch is lost to another');
  for (const wrong of [
    { metadata: { 'a b': '1' } },
    { metadata: { a: 1 } },
    { headers: { other: 'x' } },
    { more: 1 },
  ]) {
    const refused = await call('PATCH', 'buckets/native/objects/merge', wrong);
    assert.deepEqual([refused.status, refused.json['code']], [400, 'InvalidArgument'], refused.text);
  }
});

test('keys: made, used within their role, revoked', async () => {
  const made = await call('POST', 'keys', { name: 'reader', role: 'readonly', buckets: ['native'] });
  assert.equal(made.status, 201, made.text);
  const keys = {
    accessKeyId: made.json['accessKeyId'] as string,
    secretAccessKey: made.json['secretAccessKey'] as string,
  };
  await call('PUT', 'buckets/native/objects/shared', 'text');
  await call('PUT', 'buckets/closed', {});
  assert.equal((await store.send('GET', '/native/shared', keys)).text(), 'text');
  assert.equal((await store.send('PUT', '/native/shared', { ...keys, body: 'no' })).status, 403);
  assert.equal((await store.send('GET', '/closed', keys)).status, 403);
  assert.equal((await store.send('GET', '/-/v1/keys', keys)).status, 403);
  assert.deepEqual((await store.send('GET', '/', keys)).elements('Name'), ['native']);
  assert.equal((await call('DELETE', `keys/${keys.accessKeyId}`)).status, 204);
  assert.equal((await store.send('GET', '/native/shared', keys)).element('Code'), 'InvalidAccessKeyId');
});

test('answers say at which position they were read; a token from the future is an error', async () => {
  const answer = await call('GET', 'buckets/native', undefined, { 'x-dsom-consistency': 'eventual' });
  assert.ok(Number(answer.headers.get('x-dsom-position')) > 0);
  assert.equal(answer.headers.get('x-dsom-consistency'), 'eventual');
  const token = answer.headers.get('x-dsom-token') as string;
  assert.equal((await call('GET', 'buckets/native', undefined, { 'x-dsom-token': token })).status, 200);
  const future = Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]).toString('base64url');
  assert.equal(
    (await call('GET', 'buckets/native', undefined, { 'x-dsom-token': future })).json['code'],
    'InvalidToken',
  );
  assert.equal(
    (await call('GET', 'buckets/native', undefined, { 'x-dsom-consistency': 'sometimes' })).json['code'],
    'InvalidArgument',
  );
});

test('the OpenAPI document names every route', async () => {
  const document = await call('GET', 'openapi.json');
  const paths = document.json['paths'] as Record<string, Record<string, unknown>>;
  for (const path of [
    '/-/v1/buckets/{bucket}',
    '/-/v1/buckets/{bucket}/objects/{key}',
    '/-/v1/guks/{guk}',
    '/-/admin/v1/fsck',
  ])
    assert.ok(paths[path], path);
  const { patch } = paths['/-/v1/buckets/{bucket}/objects/{key}'] as { patch: { requestBody: { content: object } } };
  assert.deepEqual(Object.keys(patch.requestBody.content), ['application/json', 'application/merge-patch+json']);
});

test('fsck finds nothing wrong with a sound store, and says how much it looked at', async () => {
  const answer = await store.send('POST', '/-/admin/v1/fsck');
  const lines = answer
    .text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; counts?: object });
  assert.deepEqual(lines.at(-1)?.counts, {}, answer.text());
  assert.equal(lines.at(-1)?.type, 'summary');
});

test('metrics are Prometheus text', async () => {
  const text = await (await fetch(`${store.endpoint}/-/metrics`)).text();
  for (const name of [
    'dsom_requests_total',
    'dsom_request_seconds_bucket',
    'dsom_log_position',
    'dsom_device_health',
    'dsom_cache_bytes',
    'dsom_garbage_rows',
    'dsom_scrub_age_seconds',
  ])
    assert.match(text, new RegExp(`^${name}`, 'm'));
});

test('a server that is alone says so where a node of a cluster is asked', async () => {
  for (const [method, path, body] of [
    ['GET', '', undefined],
    ['POST', '/invite', {}],
    ['POST', '/invite', { seconds: 3600 }],
    ['POST', '/nodes/1', { action: 'drain' }],
    ['POST', '/nodes/1', { action: 'label', zone: 'west' }],
    ['POST', '/devices/1', { action: 'retire' }],
  ] as const) {
    const answer = await call(method, `../admin/v1/cluster${path}`, body);
    assert.deepEqual([answer.status, answer.json['code']], [400, 'InvalidRequest'], answer.text);
    assert.match(String(answer.json['detail']), /not a node of a cluster. Start it with --cluster-name/);
  }
  for (const [path, body] of [
    ['/invite', { seconds: 59 }],
    ['/nodes/1', { action: 'retire' }],
    ['/nodes/1', { action: 'label' }],
    ['/devices/1', { action: 'remove' }],
    ['/devices/1', { action: 'drain', more: 1 }],
  ] as const) {
    const answer = await call('POST', `../admin/v1/cluster${path}`, body);
    assert.equal(answer.status, 400, answer.text);
    assert.doesNotMatch(answer.text, /not a node of a cluster/, `${path} ${JSON.stringify(body)}`);
  }
  const anonymous = await fetch(`${store.endpoint}/-/admin/v1/cluster`);
  assert.equal(anonymous.status, 403);
});
