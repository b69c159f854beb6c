import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { limits } from '../../limits.ts';
import { type Send, serveFake } from './harness.support.ts';

/* Policies of buckets, from the requests that set them to those that they decide. */

const { s3, fake } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'scoped', 'other']) {
    await harness.send('PUT', `/${bucket}`);
    for (const key of ['open/a', 'secret/a', 'tagged']) await harness.send('PUT', `/${bucket}/${key}`, { body: 'x' });
  }
});

const digested = (body: string): Send => ({ body, headers: { 'content-md5': hash('md5', body, 'base64') } });
const user = (name: string) => `arn:aws:iam::000000000000:user/key-${name}`;
const everyone = '*';
interface Rule {
  readonly Effect?: 'Allow' | 'Deny';
  readonly Principal?: unknown;
  readonly Action: string | string[];
  readonly Resource?: string | string[];
  readonly Condition?: unknown;
}
const documentOf = (bucket: string, ...rules: Rule[]) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: rules.map((rule) => ({
      Effect: 'Allow',
      Principal: everyone,
      Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
      ...rule,
    })),
  });
const put = (bucket: string, body: string, more: Send = {}) =>
  s3.send('PUT', `/${bucket}`, { query: { policy: '' }, body, ...more });
const policy = async (bucket: string, ...rules: Rule[]) => {
  const set = await put(bucket, documentOf(bucket, ...rules));
  assert.equal(set.status, 204, set.text);
};
const remove = (bucket = 'bucket') => s3.send('DELETE', `/${bucket}`, { query: { policy: '' } });
const statusOf = async (method: string, path: string, options: Send = {}) =>
  (await s3.send(method, path, options)).status;

describe('PutBucketPolicy', () => {
  it('keeps a policy as it was sent, until it is deleted', async () => {
    const text = ` ${documentOf('bucket', { Action: 's3:GetObject' })}\n`;
    assert.deepEqual([(await put('bucket', text)).status, (await put('bucket', text)).body.length], [204, 0]);
    const got = await s3.send('GET', '/bucket', { query: { policy: '' } });
    assert.deepEqual([got.status, got.text, got.headers['content-type']], [200, text, 'application/json']);
    assert.deepEqual([(await remove()).status, (await remove()).status], [204, 204]);
    const gone = await s3.send('GET', '/bucket', { query: { policy: '' } });
    assert.deepEqual([gone.status, gone.code, gone.xml('BucketName')], [404, 'NoSuchBucketPolicy', 'bucket']);
    const status = await s3.send('GET', '/bucket', { query: { policyStatus: '' } });
    assert.deepEqual([status.status, status.code], [404, 'NoSuchBucketPolicy']);
  });

  it('refuses what is no policy for the bucket, with the reason', async () => {
    for (const [text, reason] of [
      ['{', /line 1/],
      ['[]', /policy/],
      ['<Policy/>', /line 1/],
      ['{"Version":"2012-10-17"}', /has no Statement/],
      [documentOf('bucket', { Action: 's3:GetObjekt' }), /did you mean GetObject/],
      [documentOf('bucket', { Action: 'iam:*' }), /actions of s3 only/],
      [documentOf('bucket', { Action: 's3:GetObject', Resource: 'arn:aws:s3:::other/*' }), /is for the bucket bucket/],
      [documentOf('bucket', { Action: 's3:GetObject', Principal: { AWS: 'nobody' } }), /principal|Principal/],
      [documentOf('bucket', { Action: 's3:GetObject', Condition: { Like: { 'aws:SourceIp': '1' } } }), /Like/],
      [documentOf('bucket', { Action: 's3:GetObject', Condition: { StringEquals: { 'aws:Sauce': '1' } } }), /Sauce/],
      ['\xff'.repeat(3), /line 1/],
    ] as const) {
      const refused = await put('bucket', text);
      assert.deepEqual([refused.status, refused.code], [400, 'MalformedPolicy'], text);
      assert.match(refused.xml('Message') ?? '', reason, text);
    }
    assert.equal((await put('bucket', '')).code, 'MissingRequestBodyError');
    assert.equal((await put('bucket', ' '.repeat(limits.bucketPolicyBytes + 1))).code, 'MaxMessageLengthExceeded');
    assert.equal(
      (await put('bucket', '{}', { headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } })).code,
      'BadDigest',
    );
    assert.equal((await put('missing', documentOf('missing', { Action: 's3:*' }))).code, 'NoSuchBucket');
    assert.equal((await s3.send('GET', '/bucket', { query: { policy: '' } })).code, 'NoSuchBucketPolicy');
  });

  it('is for the account of the bucket, also where the policy lets others in', async () => {
    await policy('bucket', { Action: 's3:*', Principal: { AWS: '123456789012' } });
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'foreign' }), 200);
    for (const [method, body] of [
      ['GET', ''],
      ['PUT', documentOf('bucket', { Action: 's3:*' })],
      ['DELETE', ''],
    ] as const) {
      const refused = await s3.send(method, '/bucket', { as: 'foreign', query: { policy: '' }, body });
      assert.deepEqual([refused.status, refused.code], [405, 'MethodNotAllowed'], method);
    }
    for (const as of ['readonly', 'anonymous', 'scoped'] as const)
      assert.equal((await put('bucket', documentOf('bucket', { Action: 's3:*' }), { as })).code, 'AccessDenied', as);
    await remove();
  });

  it('does not let its author lock himself out unasked, and the root not at all', async () => {
    const closed = documentOf('bucket', { Effect: 'Deny', Action: 's3:*' });
    const refused = await put('bucket', closed, { as: 'readwrite' });
    assert.deepEqual([refused.status, refused.code], [403, 'AccessDenied']);
    assert.match(refused.xml('Message') ?? '', /x-amz-confirm-remove-self-bucket-access/);
    const headers = { 'x-amz-confirm-remove-self-bucket-access': 'true' };
    assert.equal((await put('bucket', closed, { as: 'readwrite', headers })).status, 204);
    assert.equal((await put('bucket', closed, { as: 'readwrite', headers })).status, 403);
    assert.equal(await statusOf('GET', '/bucket/open/a'), 403, 'a Deny is for the root too');
    assert.equal(await statusOf('GET', '/bucket', { query: { policy: '' } }), 200, 'but not for the policy');
    assert.deepEqual((await s3.send('GET', '/')).all('Name').sort(), ['bucket', 'other', 'scoped']);
    assert.equal((await remove()).status, 204);
    assert.equal(await statusOf('GET', '/bucket/open/a'), 200);
  });
});

describe('the policy of a bucket', () => {
  it('lets anonymous requests in where it says so, and nowhere else', async () => {
    await policy('bucket', { Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/open/*' });
    const as = 'anonymous';
    assert.equal((await s3.send('GET', '/bucket/open/a', { as })).text, 'x');
    assert.equal(await statusOf('HEAD', '/bucket/open/a', { as }), 200);
    for (const [method, path, query] of [
      ['GET', '/bucket/secret/a', {}],
      ['GET', '/bucket', {}],
      ['GET', '/', {}],
      ['GET', '/bucket/open/a', { versionId: 'null' }],
      ['GET', '/bucket/open/a', { tagging: '' }],
      ['GET', '/bucket/open/a', { acl: '' }],
      ['GET', '/bucket/open/a', { attributes: '' }],
      ['PUT', '/bucket/open/b', {}],
      ['DELETE', '/bucket/open/a', {}],
      ['POST', '/bucket/open/b', { uploads: '' }],
      ['GET', '/bucket', { policy: '' }],
      ['GET', '/other/open/a', {}],
      ['PUT', '/new-bucket', {}],
    ] as const) {
      const got = await s3.send(method, path, { as, query });
      assert.deepEqual([got.status, got.code], [403, 'AccessDenied'], `${method} ${path} ${Object.keys(query)}`);
    }
    assert.equal(
      (await s3.send('GET', '/bucket/open/a', { as, query: { 'response-expires': 'x' } })).code,
      'InvalidRequest',
    );
    const payer = (who: string) => {
      const text = `<RequestPaymentConfiguration><Payer>${who}</Payer></RequestPaymentConfiguration>`;
      return s3.send('PUT', '/bucket', { query: { requestPayment: '' }, ...digested(text) });
    };
    assert.equal((await payer('Requester')).status, 200);
    assert.equal(await statusOf('GET', '/bucket/open/a', { as, headers: { 'x-amz-request-payer': 'requester' } }), 403);
    assert.equal((await payer('BucketOwner')).status, 200);
    assert.equal(await statusOf('GET', '/bucket/open/a', { as }), 200);
    await remove();
    assert.equal(await statusOf('GET', '/bucket/open/a', { as }), 403);
  });

  it('tells who may not list a bucket nothing about its keys', async () => {
    await policy('bucket', { Action: 's3:GetObject' });
    assert.equal((await s3.send('GET', '/bucket/missing', { as: 'anonymous' })).code, 'AccessDenied');
    const copy = { as: 'scoped' as const, headers: { 'x-amz-copy-source': '/bucket/missing' } };
    assert.equal((await s3.send('PUT', '/scoped/copied', copy)).code, 'AccessDenied');
    await policy('bucket', { Action: ['s3:GetObject', 's3:ListBucket'] });
    assert.equal((await s3.send('GET', '/bucket/missing', { as: 'anonymous' })).code, 'NoSuchKey');
    assert.equal((await s3.send('PUT', '/scoped/copied', copy)).code, 'NoSuchKey');
    await remove();
  });

  it('lets a key do more than its scope, and another do less', async () => {
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'scoped' }), 403);
    await policy('bucket', { Action: 's3:GetObject', Principal: { AWS: user('scoped') } });
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'scoped' }), 200);
    assert.equal(await statusOf('PUT', '/bucket/open/b', { as: 'scoped', body: 'x' }), 403);
    await policy('bucket', {
      Effect: 'Deny',
      Action: 's3:GetObject',
      Principal: { AWS: user('readwrite') },
      Resource: 'arn:aws:s3:::bucket/secret/*',
    });
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'readwrite' }), 200);
    const denied = await s3.send('GET', '/bucket/secret/a', { as: 'readwrite' });
    assert.equal(denied.status, 403);
    assert.match(
      denied.xml('Message') ?? '',
      /user\/key-readwrite is not authorized to perform: s3:GetObject on resource/,
    );
    assert.equal(await statusOf('GET', '/bucket/secret/a', { as: 'readonly' }), 200);
    await remove();
  });

  it('lets another account in, which needs no more', async () => {
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'foreign' }), 403);
    await policy('bucket', { Action: ['s3:GetObject', 's3:ListBucket'], Principal: { AWS: '123456789012' } });
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'foreign' }), 200);
    assert.equal(await statusOf('GET', '/bucket', { as: 'foreign' }), 200);
    const denied = await s3.send('PUT', '/bucket/open/b', { as: 'foreign', body: 'x' });
    assert.deepEqual([denied.status, denied.xml('Message')], [403, 'Access Denied']);
    assert.deepEqual((await s3.send('GET', '/', { as: 'foreign' })).all('Name'), [], 'it is not theirs');
    await remove();
  });

  it('is asked about every object of a batch', async () => {
    await policy('bucket', { Action: 's3:DeleteObject', Resource: 'arn:aws:s3:::bucket/open/*' });
    await s3.send('PUT', '/bucket/open/gone', { body: 'x' });
    const keys = ['open/gone', 'secret/a', 'open/never'];
    const body = `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`;
    const got = await s3.send('POST', '/bucket', { as: 'anonymous', query: { delete: '' }, ...digested(body) });
    assert.deepEqual([got.status, got.all('Deleted').length, got.all('Error').length], [200, 2, 1]);
    assert.deepEqual([got.xml('Code'), got.xml('Message')], ['AccessDenied', 'Access Denied']);
    assert.match(got.all('Error')[0] ?? '', /<Key>secret\/a<\/Key>/);
    await remove();
  });

  it('GHSA-mx42, GHSA-wfxj: is asked of the source of a copy and of its destination', async () => {
    const copy = (from: string) =>
      s3.send('PUT', '/scoped/copied', { as: 'scoped', headers: { 'x-amz-copy-source': from } });
    await policy('bucket', {
      Action: 's3:GetObject',
      Principal: { AWS: user('scoped') },
      Resource: 'arn:aws:s3:::bucket/open/*',
    });
    assert.equal((await copy('/bucket/open/a')).status, 200);
    assert.equal((await copy('/bucket/secret/a')).code, 'AccessDenied');
    assert.equal((await copy('/bucket/open/a?versionId=null')).code, 'AccessDenied', 'GHSA-3ppv: another action');
    await policy('scoped', { Effect: 'Deny', Action: 's3:PutObject', Principal: { AWS: user('scoped') } });
    assert.equal((await copy('/bucket/open/a')).code, 'AccessDenied');
    await remove('scoped');
    // The tags of the source go along only to who may read them.
    await s3.send('PUT', '/bucket/open/tagged', { body: 'x', headers: { 'x-amz-tagging': 'a=b' } });
    assert.equal((await copy('/bucket/open/tagged')).code, 'AccessDenied');
    await policy('bucket', { Action: ['s3:GetObject', 's3:GetObjectTagging'], Principal: { AWS: user('scoped') } });
    assert.equal((await copy('/bucket/open/tagged')).status, 200);
    await remove();
  });

  it('is asked about all that a request needs, whoever may everything besides', async () => {
    const tagging = { headers: { 'x-amz-tagging': 'class=secret' } };
    for (const as of ['readwrite', 'root'] as const) {
      await policy('bucket', { Effect: 'Deny', Action: ['s3:PutObjectTagging', 's3:GetObjectVersion'] });
      assert.equal(await statusOf('PUT', '/bucket/needs', { as, body: 'x' }), 200);
      assert.equal(await statusOf('PUT', '/bucket/needs', { as, body: 'x', ...tagging }), 403);
      assert.equal(await statusOf('GET', '/bucket/needs', { as }), 200);
      assert.equal(await statusOf('GET', '/bucket/needs', { as, query: { versionId: 'null' } }), 403);
      const secret = { StringEquals: { 's3:ExistingObjectTag/class': 'secret' } };
      await policy('bucket', { Effect: 'Deny', Action: 's3:GetObject', Condition: secret });
      assert.equal(await statusOf('GET', '/bucket/needs', { as }), 200);
      assert.equal(await statusOf('PUT', '/bucket/needs', { as, body: 'x', ...tagging }), 200);
      for (const method of ['GET', 'HEAD']) assert.equal(await statusOf(method, '/bucket/needs', { as }), 403, method);
    }
    await remove();
  });

  it('counts from the request after the one that set it, and what cannot be read denies everyone but the root', async () => {
    await policy('bucket', { Action: 's3:GetObject' });
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'anonymous' }), 200);
    for (const bytes of [
      Buffer.from('{'),
      Buffer.from([0xff, 0xfe]),
      Buffer.alloc(0),
      Buffer.from('{"Statement":[]}'),
    ]) {
      await fake.service.configure('bucket', 'policy', bytes);
      for (const as of ['anonymous', 'readwrite', 'readonly', 'root', 'foreign'] as const)
        assert.equal(await statusOf('GET', '/bucket/open/a', { as }), 403, as);
      assert.equal((await s3.send('DELETE', '/bucket', { as: 'readwrite', query: { policy: '' } })).status, 403);
      assert.equal((await remove()).status, 204);
      assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'readwrite' }), 200);
    }
  });
});

describe('public access', () => {
  const block = (name: string) =>
    s3.send('PUT', '/bucket', {
      query: { publicAccessBlock: '' },
      ...digested(`<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`),
    });
  const unblock = () => s3.send('DELETE', '/bucket', { query: { publicAccessBlock: '' } });

  it('is told by GetBucketPolicyStatus', async () => {
    const status = async (...rules: Rule[]) => {
      await policy('bucket', ...rules);
      return (await s3.send('GET', '/bucket', { query: { policyStatus: '' } })).xml('IsPublic');
    };
    assert.equal(await status({ Action: 's3:GetObject' }), 'true');
    assert.equal(await status({ Action: 's3:GetObject', Principal: { AWS: '123456789012' } }), 'false');
    assert.equal(
      await status({ Action: 's3:GetObject', Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }),
      'false',
    );
    await remove();
  });

  it('BlockPublicPolicy refuses policies that are public, and leaves what is there', async () => {
    await policy('bucket', { Action: 's3:GetObject' });
    assert.equal((await block('BlockPublicPolicy')).status, 200);
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'anonymous' }), 200);
    const refused = await put('bucket', documentOf('bucket', { Action: 's3:GetObject' }));
    assert.deepEqual([refused.status, refused.code], [403, 'AccessDenied']);
    assert.equal(
      (await put('bucket', documentOf('bucket', { Action: 's3:*', Principal: { AWS: user('scoped') } }))).status,
      204,
    );
    await unblock();
    await remove();
  });

  it('RestrictPublicBuckets keeps a bucket with a public policy to its account', async () => {
    await policy('bucket', { Action: 's3:GetObject' }, { Action: 's3:GetObject', Principal: { AWS: '123456789012' } });
    assert.equal((await block('RestrictPublicBuckets')).status, 200);
    for (const as of ['anonymous', 'foreign'] as const)
      assert.equal(await statusOf('GET', '/bucket/open/a', { as }), 403, as);
    for (const as of ['scoped', 'readonly', 'root'] as const)
      assert.equal(await statusOf('GET', '/bucket/open/a', { as }), 200, as);
    await policy('bucket', { Action: 's3:GetObject', Principal: { AWS: '123456789012' } });
    assert.equal(await statusOf('GET', '/bucket/open/a', { as: 'foreign' }), 200, 'not public: not restricted');
    await fake.service.configure('bucket', 'publicAccessBlock', Buffer.from('<Broken'));
    await policy('bucket', { Action: 's3:GetObject', Principal: { AWS: '123456789012' } });
    const refused = await put('bucket', documentOf('bucket', { Action: 's3:GetObject' }));
    assert.equal(refused.code, 'AccessDenied', 'unreadable: everything is blocked');
    await unblock();
    await remove();
  });
});
