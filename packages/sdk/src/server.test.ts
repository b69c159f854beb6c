import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DsomClient } from './client.ts';
import { DsomError } from './error.ts';

const bin = fileURLToPath(new URL('../../server/bin/dsom.mjs', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'dsom-sdk-'));
const MiB = 1024 * 1024;
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const codeIs = (code: string) => (cause: unknown) => cause instanceof DsomError && cause.code === code;
let server: ChildProcess;
let client: DsomClient;
let log = '';

/** Below those that the system gives to outgoing connections, which could take it before it is used. */
async function freePort(): Promise<number> {
  const port = randomInt(10_000, 32_000);
  const probe = createServer();
  const free = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
  return free ? port : freePort();
}

before(async () => {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const environment = { DSOM_ROOT_ACCESS_KEY_ID: 'rootkey', DSOM_ROOT_SECRET_ACCESS_KEY: 'rootsecret' };
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }), HOME: folder, ...environment };
  const parameters = [
    'server',
    '--data',
    path.join(folder, 'data'),
    '--address',
    `127.0.0.1:${port}`,
    '--workers',
    '2',
  ];
  server = spawn(process.execPath, [bin, ...parameters], { env });
  for (const stream of [server.stdout, server.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (log += text));
  client = new DsomClient({ endpoint, accessKeyId: 'rootkey', secretAccessKey: 'rootsecret' });
  const isReady = () =>
    client.admin.health('ready').then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) assert.equal(server.exitCode, null, `the server did not start:\n${log}`);
  await client.buckets.create('bucket', { tags: { team: 'x' } });
});

after(async () => {
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  assert.equal(await gone, 0, log);
  rmSync(folder, { recursive: true, force: true });
});

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const out: Item[] = [];
  for await (const item of items) out.push(item);
  return out;
}

test('objects of every kind of key come back as they went', async () => {
  const keys = [
    'plain',
    'a/b c',
    'ü/€/😀',
    'a/../b',
    './x',
    "!'()*~",
    'a//b',
    '/lead',
    'trail/',
    'q?x=1&y#z',
    '100%',
    'a+b',
    '\u0001',
  ];
  for (const key of keys) {
    const { etag, size } = await client.put('bucket', `k/${key}`, key, {
      metadata: { name: key === '\u0001' ? 'x' : key },
      tags: { k: 'v w' },
    });
    assert.deepEqual([etag, size], [md5(Buffer.from(key)), Buffer.byteLength(key)]);
    const got = await client.get('bucket', `k/${key}`);
    assert.equal(await got.text(), key);
    if (key !== '\u0001') assert.equal(got.info.metadata['name'], key);
  }
  const listed = (await all(client.list('bucket', { prefix: 'k/' }))).map((one) =>
    one.kind === 'object' ? one.key.slice(2) : '',
  );
  assert.deepEqual([...listed].sort(), [...keys].sort());
  assert.deepEqual(await client.tags('bucket', 'k/a/../b'), { k: 'v w' });
  assert.deepEqual(
    await client.deleteMany(
      'bucket',
      listed.map((key) => `k/${key}`),
    ),
    [],
  );
  assert.deepEqual(await all(client.list('bucket')), []);
});

test('a large object goes in parts, comes back in ranges, and keeps its description', async () => {
  const bytes = randomBytes(18 * MiB);
  const stream = new Blob([bytes]).stream();
  const { etag, guk, versionId } = await client.put('bucket', 'large', stream, {
    partSize: 5 * MiB,
    contentType: 'x/y',
    contentEncoding: 'gzip',
    cacheControl: 'no-store',
  });
  assert.match(etag, /-4$/);
  const info = await client.head('bucket', 'large');
  assert.deepEqual(
    [info.size, info.etag, info.contentType, info.contentEncoding, info.cacheControl],
    [bytes.length, etag, 'x/y', 'gzip', 'no-store'],
  );
  assert.equal(md5(await (await client.get('bucket', 'large')).bytes()), md5(bytes));
  const range = { start: 5 * MiB - 10, end: 5 * MiB + 10 };
  assert.ok(
    bytes.subarray(range.start, range.end).equals(await (await client.get('bucket', 'large', { range })).bytes()),
  );
  assert.ok(bytes.subarray(-7).equals(await (await client.get('bucket', 'large', { range: { last: 7 } })).bytes()));
  assert.equal(versionId === undefined || versionId === 'null', true);
  const found = await client.byGuk((guk ?? info.guk)!);
  assert.deepEqual([found.bucket, found.key, found.size], ['bucket', 'large', bytes.length]);
});

test('an upload that failed in the middle is resumed', async () => {
  const bytes = randomBytes(17 * MiB);
  const controller = new AbortController();
  let uploadId = '';
  const options = { partSize: 5 * MiB, parallel: 1, onFailure: 'keep' as const };
  const broken = client.put('bucket', 'resumed', bytes, {
    ...options,
    signal: controller.signal,
    onUpload: (upload) => (uploadId = upload.uploadId),
    onProgress: ({ loaded }) => loaded > 9 * MiB && controller.abort(new Error('enough')),
  });
  await assert.rejects(broken, /enough/);
  const [upload] = await all(client.uploads('bucket', { prefix: 'resumed' }));
  assert.equal(upload?.uploadId, uploadId);
  const parts = await client.uploadParts(upload!);
  assert.equal(parts[0]?.etag, md5(bytes.subarray(0, 5 * MiB)));
  await client.put('bucket', 'resumed', bytes, { ...options, resume: { uploadId } });
  assert.equal(md5(await (await client.get('bucket', 'resumed')).bytes()), md5(bytes));
  assert.deepEqual(await all(client.uploads('bucket')), []);
  await assert.rejects(client.uploadParts(upload!), codeIs('NoSuchUpload'));
});

test('conditions, appends, patches, copies', async () => {
  const { etag } = await client.put('bucket', 'c', 'one', { ifAbsent: true, metadata: { a: '1', b: '2' } });
  await assert.rejects(client.put('bucket', 'c', 'x', { ifAbsent: true }), codeIs('PreconditionFailed'));
  await assert.rejects(client.get('bucket', 'c', { ifNoneMatch: etag }), codeIs('NotModified'));
  assert.equal((await client.append('bucket', 'c', 'two', { offset: 3 })).size, 6);
  await assert.rejects(client.append('bucket', 'c', 'two', { offset: 3 }), DsomError);
  assert.equal(await (await client.get('bucket', 'c')).text(), 'onetwo');
  assert.deepEqual((await client.patchMetadata('bucket', 'c', { a: null, c: 'ü' })).metadata, { b: '2', c: 'ü' });
  assert.deepEqual((await client.head('bucket', 'c')).metadata, { b: '2', c: 'ü' });
  const described = {
    contentType: 'text/x',
    cacheControl: 'no-store',
    metadata: { n: 'ö' },
    tags: { t: '1', 'u v': '&' },
  };
  const made = await client.append('bucket', 'appended', 'one', described);
  assert.deepEqual([made.metadata, made.tags, made.contentType], [{ n: 'ö' }, { t: '1', 'u v': '&' }, 'text/x']);
  const less = await client.patch('bucket', 'appended', { headers: { cacheControl: null }, tags: { t: null, w: '2' } });
  assert.deepEqual([less.cacheControl, less.contentType, less.tags], [undefined, 'text/x', { 'u v': '&', w: '2' }]);
  const bare = await client.patch('bucket', 'appended', { metadata: null, headers: null, tags: null });
  assert.deepEqual([bare.metadata, bare.tags, bare.contentType], [{}, {}, undefined]);
  const copied = await client.copy({ bucket: 'bucket', key: 'c' }, 'bucket', 'copy of c');
  assert.deepEqual([copied.size, copied.metadata], [6, { b: '2', c: 'ü' }]);
  await assert.rejects(
    client.copy({ bucket: 'bucket', key: 'c' }, 'bucket', 'copy of c', { ifAbsent: true }),
    codeIs('PreconditionFailed'),
  );
  assert.equal(await (await client.get('bucket', 'copy of c')).text(), 'onetwo');
});

test('versions, a session, presigned URLs', async () => {
  await client.buckets.create('versioned', { versioning: 'enabled' });
  const session = client.session();
  const first = await session.put('versioned', 'k', 'one');
  await Promise.all([session.put('versioned', 'k', 'two'), session.put('versioned', 'other', 'x')]);
  assert.equal(await (await session.get('versioned', 'k')).text(), 'two');
  assert.notEqual(session.tokens, '');
  assert.equal(await (await client.session({ tokens: session.tokens }).get('versioned', 'k')).text(), 'two');
  assert.equal((await session.delete('versioned', 'k')).deleteMarker, true);
  await assert.rejects(session.get('versioned', 'k'), codeIs('NoSuchKey'));
  assert.equal(await (await session.get('versioned', 'k', { versionId: first.versionId })).text(), 'one');
  const versions = await all(client.versions('versioned', { prefix: 'k' }));
  assert.deepEqual(
    versions.map((one) => one.kind === 'version' && [one.isLatest, one.deleteMarker]),
    [
      [true, true],
      [false, false],
      [false, false],
    ],
  );
  const put = await fetch(await client.presignPut('versioned', 'by url', { contentType: 'text/x' }), {
    method: 'PUT',
    body: 'hi',
    headers: { 'content-type': 'text/x' },
  });
  assert.equal(put.status, 200, await put.text());
  const got = await fetch(await client.presignGet('versioned', 'by url', { contentDisposition: 'attachment' }));
  assert.deepEqual([await got.text(), got.headers.get('content-disposition')], ['hi', 'attachment']);
});

test('buckets, pages, errors', async () => {
  assert.deepEqual((await client.buckets.get('bucket')).tags, { team: 'x' });
  assert.equal((await client.buckets.update('bucket', { versioning: 'suspended' })).versioning, 'suspended');
  for (let i = 0; i < 7; i++) await client.put('bucket', `page/${i}/x`, '');
  const folded = await all(client.list('bucket', { prefix: 'page/', delimiter: '/', limit: 2 }));
  assert.deepEqual(
    folded.map((one) => one.kind === 'prefix' && one.prefix),
    [0, 1, 2, 3, 4, 5, 6].map((i) => `page/${i}/`),
  );
  assert.equal((await all(client.versions('bucket', { prefix: 'page/', limit: 3 }))).length, 7);
  await assert.rejects(client.buckets.delete('bucket'), codeIs('BucketNotEmpty'));
  await assert.rejects(client.buckets.get('nobucket'), codeIs('NoSuchBucket'));
  await assert.rejects(client.get('nobucket', 'k'), codeIs('NoSuchBucket'));
  const failure = await client.get('bucket', 'missing').catch((cause: unknown) => cause);
  assert.ok(
    failure instanceof DsomError && failure.code === 'NoSuchKey' && failure.status === 404 && failure.requestId,
  );
  const wrong = new DsomClient({ endpoint: client.endpoint, accessKeyId: 'rootkey', secretAccessKey: 'wrong' });
  await assert.rejects(all(wrong.buckets.list()), codeIs('SignatureDoesNotMatch'));
});

test('keys and what an operator asks', async () => {
  const made = await client.keys.create({ name: 'reader', role: 'readonly', buckets: ['bucket'] });
  const reader = new DsomClient({ endpoint: client.endpoint, ...made });
  assert.equal((await reader.head('bucket', 'c')).size, 6);
  await assert.rejects(reader.put('bucket', 'c', 'x'), codeIs('AccessDenied'));
  await assert.rejects(reader.get('versioned', 'by url'), codeIs('AccessDenied'));
  assert.ok((await client.keys.list()).some((key) => key.accessKeyId === made.accessKeyId && key.name === 'reader'));
  await client.keys.revoke(made.accessKeyId);
  await assert.rejects(reader.head('bucket', 'c'), DsomError);
  assert.ok(Array.isArray((await client.admin.status())['devices']));
  const lines = await all(client.admin.fsck());
  assert.equal(lines.at(-1)?.type, 'summary');
});

test('named keys', async () => {
  const made = await client.kms.create('sdk/key');
  assert.deepEqual([made.alias, made.state, made.versions], ['alias/sdk/key', 'enabled', 1]);
  assert.ok(made.arn.endsWith(`:key/${made.id}`) && made.createdAt);
  assert.equal((await client.kms.rotate('alias/sdk/key')).versions, 2);
  assert.equal((await client.kms.disable(made.arn)).state, 'disabled');
  assert.deepEqual(await client.kms.list(), [{ ...made, state: 'disabled', versions: 2 }]);
  assert.equal((await client.kms.enable(made.id)).state, 'enabled');
  await assert.rejects(client.kms.create('sdk/key'), codeIs('InvalidRequest'));
  await assert.rejects(client.kms.create('aws/mine'), codeIs('InvalidArgument'));
  await assert.rejects(client.kms.create('x'.repeat(65)), codeIs('InvalidArgument'));
  await assert.rejects(client.kms.rotate('alias/nobody'), codeIs('KMS.NotFoundException'));
  const keys = await client.keys.create({ name: 'no admin', role: 'readwrite' });
  const other = new DsomClient({ endpoint: client.endpoint, ...keys });
  for (const call of [
    () => other.kms.list(),
    () => other.kms.create('mine'),
    () => other.kms.disable(made.id),
    () => other.kms.enable(made.id),
    () => other.kms.rotate(made.id),
  ])
    await assert.rejects(call(), codeIs('AccessDenied'));
});
