/* RenameObject, over the real store. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Query } from '../../access/query.ts';
import { factsOf } from './facts.ts';
import { type Answer, type Harness, startHarness } from './harness.support.ts';
import { questionsOf } from './permissions.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

let store: MemoryStore;
let s3: Harness;
before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  for (const bucket of ['bucket', 'versions']) await s3.send('PUT', `/${bucket}`);
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await s3.send('PUT', '/versions', { query: { versioning: '' }, body });
});
after(async () => {
  await s3.close();
  await store.close();
});

const rename = (from: string, to: string, headers: Record<string, string> = {}, bucket = 'bucket') =>
  s3.send('PUT', `/${bucket}/${to}`, {
    query: { renameObject: '' },
    headers: { 'x-amz-rename-source': from.split('/').map(encodeURIComponent).join('/'), ...headers },
  });
const put = (key: string, body: Buffer | string, headers = {}, bucket = 'bucket') =>
  s3.send('PUT', `/${bucket}/${key}`, { body, headers });
const get = (key: string, bucket = 'bucket') => s3.send('GET', `/${bucket}/${key}`);
const outcome = ({ status, code }: Answer) => [status, code];

describe('RenameObject', () => {
  for (const size of [0, 100, 70_000, 9 * 1024 ** 2])
    it(`gives ${size} bytes another name, with all that is said of them`, async () => {
      const body = randomBytes(size);
      const said = {
        'content-type': 'text/x',
        'x-amz-meta-a': 'b',
        'x-amz-tagging': 'k=v',
        'x-amz-storage-class': 'STANDARD_IA',
      };
      await put('from ä/1+2%', body, said);
      const was = await get('from ä/1+2%');
      const done = await rename('from ä/1+2%', 'to');
      assert.deepEqual([done.status, done.body.length], [200, 0], done.text);
      assert.deepEqual(outcome(await get('from ä/1+2%')), [404, 'NoSuchKey']);
      const now = await get('to');
      assert.ok(now.body.equals(body));
      const same = [
        'etag',
        'last-modified',
        'content-type',
        'x-amz-meta-a',
        'x-amz-tagging-count',
        'x-amz-storage-class',
      ];
      for (const name of same) assert.equal(now.headers[name], was.headers[name], name);
      assert.equal((await rename('to', 'from ä/1+2%')).status, 200, 'and back');
      assert.ok((await get('from ä/1+2%')).body.equals(body));
      await s3.send('DELETE', '/bucket/from ä/1+2%');
    });

  it('keeps its time, also when it is done later', async () => {
    await put('old', 'x');
    const { headers } = await get('old');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await rename('old', 'young');
    assert.equal((await get('young')).headers['last-modified'], headers['last-modified']);
  });

  it('replaces what has the name, unless a condition says not to', async () => {
    const a = await put('a', 'of a');
    const b = await put('b', 'of b');
    assert.deepEqual(outcome(await rename('a', 'b', { 'if-none-match': '*' })), [412, 'PreconditionFailed']);
    assert.deepEqual(outcome(await rename('a', 'b', { 'if-match': a.headers.etag as string })), [
      412,
      'PreconditionFailed',
    ]);
    assert.deepEqual(outcome(await rename('a', 'none', { 'if-match': '"x"' })), [404, 'NoSuchKey']);
    const later = new Date(Date.now() + 60_000).toUTCString();
    assert.deepEqual(outcome(await rename('a', 'b', { 'if-modified-since': later })), [412, 'PreconditionFailed']);
    const earlier = new Date(Date.now() - 60_000).toUTCString();
    assert.deepEqual(outcome(await rename('a', 'b', { 'if-unmodified-since': earlier })), [412, 'PreconditionFailed']);
    assert.deepEqual([(await get('a')).text, (await get('b')).text], ['of a', 'of b'], 'nothing was changed');
    assert.equal((await rename('a', 'b', { 'if-match': b.headers.etag as string })).status, 200);
    assert.deepEqual([(await get('a')).status, (await get('b')).text], [404, 'of a']);
  });

  it('looks at the source as its conditions say', async () => {
    const { headers } = await put('source', 'x');
    const later = new Date(Date.now() + 60_000).toUTCString();
    const earlier = new Date(Date.now() - 60_000).toUTCString();
    for (const [condition, value] of [
      ['match', '"x"'],
      ['none-match', headers.etag as string],
      ['none-match', '*'],
      ['modified-since', later],
      ['unmodified-since', earlier],
    ] as const) {
      const got = await rename('source', 'other', { [`x-amz-rename-source-if-${condition}`]: value });
      assert.deepEqual(outcome(got), [412, 'PreconditionFailed'], condition);
    }
    assert.equal((await get('source')).status, 200);
    assert.equal(
      (await rename('source', 'other', { 'x-amz-rename-source-if-match': headers.etag as string })).status,
      200,
    );
  });

  it('with a token does the same once, and is answered alike', async () => {
    await put('t1', 'first');
    const token = { 'x-amz-client-token': 'one-token' };
    const [first, again] = [await rename('t1', 't2', token), await rename('t1', 't2', token)];
    assert.deepEqual([first.status, again.status], [200, 200]);
    assert.equal(again.headers['x-dsom-guk'], first.headers['x-dsom-guk']);
    await put('t1', 'second');
    assert.equal((await rename('t1', 't2', token)).status, 200);
    assert.deepEqual([(await get('t1')).text, (await get('t2')).text], ['second', 'first'], 'nothing more was changed');
    assert.equal((await rename('t1', 't3', token)).status, 200, 'with other parameters it is another request');
    assert.deepEqual(outcome(await rename('t1', 't2')), [404, 'NoSuchKey']);
    for (const odd of ['', 'a b', 'x'.repeat(65)])
      assert.deepEqual(outcome(await rename('t2', 't4', { 'x-amz-client-token': odd })), [400, 'InvalidArgument'], odd);
  });

  it('is refused without a source, of itself, of what is not there, and from who may not', async () => {
    await put('here', 'x');
    const bare = await s3.send('PUT', '/bucket/k', { query: { renameObject: '' } });
    assert.deepEqual(outcome(bare), [400, 'InvalidArgument']);
    const odd = await s3.send('PUT', '/bucket/k', {
      query: { renameObject: '' },
      headers: { 'x-amz-rename-source': '%zz' },
    });
    assert.deepEqual(outcome(odd), [400, 'InvalidArgument']);
    assert.deepEqual(outcome(await rename('here', 'here')), [400, 'InvalidRequest']);
    assert.deepEqual(outcome(await rename('nowhere', 'k')), [404, 'NoSuchKey']);
    assert.deepEqual(outcome(await rename('here', 'k', {}, 'missing')), [404, 'NoSuchBucket']);
    assert.deepEqual(outcome(await rename('k'.repeat(1025), 'k')), [400, 'KeyTooLongError']);
    for (const as of ['anonymous', 'readonly', 'scoped'] as const) {
      const headers = { 'x-amz-rename-source': 'here' };
      assert.equal((await s3.send('PUT', '/bucket/k', { query: { renameObject: '' }, headers, as })).status, 403);
    }
    assert.equal((await get('here')).text, 'x');
  });

  it('asks about the name that goes as well as about the one that comes', () => {
    const headers = { 'x-amz-rename-source': 'private/%C3%A4' };
    const query = new Query('renameObject');
    const call = { operation: 'RenameObject', bucket: 'bucket', key: Buffer.from('public/k'), headers, query } as never;
    const asked = questionsOf('RenameObject', factsOf(call)).map(({ action, resource }) => `${action} ${resource}`);
    assert.deepEqual(asked, [
      's3:PutObject arn:aws:s3:::bucket/public/k',
      's3:GetObject arn:aws:s3:::bucket/private/ä',
      's3:DeleteObject arn:aws:s3:::bucket/private/ä',
    ]);
  });

  it('of many at once to one name leaves one of them, and no other name', async () => {
    for (let i = 0; i < 8; i++) await put(`many/${i}`, `${i}`);
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => rename(`many/${i}`, 'many/one', { 'if-none-match': '*' })),
    );
    assert.deepEqual(all.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412]);
    const listed = await s3.send('GET', '/bucket', { query: { 'list-type': '2', prefix: 'many/' } });
    assert.equal(listed.all('Key').length, 8);
  });

  it('where versions are kept makes a version of the new name and a marker of the old one', async () => {
    const first = await put('v', '1', {}, 'versions');
    await put('v', '2', {}, 'versions');
    const old = await put('w', 'old', {}, 'versions');
    const done = await rename('v', 'w', {}, 'versions');
    assert.deepEqual(outcome(await get('v', 'versions')), [404, 'NoSuchKey']);
    assert.equal((await get('w', 'versions')).text, '2');
    assert.notEqual(done.headers['x-amz-version-id'], old.headers['x-amz-version-id']);
    const of = async (key: string, { headers }: Answer) =>
      (await s3.send('GET', `/versions/${key}`, { query: { versionId: headers['x-amz-version-id'] as string } })).text;
    assert.deepEqual([await of('v', first), await of('w', old), await of('w', done)], ['1', 'old', '2']);
    const listed = await s3.send('GET', '/versions', { query: { versions: '' } });
    assert.deepEqual([listed.all('Version').length, listed.all('DeleteMarker').length], [4, 1]);
    assert.deepEqual(outcome(await rename('v', 'x', {}, 'versions')), [404, 'NoSuchKey'], 'a marker is no object');
  });
});
