/*
 * Against a real radosgw: DSOM_TEST_RADOSGW holds its endpoint, and the keys of its first user are those that packages/conformance/s3/radosgw.sh makes
 * (`radosgw.sh start DIRECTORY`).
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { clientOf, contents, migrate, put, putParts, type Store, startStore, versioning } from './process.fixture.ts';

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
