import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalIdOf, firstAccount } from '../../access/index.ts';
import { serveFake } from './harness.support.ts';

const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

const { s3 } = await serveFake(async () => undefined);

describe('buckets', () => {
  it('are created, found, located and deleted', async () => {
    const made = await s3.send('PUT', '/first');
    assert.deepEqual([made.status, made.headers.location, made.body.length], [200, '/first', 0]);
    const again = await s3.send('PUT', '/first');
    assert.deepEqual([again.status, again.code, again.xml('BucketName')], [409, 'BucketAlreadyOwnedByYou', 'first']);
    const head = await s3.send('HEAD', '/first');
    assert.deepEqual([head.status, head.headers['x-amz-bucket-region']], [200, 'us-east-1']);
    assert.equal((await s3.send('HEAD', '/second')).status, 404);
    const location = await s3.send('GET', '/first', { query: { location: '' } });
    assert.ok(location.text.endsWith(`<LocationConstraint ${namespace}/>`), location.text);
    await s3.send('PUT', '/first/k');
    const inUse = await s3.send('DELETE', '/first');
    assert.deepEqual(
      [inUse.code, inUse.xml('Resource'), inUse.xml('BucketName')],
      ['BucketNotEmpty', '/first', 'first'],
    );
    assert.equal((await s3.send('DELETE', '/nowhere')).xml('Resource'), '/nowhere');
    await s3.send('DELETE', '/first/k');
    const gone = await s3.send('DELETE', '/first');
    assert.deepEqual([gone.status, gone.body.length, gone.headers['content-length']], [204, 0, undefined]);
    assert.equal((await s3.send('DELETE', '/first')).code, 'NoSuchBucket');
  });

  it('take a location constraint, tags, and nothing that is not done here', async () => {
    const make = (inner: string, headers: Record<string, string> = {}) =>
      s3.send('PUT', '/made', {
        headers,
        body: inner === '' ? '' : `<CreateBucketConfiguration ${namespace}>${inner}</CreateBucketConfiguration>`,
      });
    const wrong = await make('<LocationConstraint>mars-1</LocationConstraint>');
    assert.deepEqual(
      [wrong.status, wrong.code, wrong.xml('LocationConstraint')],
      [400, 'InvalidLocationConstraint', 'mars-1'],
    );
    assert.equal((await make('<Bucket><Type>Directory</Type></Bucket>')).code, 'MalformedXML');
    assert.equal((await make('', { 'x-amz-bucket-object-lock-enabled': 'maybe' })).code, 'InvalidArgument');
    assert.equal((await make('', { 'x-amz-acl': 'public-read' })).code, 'InvalidBucketAclWithObjectOwnership');
    assert.equal((await s3.send('PUT', '/made', { body: '<Other/>' })).code, 'MalformedXML');
    assert.equal(
      (
        await make(
          '<LocationConstraint>us-east-1</LocationConstraint><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>',
        )
      ).status,
      200,
    );
    assert.equal((await s3.send('GET', '/made', { query: { tagging: '' } })).xml('Value'), 'b');
  });

  it('are listed in pages, by prefix', async () => {
    for (const name of ['list-a', 'list-b', 'list-c', 'other']) await s3.send('PUT', `/${name}`);
    const all = await s3.send('GET', '/');
    assert.ok(all.text.includes(`<ListAllMyBucketsResult ${namespace}><Owner><ID>${canonicalIdOf(firstAccount)}</ID>`));
    assert.deepEqual(all.all('Name'), ['list-a', 'list-b', 'list-c', 'made', 'other']);
    assert.equal(all.xml('CreationDate'), '2023-11-14T22:13:20.000Z');
    assert.equal(all.xml('BucketRegion'), undefined);
    const page = await s3.send('GET', '/', { query: { 'max-buckets': '2', prefix: 'list-' } });
    assert.deepEqual(
      [page.all('Name'), page.xml('Prefix'), page.xml('BucketRegion')],
      [['list-a', 'list-b'], 'list-', 'us-east-1'],
    );
    const next = await s3.send('GET', '/', {
      query: { 'max-buckets': '2', prefix: 'list-', 'continuation-token': page.xml('ContinuationToken')! },
    });
    assert.deepEqual([next.all('Name'), next.xml('ContinuationToken')], [['list-c'], undefined]);
    for (const bad of ['0', '-1', 'x', '10001', ''])
      assert.equal((await s3.send('GET', '/', { query: { 'max-buckets': bad } })).code, 'InvalidArgument', bad);
    assert.equal((await s3.send('GET', '/', { query: { 'continuation-token': '!!' } })).code, 'InvalidArgument');
    assert.deepEqual((await s3.send('GET', '/', { query: { 'bucket-region': 'mars-1' } })).all('Name'), []);
  });

  it('have versioning', async () => {
    const get = () => s3.send('GET', '/made', { query: { versioning: '' } });
    const put = (inner: string) =>
      s3.send('PUT', '/made', {
        query: { versioning: '' },
        body: `<VersioningConfiguration ${namespace}>${inner}</VersioningConfiguration>`,
      });
    assert.ok((await get()).text.endsWith(`<VersioningConfiguration ${namespace}/>`));
    for (const state of ['Enabled', 'Suspended']) {
      assert.equal((await put(`<Status>${state}</Status>`)).status, 200);
      assert.equal((await get()).xml('Status'), state);
    }
    assert.equal((await put('<Status>On</Status>')).code, 'MalformedXML');
    assert.equal((await put('')).code, 'IllegalVersioningConfigurationException');
    assert.equal((await put('<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>')).code, 'NotImplemented');
    assert.equal((await s3.send('PUT', '/made', { query: { versioning: '' } })).code, 'MissingRequestBodyError');
  });

  it('have tags', async () => {
    const put = (tags: string) =>
      s3.send('PUT', '/other', { query: { tagging: '' }, body: `<Tagging><TagSet>${tags}</TagSet></Tagging>` });
    const tag = (key: string, value = 'v') => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
    const missing = await s3.send('GET', '/other', { query: { tagging: '' } });
    assert.deepEqual([missing.status, missing.code, missing.xml('BucketName')], [404, 'NoSuchTagSet', 'other']);
    assert.equal((await put(tag('a') + tag('ü b', 'c/d'))).status, 204);
    assert.ok(
      (await s3.send('GET', '/other', { query: { tagging: '' } })).text.endsWith(
        `<Tagging ${namespace}><TagSet>${tag('a')}${tag('ü b', 'c/d')}</TagSet></Tagging>`,
      ),
    );
    assert.equal((await put(tag('a') + tag('a'))).code, 'InvalidTag');
    assert.equal((await put(Array.from({ length: 51 }, (_, i) => tag(`k${i}`)).join(''))).code, 'BadRequest');
    assert.equal((await put('<Tag><Key>a</Key></Tag>')).code, 'MalformedXML');
    assert.equal((await s3.send('PUT', '/other', { query: { tagging: '' }, body: '<Tagging/>' })).code, 'MalformedXML');
    assert.equal((await s3.send('DELETE', '/other', { query: { tagging: '' } })).status, 204);
    assert.equal((await s3.send('GET', '/other', { query: { tagging: '' } })).code, 'NoSuchTagSet');
  });

  it('belong to their owner alone', async () => {
    const acl = await s3.send('GET', '/other', { query: { acl: '' } });
    assert.deepEqual(
      [acl.all('ID'), acl.xml('Permission')],
      [[canonicalIdOf(firstAccount), canonicalIdOf(firstAccount)], 'FULL_CONTROL'],
    );
    assert.ok(acl.text.includes('xsi:type="CanonicalUser"'));
    await s3.send('PUT', '/other/k');
    assert.equal((await s3.send('GET', '/other/k', { query: { acl: '' } })).xml('Permission'), 'FULL_CONTROL');
    assert.equal((await s3.send('GET', '/other/none', { query: { acl: '' } })).code, 'NoSuchKey');
  });
});

describe('settings that cannot be made', () => {
  it('the status of a policy reads as unset', async () => {
    const query = { policyStatus: '' };
    const got = await s3.send('GET', '/other', { query });
    assert.deepEqual([got.status, got.code], [404, 'NoSuchBucketPolicy']);
    assert.equal((await s3.send('GET', '/missing', { query })).code, 'NoSuchBucket');
  });

  it('every refused operation says its name', async () => {
    const rows: readonly [string, string, Record<string, string>, string][] = [
      ['GET', '/other', { metadataTable: '' }, 'GetBucketMetadataTableConfiguration'],
      ['POST', '/other/k', { select: '', 'select-type': '2' }, 'SelectObjectContent'],
      ['GET', '/other/k', { torrent: '' }, 'GetObjectTorrent'],
    ];
    for (const [method, path, query, operation] of rows) {
      const got = await s3.send(method, path, { query });
      assert.deepEqual([got.status, got.code, got.xml('Operation')], [501, 'NotImplemented', operation]);
      assert.ok(got.xml('Message')!.includes(operation));
      assert.ok(s3.telemetry.some((row) => row.operation === operation && row.status === 501));
    }
    assert.deepEqual(s3.logged, [], 'what is asked for in vain is no failure of the server');
  });

  it('what exists nowhere is MethodNotAllowed or a conflict', async () => {
    const got = await s3.send('DELETE', '/other', { query: { acl: '' } });
    assert.deepEqual(
      [got.status, got.code, got.xml('Method'), got.xml('ResourceType')],
      [405, 'MethodNotAllowed', 'DELETE', 'ACL'],
    );
    assert.equal((await s3.send('GET', '/other', { query: { acl: '', versioning: '' } })).code, 'InvalidArgument');
  });
});
