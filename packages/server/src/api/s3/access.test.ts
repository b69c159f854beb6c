import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serveFake, startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';

const body = Buffer.from(Array.from({ length: 100 }, (_, i) => i));

const { s3 } = await serveFake();

describe('errors', () => {
  it('name what is missing', async () => {
    const key = await s3.send('GET', '/bucket/missing');
    assert.deepEqual(
      [key.status, key.code, key.xml('Key'), key.xml('Resource')],
      [404, 'NoSuchKey', 'missing', '/bucket/missing'],
    );
    assert.equal(key.xml('RequestId'), key.headers['x-amz-request-id']);
    assert.equal(key.xml('HostId'), key.headers['x-amz-id-2']);
    assert.equal(key.headers['content-type'], 'application/xml');
    const bucket = await s3.send('GET', '/missing-bucket/k');
    assert.deepEqual([bucket.status, bucket.code, bucket.xml('BucketName')], [404, 'NoSuchBucket', 'missing-bucket']);
    const version = await s3.send('GET', '/bucket/missing', { query: { versionId: '0'.repeat(32) } });
    assert.deepEqual([version.status, version.code, version.xml('VersionId')], [404, 'NoSuchVersion', '0'.repeat(32)]);
    const bad = await s3.send('GET', '/bucket/missing', { query: { versionId: 'x' } });
    assert.deepEqual([bad.status, bad.code, bad.xml('ArgumentName')], [400, 'InvalidArgument', 'versionId']);
    assert.equal((await s3.send('GET', '/bucket/missing', { query: { versionId: '' } })).code, 'InvalidArgument');
    for (const name of ['Bad_Name', 'ab', 'a..b', '-ab', 'ab-', '1.2.3.4', 'a'.repeat(64), '-'])
      assert.equal((await s3.send('GET', `/${name}/k`)).code, 'InvalidBucketName', name);
  });
  it('of HEAD have no body, but a header', async () => {
    const head = await s3.send('HEAD', '/bucket/missing');
    assert.deepEqual([head.status, head.body.length, head.headers['x-dsom-error-code']], [404, 0, 'NoSuchKey']);
  });
  it('of the program are InternalError, and only the log says more', async () => {
    const broken = fakeObjects();
    broken.service.read = () => {
      throw new TypeError('secret detail');
    };
    const other = await startHarness(broken.service);
    try {
      await other.send('PUT', '/bucket');
      const got = await other.send('GET', '/bucket/k');
      assert.deepEqual([got.status, got.code], [500, 'InternalError']);
      assert.ok(!got.text.includes('secret'));
      assert.ok(other.logged.some(({ fields }) => (fields?.['error'] as Error)?.message === 'secret detail'));
    } finally {
      await other.close();
    }
  });
});

describe('access', () => {
  it('anonymous is denied, readonly may read', async () => {
    await s3.send('PUT', '/bucket/x', { body });
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/bucket'],
      ['GET', '/bucket/x'],
      ['PUT', '/bucket/x'],
      ['DELETE', '/bucket/x'],
      ['PATCH', '/bucket/x'],
      ['POST', '/'],
    ] as const) {
      const got = await s3.send(method, path, { as: 'anonymous' });
      assert.deepEqual([got.status, got.code], [403, 'AccessDenied'], `${method} ${path}`);
    }
    assert.equal((await s3.send('GET', '/bucket/x', { as: 'readonly' })).status, 200);
    for (const [method, path, query] of [
      ['PUT', '/bucket/x', {}],
      ['DELETE', '/bucket/x', {}],
      ['POST', '/bucket', { delete: '' }],
      ['POST', '/bucket/x', { uploads: '' }],
      ['PUT', '/bucket', { versioning: '' }],
      ['PUT', '/bucket', { policy: '' }],
    ] as const) {
      assert.equal((await s3.send(method, path, { as: 'readonly', query })).status, 403, `${method} ${path}`);
    }
  });
  it('an expected owner must be the owner', async () => {
    assert.equal(
      (await s3.send('GET', '/bucket/x', { headers: { 'x-amz-expected-bucket-owner': '000000000000' } })).status,
      200,
    );
    assert.equal(
      (await s3.send('GET', '/bucket/x', { headers: { 'x-amz-expected-bucket-owner': '111111111111' } })).status,
      403,
    );
  });
  it('works in virtual-host style', async () => {
    const got = await s3.send('GET', '/x', { headers: { host: 'bucket.s3.test' } });
    assert.deepEqual(got.body, body);
    assert.equal((await s3.send('GET', '/', { headers: { host: 's3.test' } })).xml('Name'), 'bucket');
  });
  it('presigned requests may carry x-amz headers as parameters', async () => {
    const put = await s3.send('PUT', '/bucket/hoisted', {
      as: 'presigned',
      body,
      query: { 'x-amz-meta-a': 'ü', 'x-amz-storage-class': 'GLACIER' },
    });
    assert.equal(put.code, 'InvalidStorageClass');
    assert.equal(
      (await s3.send('PUT', '/bucket/hoisted', { as: 'presigned', body, query: { 'x-amz-meta-a': 'ü' } })).status,
      200,
    );
    assert.equal((await s3.send('GET', '/bucket/hoisted')).headers['x-amz-meta-a'], '=?UTF-8?B?w7w=?=');
  });
});

describe('a key that may use one bucket', () => {
  it('sees no other, neither in listings nor as the source of a copy', async () => {
    await s3.send('PUT', '/scoped');
    await s3.send('PUT', '/bucket/source', { body });
    assert.deepEqual((await s3.send('GET', '/', { as: 'scoped' })).all('Name'), ['scoped']);
    assert.equal((await s3.send('PUT', '/scoped/own', { as: 'scoped', body: 'x' })).status, 200);
    assert.equal((await s3.send('GET', '/bucket/source', { as: 'scoped' })).code, 'AccessDenied');
    const copyFrom = (source: string) =>
      s3.send('PUT', '/scoped/copy', { as: 'scoped', headers: { 'x-amz-copy-source': source } });
    assert.equal((await copyFrom('/bucket/source')).code, 'AccessDenied');
    assert.equal((await copyFrom('/scoped/own')).status, 200);
    const uploadId = (await s3.send('POST', '/scoped/parts', { as: 'scoped', query: { uploads: '' } })).xml(
      'UploadId',
    )!;
    const partFrom = (source: string) =>
      s3.send('PUT', '/scoped/parts', {
        as: 'scoped',
        query: { uploadId, partNumber: '1' },
        headers: { 'x-amz-copy-source': source },
      });
    assert.equal((await partFrom('/bucket/source')).code, 'AccessDenied');
    assert.equal((await partFrom('/scoped/own')).status, 200);
    assert.equal((await s3.send('PUT', '/scoped2', { as: 'scoped' })).code, 'AccessDenied');
  });
});
