/*
 * Against a real radosgw: DSOM_TEST_RADOSGW holds its endpoint, and the keys of its first user are those that packages/conformance/s3/radosgw.sh makes
 * (`radosgw.sh start DIRECTORY`).
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { runHere } from '../stub.fixture.ts';
import {
  clientOf,
  contents,
  environment,
  migrate,
  put,
  putParts,
  type Store,
  startStore,
  versioning,
} from './process.fixture.ts';

const endpoint = process.env['DSOM_TEST_RADOSGW'];
const skip = endpoint ? false : 'DSOM_TEST_RADOSGW names no radosgw';
const keys = { accessKeyId: 'RADOSGWFIRST', secretAccessKey: 'radosgw-first-secret' };
const bucket = `m-${randomUUID()}`;
let target: Store | undefined;

before(async () => {
  if (!skip) target = await startStore();
});
after(() => target?.stop());

test('buckets of a radosgw come with versions, markers, metadata, tags, parts and configurations', {
  skip,
}, async () => {
  const source = clientOf(endpoint as string, keys, 'default');
  const there = target as Store;
  await source.send({ method: 'PUT', bucket });
  await put(source, bucket, 'null', 'before versions');
  await versioning(source, bucket, 'Enabled');
  for (const body of ['one', 'two', 'three']) await put(source, bucket, 'k', body);
  await source.send({ method: 'DELETE', bucket, key: 'k' });
  await put(source, bucket, 'k', 'again');
  const headers = {
    'content-type': 'text/x-test',
    'x-amz-meta-a': 'b',
    'x-amz-tagging': 'x=y%20z',
    'cache-control': 'no-cache',
  };
  await put(source, bucket, 'sp ace+%/ä', 'described', headers);
  await putParts(source, bucket, 'parts', ['a'.repeat(5 * 1024 * 1024), 'b'.repeat(123_457)]);
  await putParts(source, bucket, 'uneven', ['a'.repeat(6 * 1024 * 1024), 'b'.repeat(5 * 1024 * 1024), 'd']);
  const lifecycle =
    '<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>';
  const md5 = { 'content-md5': createHash('md5').update(lifecycle).digest('base64') };
  await source.send({ method: 'PUT', bucket, query: { lifecycle: '' }, headers: md5, body: lifecycle });
  const ran = await migrate(endpoint as string, there.endpoint, [`s3://${bucket}`], keys);
  assert.equal(ran.code, 0, ran.stderr);
  // A radosgw leaves slashes as they are in names, which means the same.
  const plain = (rows: readonly string[]) =>
    rows.map((row) => row.replaceAll('%2F', '/').replace(/uneven "[^"]+"/, 'uneven'));
  assert.deepEqual(plain(await contents(there.s3, bucket)), plain(await contents(source, bucket)));
  // This version of it does not tell parts: sizes that clients use are found, others are not.
  const uneven = await there.s3.send({ method: 'GET', bucket, key: 'uneven' });
  assert.ok(uneven.text === (await source.send({ method: 'GET', bucket, key: 'uneven' })).text);
  const key = 'sp ace+%/ä';
  const made = await there.s3.send({ method: 'HEAD', bucket, key });
  for (const name of ['content-type', 'cache-control', 'x-amz-meta-a'])
    assert.equal(made.headers[name], headers[name as keyof typeof headers], name);
  assert.match((await there.s3.send({ method: 'GET', bucket, key, query: { tagging: '' } })).text, /<Value>y z</);
  assert.match((await there.s3.send({ method: 'GET', bucket, query: { lifecycle: '' } })).text, /<Days>9</);
  const again = await migrate(endpoint as string, there.endpoint, [`s3://${bucket}`], keys);
  assert.deepEqual([again.code, again.rows[0]?.['objects'], again.rows[0]?.['failed']], [0, 0, 0], again.stderr);
});

test('lists and the public access block of a radosgw come along, and what is public there only by a list that is blocked is not public here', {
  skip,
}, async () => {
  const source = clientOf(endpoint as string, keys, 'default');
  const there = target as Store;
  const open = { 'x-amz-acl': 'public-read' };
  const anonymous = async (name: string, key: string) => (await fetch(`${there.endpoint}/${name}/${key}`)).status;
  const account = 'c'.repeat(64);
  const granted = { 'x-amz-grant-read': 'id="second"', 'x-amz-grant-full-control': 'id="first"' };
  for (const blocked of [false, true]) {
    const name = `l-${randomUUID()}`;
    await source.send({ method: 'PUT', bucket: name, headers: granted });
    await put(source, name, 'open', 'x', open);
    await put(source, name, 'plain', 'x');
    await put(source, name, 'shared', 'x', granted);
    await putParts(source, name, 'parts', ['x']);
    await source.send({ method: 'PUT', bucket: name, key: 'parts', query: { acl: '' }, headers: open });
    const block =
      '<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>';
    if (blocked) await source.send({ method: 'PUT', bucket: name, query: { publicAccessBlock: '' }, body: block });
    const ran = await migrate(
      endpoint as string,
      there.endpoint,
      [`s3://${name}`, '--account', `second=${account}`],
      keys,
    );
    assert.equal(ran.code, 0, ran.stderr);
    for (const key of ['open', 'parts']) assert.equal(await anonymous(name, key), blocked ? 403 : 200, key);
    for (const key of ['plain', 'shared']) assert.equal(await anonymous(name, key), 403, key);
    for (const key of ['shared', undefined]) {
      const { text } = await there.s3.send({ method: 'GET', bucket: name, query: { acl: '' }, ...(key && { key }) });
      assert.match(text, new RegExp(`<ID>${account}</ID>.*<Permission>READ<`), key ?? name);
    }
  }
});

test('a bucket is read through to a radosgw: bytes, ranges, lists, parts, deletions, until it has moved', {
  skip,
}, async () => {
  const source = clientOf(endpoint as string, keys, 'default');
  const there = target as Store;
  const name = `r-${randomUUID()}`;
  const key = 'sp ace+%/ä';
  const describing = { 'content-type': 'text/x-test', 'x-amz-meta-a': 'b', 'x-amz-tagging': 'x=y%20z' };
  await source.send({ method: 'PUT', bucket: name });
  await put(source, name, key, 'described', describing);
  for (const one of ['a/1', 'a/2', 'b', 'c', 'd', 'e']) await put(source, name, one, `old ${one}`);
  await put(source, name, 'empty', '');
  const parts = ['p'.repeat(5 * 1024 * 1024), 'q'.repeat(3)];
  await putParts(source, name, 'parts', parts);
  await there.s3.send({ method: 'PUT', bucket: name });
  const set = await bucketSource(there, 'set', name, `s3://${name}`);
  assert.equal(set.code, 0, set.stderr);
  const read = (one: string, headers: Record<string, string> = {}) =>
    there.s3.sendOnce({ method: 'GET', bucket: name, key: one, headers });
  const listed = async (query: Record<string, string>) => {
    const { text } = await there.s3.send({ method: 'GET', bucket: name, query: { 'list-type': '2', ...query } });
    return [...text.matchAll(/<(?:Key|Prefix)>([^<]+)</g)].map(([, found]) => found);
  };
  const all = ['a/1', 'a/2', 'b', 'c', 'd', 'e', 'empty', 'parts', key];
  assert.deepEqual(await listed({}), all);
  assert.deepEqual(await listed({ delimiter: '/', 'max-keys': '2', 'start-after': 'a' }), ['b', 'a/']);
  assert.equal((await read('a/1', { range: 'bytes=4-' })).text, 'a/1');
  const got = await read(key);
  const [ours, theirs] = [got.headers, (await source.send({ method: 'HEAD', bucket: name, key })).headers];
  for (const header of ['content-type', 'x-amz-meta-a', 'etag', 'last-modified', 'content-length'])
    assert.equal(ours[header], theirs[header], header);
  assert.deepEqual([got.text, ours['x-amz-tagging-count']], ['described', '1']);
  assert.ok((await read('parts')).text === parts.join(''));
  assert.equal((await read('empty')).text, '');
  await assert.rejects(read('never'), { code: 'NoSuchKey' });
  await put(there.s3, name, 'b', 'new b');
  await there.s3.send({ method: 'DELETE', bucket: name, key: 'c' });
  const matched = { method: 'PUT', bucket: name, key: 'd', body: 'x', headers: { 'if-none-match': '*' } } as const;
  await assert.rejects(there.s3.sendOnce(matched), { code: 'PreconditionFailed' });
  assert.deepEqual(
    await listed({}),
    all.filter((one) => one !== 'c'),
  );
  const ran = await migrate(endpoint as string, there.endpoint, [`s3://${name}`, '--read-through'], keys);
  assert.equal(ran.code, 0, ran.stderr);
  const cleared = await bucketSource(there, 'clear', name);
  assert.equal(cleared.code, 0, cleared.stderr);
  assert.deepEqual(
    await listed({}),
    all.filter((one) => one !== 'c'),
  );
  assert.deepEqual([(await read('b')).text, (await read('e')).text], ['new b', 'old e']);
  assert.ok((await read('parts')).text === parts.join(''));
});

const bucketSource = (there: Store, ...parameters: string[]) =>
  runHere(['bucket', 'source', ...parameters], {
    ...environment(endpoint as string, there.endpoint, keys),
    DSOM_FROM_REGION: 'default',
  });
