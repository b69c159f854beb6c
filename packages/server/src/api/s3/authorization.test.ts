import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { identityOf } from '../../access/index.ts';
import type { AccessKeyRecord } from '../../metadata/index.ts';
import type { Exchange } from '../http/exchange.ts';
import { Authorization } from './authorization.ts';
import { startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';
import { about } from './permissions.ts';

const exchange = { request: { socket: {} } } as unknown as Exchange;

const of = (change: Partial<AccessKeyRecord>, objects = fakeObjects().service) =>
  new Authorization({
    identity: identityOf({
      kind: 'key',
      key: {
        id: 'key',
        sealedSecret: Buffer.alloc(0),
        owner: 'root',
        name: '',
        createdMs: 0,
        role: 'root',
        buckets: [],
        ...change,
      },
    }),
    signature: undefined,
    exchange,
    nowMs: 0,
    region: 'us-east-1',
    header: () => undefined,
    parameter: () => undefined,
    objects,
  });

it('the server is administered by the root of the first account, and settings that S3 does not have by whoever may write a bucket', async () => {
  const { service } = fakeObjects();
  await service.createBucket({ name: 'bucket', owner: 'root', region: '' });
  assert.ok(of({}, service).allowsOwn('GetStatus', undefined));
  assert.ok(!of({ owner: '123456789012' }, service).allowsOwn('GetStatus', undefined));
  assert.ok(!of({ role: 'readwrite' }, service).allowsOwn('GetStatus', undefined));
  assert.ok(of({ role: 'readwrite' }, service).allowsOwn('PutBucketSettings', 'bucket'));
  assert.ok(!of({ role: 'readonly' }, service).allowsOwn('PutBucketSettings', 'bucket'));
  assert.ok(!of({ owner: '123456789012' }, service).allowsOwn('PutBucketSettings', 'bucket'));
});

it('nobody of another account does anything with a bucket, or is shown it', async () => {
  const { service } = fakeObjects();
  await service.createBucket({ name: 'bucket', owner: '210987654321', region: '' });
  const [bucket] = service.buckets('', 1).items;
  for (const role of ['root', 'readwrite', 'readonly'] as const)
    for (const owner of ['root', '123456789012', '210987654321']) {
      const one = of({ role, owner }, service);
      const own = owner === '210987654321';
      const what = `${role} of ${owner}`;
      assert.equal(one.allows('GetObject', about('bucket', 'k')), own, what);
      assert.equal(one.sees(bucket!), own, what);
      // Not there: it is the operation that says so.
      assert.ok(one.allows('GetObject', about('missing', 'k')), what);
    }
});

const { service } = fakeObjects();
const s3 = await startHarness(service);
after(() => s3.close());

it('a batch is asked about object by object, and what is denied is an error of its own', async () => {
  await s3.send('PUT', '/bucket');
  await s3.send('PUT', '/scoped');
  for (const key of ['a', 'b']) await s3.send('PUT', `/scoped/${key}`, { body: 'x' });
  const document = '<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>';
  const headers = { 'content-md5': (await import('node:crypto')).hash('md5', document, 'base64') };
  const all = await s3.send('POST', '/scoped', { as: 'scoped', query: { delete: '' }, headers, body: document });
  assert.deepEqual([all.status, all.all('Deleted').length, all.all('Error').length], [200, 2, 0]);
  const other = await s3.send('POST', '/bucket', { as: 'scoped', query: { delete: '' }, headers, body: document });
  assert.deepEqual([other.status, other.all('Deleted').length], [200, 0]);
  assert.deepEqual(other.all('Code'), ['AccessDenied', 'AccessDenied']);
  for (const as of ['anonymous', 'readonly'] as const)
    assert.equal(
      (await s3.send('POST', '/bucket', { as, query: { delete: '' }, headers, body: document })).status,
      403,
    );
});
