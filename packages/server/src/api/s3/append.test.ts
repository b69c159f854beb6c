/* Append in AWS's form: PutObject with x-amz-write-offset-bytes, over the real store. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { digestOf } from '../../codec/index.ts';
import { type Answer, type Harness, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

let store: MemoryStore;
let s3: Harness;
before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  for (const bucket of ['bucket', 'versions']) await s3.send('PUT', `/${bucket}`);
});
after(async () => {
  await s3.close();
  await store.close();
});

const append = (key: string, offset: number | string, body: Buffer | string, headers = {}, bucket = 'bucket') =>
  s3.send('PUT', `/${bucket}/${key}`, { body, headers: { 'x-amz-write-offset-bytes': String(offset), ...headers } });
const outcome = ({ status, code }: Answer) => [status, code];

describe('PutObject with x-amz-write-offset-bytes', () => {
  it('makes an object at 0 and adds to it at its size, and answers the size', async () => {
    const parts = [3, 0, 5000, 70_000].map((size) => randomBytes(size));
    let whole = Buffer.alloc(0);
    for (const part of parts) {
      const got = await append('log', whole.length, part, { 'x-amz-meta-of': 'first' });
      whole = Buffer.concat([whole, part]);
      assert.deepEqual([got.status, got.headers['x-amz-object-size']], [200, String(whole.length)], got.text);
      const read = await s3.send('GET', '/bucket/log');
      assert.ok(read.body.equals(whole));
      assert.deepEqual([read.headers.etag, read.headers['x-amz-meta-of']], [got.headers.etag, 'first']);
    }
    const plain = await s3.send('PUT', '/bucket/plain', { body: 'x' });
    assert.equal(plain.headers['x-amz-object-size'], undefined, 'only an append says the size');
  });

  it('at any other offset is InvalidWriteOffset, and changes nothing', async () => {
    assert.deepEqual(outcome(await append('new', 1, 'x')), [400, 'InvalidWriteOffset']);
    assert.equal((await s3.send('HEAD', '/bucket/new')).status, 404);
    await append('there', 0, 'abc');
    for (const offset of [0, 2, 4, 1e15]) {
      const got = await append('there', offset, 'x');
      assert.deepEqual([...outcome(got), got.xml('ObjectSize')], [400, 'InvalidWriteOffset', '3']);
    }
    assert.equal((await s3.send('GET', '/bucket/there')).text, 'abc');
  });

  it('that is no number is InvalidArgument', async () => {
    for (const offset of ['', 'x', '-1', '1.5', '1e3', '0x1', '9'.repeat(17)])
      assert.deepEqual(outcome(await append('odd', offset, 'x')), [400, 'InvalidArgument'], offset);
  });

  it('goes with conditions and checksums', async () => {
    const first = await append('guarded', 0, 'ab', {
      'x-amz-checksum-crc32': digestOf('CRC32', Buffer.from('ab')).toString('base64'),
    });
    assert.deepEqual(outcome(await append('guarded', 2, 'x', { 'if-none-match': '*' })), [412, 'PreconditionFailed']);
    assert.deepEqual(outcome(await append('guarded', 2, 'x', { 'if-match': '"0"' })), [412, 'PreconditionFailed']);
    const second = {
      'if-match': first.headers.etag as string,
      'x-amz-checksum-crc32': digestOf('CRC32', Buffer.from('cd')).toString('base64'),
    };
    assert.equal((await append('guarded', 2, 'cd', second)).status, 200);
    const head = await s3.send('HEAD', '/bucket/guarded', { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
    const whole = digestOf('CRC32', Buffer.from('abcd')).toString('base64');
    assert.deepEqual(
      [head.headers['x-amz-checksum-crc32'], head.headers['x-amz-checksum-type']],
      [whole, 'FULL_OBJECT'],
    );
    const wrong = { 'x-amz-checksum-crc32': digestOf('CRC32', Buffer.from('no')).toString('base64') };
    assert.deepEqual(outcome(await append('guarded', 4, 'ef', wrong)), [400, 'BadDigest']);
    assert.equal((await s3.send('GET', '/bucket/guarded')).text, 'abcd');
  });

  it('of the same moment at the same offset: one of them', async () => {
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((text) => append('race', 0, text)));
    assert.deepEqual(all.map(({ status }) => status).sort(), [200, 400, 400, 400]);
    assert.equal((await s3.send('GET', '/bucket/race')).body.length, 1);
  });

  it('makes a version where the bucket has versions', async () => {
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await s3.send('PUT', '/versions', { query: { versioning: '' }, body });
    const first = await append('k', 0, 'ab', {}, 'versions');
    const second = await append('k', 2, 'cd', {}, 'versions');
    const of = (answer: Answer) => ({ query: { versionId: answer.headers['x-amz-version-id'] as string } });
    assert.equal((await s3.send('GET', '/versions/k', of(first))).text, 'ab');
    assert.equal((await s3.send('GET', '/versions/k', of(second))).text, 'abcd');
    await s3.send('DELETE', '/versions/k');
    assert.deepEqual(outcome(await append('k', 4, 'x', {}, 'versions')), [400, 'InvalidWriteOffset']);
    assert.equal(
      (await append('k', 0, 'new', {}, 'versions')).status,
      200,
      'behind a delete marker there is no object',
    );
  });

  it('is no header of other writes', async () => {
    const headers = { 'x-amz-write-offset-bytes': '0' };
    const started = await s3.send('POST', '/bucket/k', { query: { uploads: '' }, headers });
    assert.deepEqual(outcome(started), [400, 'InvalidRequest']);
    const copy = await s3.send('PUT', '/bucket/k', { headers: { ...headers, 'x-amz-copy-source': '/bucket/log' } });
    assert.deepEqual(outcome(copy), [400, 'InvalidRequest']);
    const renaming = { query: { renameObject: '' }, headers: { ...headers, 'x-amz-rename-source': 'log' } };
    assert.deepEqual(outcome(await s3.send('PUT', '/bucket/k', renaming)), [400, 'InvalidRequest']);
  });
});
