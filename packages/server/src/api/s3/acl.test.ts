import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { canonicalIdOf, firstAccount } from '../../access/index.ts';
import { type Send, serveFake } from './harness.support.ts';

/* Access control lists, from the requests that set them to those that they decide. */

const ours = canonicalIdOf(firstAccount);
const theirs = canonicalIdOf('123456789012');
const { s3, fake } = await serveFake(async (harness) => {
  await harness.send('PUT', '/off');
  for (const [bucket, ownership] of [
    ['writer', 'ObjectWriter'],
    ['preferred', 'BucketOwnerPreferred'],
  ])
    await harness.send('PUT', `/${bucket}`, { headers: { 'x-amz-object-ownership': ownership! } });
});
const digested = (body: string): Send => ({ body, headers: { 'content-md5': hash('md5', body, 'base64') } });
const acl = { query: { acl: '' } };
const put = (path: string, headers: Record<string, string>, more: Send = {}) =>
  s3.send('PUT', path, { body: 'x', headers, ...more });
const status = async (method: string, path: string, more: Send = {}) => (await s3.send(method, path, more)).status;
const grant = (grantee: string, permission: string) =>
  `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${grantee}</Grantee><Permission>${permission}</Permission></Grant>`;
const documentOf = (...grants: string[]) =>
  `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>${ours}</ID></Owner><AccessControlList>${grants.join('')}</AccessControlList></AccessControlPolicy>`;
/** Permission and grantee of each grant. */
async function grantsOf(path: string, more: Send = {}): Promise<string[]> {
  const got = await s3.send('GET', path, { ...acl, ...more });
  assert.equal(got.status, 200, got.text);
  return got.all('Grant').map((one) => {
    const [, who = ''] = /<(?:ID|URI)>(?:[^<]*\/)?([^<]+)</.exec(one) ?? [];
    const [, permission = ''] = /<Permission>([^<]+)</.exec(one) ?? [];
    return `${permission} ${who === ours ? 'ours' : who === theirs ? 'theirs' : who}`;
  });
}

describe('with lists off', () => {
  it('the owner has everything, and what grants to others is refused', async () => {
    await put('/off/k', {});
    for (const path of ['/off', '/off/k']) {
      assert.deepEqual(await grantsOf(path), ['FULL_CONTROL ours']);
      for (const more of [{ headers: { 'x-amz-acl': 'private' } }, digested(documentOf())]) {
        const refused = await s3.send('PUT', path, { ...acl, ...more });
        assert.deepEqual([refused.status, refused.code], [400, 'AccessControlListNotSupported'], path);
      }
    }
    assert.equal((await put('/off/k', { 'x-amz-acl': 'public-read' })).code, 'AccessControlListNotSupported');
    assert.equal((await put('/off/k', { 'x-amz-grant-read': `id=${theirs}` })).code, 'AccessControlListNotSupported');
    for (const name of ['private', 'bucket-owner-full-control'])
      assert.equal((await put('/off/k', { 'x-amz-acl': name })).status, 200, name);
  });

  it('a bucket is not made with a list', async () => {
    const make = (headers: Record<string, string>) => s3.send('PUT', '/fresh', { headers });
    for (const headers of [
      { 'x-amz-acl': 'public-read' },
      { 'x-amz-acl': 'public-read', 'x-amz-object-ownership': 'BucketOwnerEnforced' },
    ])
      assert.equal((await make(headers as Record<string, string>)).code, 'InvalidBucketAclWithObjectOwnership');
    assert.equal((await make({ 'x-amz-object-ownership': 'Mine' })).code, 'InvalidArgument');
    assert.equal((await make({ 'x-amz-acl': 'nonsense' })).code, 'InvalidArgument');
    assert.equal((await s3.send('HEAD', '/fresh')).status, 404);
  });

  it('lists count no more, and come back with them', async () => {
    const ownership = (value: string) =>
      s3.send('PUT', '/writer', {
        query: { ownershipControls: '' },
        ...digested(`<OwnershipControls><Rule><ObjectOwnership>${value}</ObjectOwnership></Rule></OwnershipControls>`),
      });
    await put('/writer/seen', { 'x-amz-acl': 'public-read' });
    await s3.send('PUT', '/writer', { ...acl, headers: { 'x-amz-acl': 'public-read' } });
    assert.equal((await ownership('BucketOwnerEnforced')).code, 'InvalidBucketAclWithObjectOwnership');
    await s3.send('PUT', '/writer', { ...acl, headers: { 'x-amz-acl': 'private' } });
    assert.equal((await ownership('BucketOwnerEnforced')).status, 200);
    assert.equal(await status('GET', '/writer/seen', { as: 'anonymous' }), 403);
    assert.deepEqual(await grantsOf('/writer/seen'), ['FULL_CONTROL ours']);
    await s3.send('DELETE', '/writer', { query: { ownershipControls: '' } });
    assert.equal(await status('GET', '/writer/seen', { as: 'anonymous' }), 200, 'without controls lists count');
    assert.equal((await ownership('ObjectWriter')).status, 200);
  });
});

describe('a list', () => {
  it('is canned, in headers or in a document, in one of the three', async () => {
    await put('/writer/k', {});
    const groups = 'http://acs.amazonaws.com/groups/';
    for (const [name, onBucket, onObject] of [
      ['private', [], []],
      ['public-read', ['READ AllUsers'], ['READ AllUsers']],
      ['public-read-write', ['READ AllUsers', 'WRITE AllUsers'], ['READ AllUsers', 'WRITE AllUsers']],
      ['authenticated-read', ['READ AuthenticatedUsers'], ['READ AuthenticatedUsers']],
      ['bucket-owner-read', [], []],
      ['bucket-owner-full-control', [], []],
      [
        'log-delivery-write',
        ['WRITE LogDelivery', 'READ_ACP LogDelivery'],
        ['WRITE LogDelivery', 'READ_ACP LogDelivery'],
      ],
    ] as const)
      for (const [path, expected] of [
        ['/writer', onBucket],
        ['/writer/k', onObject],
      ] as const) {
        assert.equal(await status('PUT', path, { ...acl, headers: { 'x-amz-acl': name } }), 200, `${name} ${path}`);
        assert.deepEqual(await grantsOf(path), ['FULL_CONTROL ours', ...expected], `${name} ${path}`);
      }
    const headers = {
      'x-amz-grant-read': `id="${theirs}", uri="${groups}global/AllUsers"`,
      'x-amz-grant-write-acp': `id=${ours}`,
    };
    assert.equal(await status('PUT', '/writer/k', { ...acl, headers }), 200);
    assert.deepEqual(await grantsOf('/writer/k'), ['READ theirs', 'READ AllUsers', 'WRITE_ACP ours']);
    const document = documentOf(
      grant(`<ID>${theirs}</ID>`, 'FULL_CONTROL'),
      grant(`<URI>${groups}s3/LogDelivery</URI>`, 'READ'),
    );
    assert.equal(await status('PUT', '/writer/k', { ...acl, ...digested(document) }), 200);
    assert.deepEqual(await grantsOf('/writer/k'), ['FULL_CONTROL theirs', 'READ LogDelivery']);
    const got = await s3.send('GET', '/writer/k', acl);
    assert.equal(await status('PUT', '/writer/k', { ...acl, ...digested(got.text) }), 200, 'what is read can be put');
    await s3.send('PUT', '/writer', { ...acl, headers: { 'x-amz-acl': 'private' } });
  });

  it('is refused when it is not as documented', async () => {
    await put('/writer/k', {});
    const send = (more: Send) => s3.send('PUT', '/writer/k', { ...acl, ...more });
    const id = `<ID>${theirs}</ID>`;
    for (const [more, code] of [
      [{}, 'MissingSecurityHeader'],
      [{ headers: { 'x-amz-acl': 'nonsense' } }, 'InvalidArgument'],
      [{ headers: { 'x-amz-acl': 'private', 'x-amz-grant-read': `id=${theirs}` } }, 'InvalidRequest'],
      [{ body: documentOf(), headers: { 'x-amz-acl': 'private' } }, 'UnexpectedContent'],
      [{ headers: { 'x-amz-grant-read': 'id=12' } }, 'InvalidArgument'],
      [{ headers: { 'x-amz-grant-read': 'name=ann' } }, 'InvalidArgument'],
      [{ headers: { 'x-amz-grant-read': 'uri=http://example.com/' } }, 'InvalidArgument'],
      [{ headers: { 'x-amz-grant-read': 'emailAddress=ann@example.com' } }, 'UnresolvableGrantByEmailAddress'],
      [digested('<AccessControlPolicy'), 'MalformedXML'],
      [digested('<Other/>'), 'MalformedXML'],
      [digested('<AccessControlPolicy/>'), 'MalformedACLError'],
      [digested(documentOf().replace(/<Owner>.*<\/Owner>/, '')), 'MalformedACLError'],
      [digested(documentOf().replace(ours, theirs)), 'AccessDenied'],
      [digested(documentOf(grant(id, 'ALL'))), 'MalformedACLError'],
      [digested(documentOf(grant('', 'READ'))), 'MalformedACLError'],
      [digested(documentOf(grant('<ID>12</ID>', 'READ'))), 'InvalidArgument'],
      [digested(documentOf(grant(`${id}<URI>x</URI>`, 'READ'))), 'MalformedACLError'],
      [digested(documentOf(grant(id, 'READ').replace('Permission', 'Permit'))), 'MalformedXML'],
      [digested(documentOf('<Deny/>')), 'MalformedACLError'],
      [digested(documentOf(grant('<EmailAddress>a@b</EmailAddress>', 'READ'))), 'UnresolvableGrantByEmailAddress'],
      [digested(documentOf(...Array.from({ length: 101 }, () => grant(id, 'READ')))), 'MalformedACLError'],
    ] as const) {
      const refused = await send(more as Send);
      assert.equal(refused.code, code, `${JSON.stringify(more).slice(0, 300)} ${refused.text}`);
      assert.equal(refused.status, code === 'AccessDenied' ? 403 : 400);
    }
    assert.equal(
      (await s3.send('PUT', '/writer/none', { ...acl, headers: { 'x-amz-acl': 'private' } })).code,
      'NoSuchKey',
    );
    assert.equal(
      (await s3.send('PUT', '/missing', { ...acl, headers: { 'x-amz-acl': 'private' } })).code,
      'NoSuchBucket',
    );
    assert.deepEqual(await grantsOf('/writer/k'), ['FULL_CONTROL ours']);
  });
});

describe('what a list grants', () => {
  it('on an object: reading it, and reading and writing its list', async () => {
    for (const [permission, expected] of [
      ['READ', [200, 403, 403]],
      ['READ_ACP', [403, 200, 403]],
      ['WRITE_ACP', [403, 403, 200]],
      ['WRITE', [403, 403, 403]],
      ['FULL_CONTROL', [200, 200, 200]],
    ] as const) {
      await put('/writer/granted', {});
      const document = documentOf(grant(`<ID>${ours}</ID>`, 'FULL_CONTROL'), grant(`<ID>${theirs}</ID>`, permission));
      assert.equal(await status('PUT', '/writer/granted', { ...acl, ...digested(document) }), 200);
      const as = 'foreign' as const;
      const seen = [
        await status('GET', '/writer/granted', { as }),
        await status('GET', '/writer/granted', { as, ...acl }),
        await status('PUT', '/writer/granted', { as, ...acl, ...digested(document) }),
      ];
      assert.deepEqual(seen, expected, permission);
      assert.equal(await status('DELETE', '/writer/granted', { as }), 403, permission);
      assert.equal(await status('PUT', '/writer/granted', { as, body: 'y' }), 403, permission);
      assert.equal(await status('GET', '/writer/granted', { as: 'anonymous' }), 403, permission);
    }
  });

  it('on a bucket: listing, writing, and its list', async () => {
    const grantTo = (permission: string) =>
      s3.send('PUT', '/writer', {
        ...acl,
        headers: { [`x-amz-grant-${permission}`]: `id=${theirs}`, 'x-amz-grant-full-control': `id=${ours}` },
      });
    for (const [permission, expected] of [
      ['read', [200, 403, 403, 403]],
      ['write', [403, 200, 403, 403]],
      ['read-acp', [403, 403, 200, 403]],
      ['write-acp', [403, 403, 403, 400]],
    ] as const) {
      assert.equal((await grantTo(permission)).status, 200);
      const as = 'foreign' as const;
      const seen = [
        await status('GET', '/writer', { as }),
        await status('PUT', '/writer/foreign', { as, body: 'y' }),
        await status('GET', '/writer', { as, ...acl }),
        await status('PUT', '/writer', { as, ...acl, headers: { 'x-amz-acl': 'nonsense' } }),
      ];
      assert.deepEqual(seen, expected, permission);
      assert.equal(await status('GET', '/writer/seen', { as: 'readonly' }), 200);
      assert.equal((await s3.send('GET', '/writer', { as, query: { policy: '' } })).status, 403);
    }
    await s3.send('PUT', '/writer', { ...acl, headers: { 'x-amz-acl': 'private' } });
  });

  it('to everyone, and to everyone with an account', async () => {
    await put('/writer/public', { 'x-amz-acl': 'public-read' });
    await put('/writer/authenticated', { 'x-amz-acl': 'authenticated-read' });
    assert.equal((await s3.send('GET', '/writer/public', { as: 'anonymous' })).text, 'x');
    assert.equal(await status('HEAD', '/writer/public', { as: 'anonymous' }), 200);
    assert.equal(await status('GET', '/writer/authenticated', { as: 'anonymous' }), 403);
    for (const key of ['public', 'authenticated'])
      assert.equal(await status('GET', `/writer/${key}`, { as: 'foreign' }), 200, key);
    // A key whose scope does not reach the bucket: everyone may, and an account does not speak for its users.
    assert.equal(await status('GET', '/writer/public', { as: 'scoped' }), 200);
    assert.equal(await status('GET', '/writer/authenticated', { as: 'scoped' }), 403);
    for (const [method, query] of [
      ['GET', { tagging: '' }],
      ['GET', { acl: '' }],
      ['DELETE', {}],
      ['PUT', {}],
    ] as const)
      assert.equal(
        await status(method, '/writer/public', { as: 'anonymous', query }),
        403,
        `${method} ${JSON.stringify(query)}`,
      );
    await s3.send('PUT', '/writer', { ...acl, headers: { 'x-amz-acl': 'public-read-write' } });
    assert.equal(await status('PUT', '/writer/dropped', { as: 'anonymous', body: 'z' }), 200);
    assert.deepEqual(
      await grantsOf('/writer/dropped'),
      ['FULL_CONTROL ours'],
      "what nobody in particular writes is the bucket owner's",
    );
    assert.equal(await status('GET', '/writer', { as: 'anonymous' }), 200);
    await s3.send('PUT', '/writer', { ...acl, headers: { 'x-amz-acl': 'private' } });
  });

  it('does not go along with a copy, nor with what takes the place of the object', async () => {
    await put('/writer/public', { 'x-amz-acl': 'public-read' });
    await s3.send('PUT', '/writer/copy', { headers: { 'x-amz-copy-source': '/writer/public' } });
    assert.equal(await status('GET', '/writer/copy', { as: 'anonymous' }), 403);
    const headers = { 'x-amz-copy-source': '/writer/public', 'x-amz-acl': 'public-read' };
    await s3.send('PUT', '/writer/copy', { headers });
    assert.equal(await status('GET', '/writer/copy', { as: 'anonymous' }), 200);
    await put('/writer/copy', {});
    assert.equal(await status('GET', '/writer/copy', { as: 'anonymous' }), 403);
    const uploadId = (
      await s3.send('POST', '/writer/parts', { query: { uploads: '' }, headers: { 'x-amz-acl': 'nonsense' } })
    ).code;
    assert.equal(uploadId, 'InvalidArgument');
  });

  it('is that of the object that is read, also when another took its place meanwhile', async () => {
    const { read } = fake.service;
    for (const method of ['GET', 'HEAD']) {
      await put('/writer/racing', { 'x-amz-acl': 'public-read' });
      fake.service.read = async (request) => {
        await put('/writer/racing', {});
        return read(request);
      };
      try {
        assert.equal(await status(method, '/writer/racing', { as: 'anonymous' }), 403, method);
      } finally {
        fake.service.read = read;
      }
    }
  });

  it('cannot be read: nobody but the owner', async () => {
    await put('/writer/broken', { 'x-amz-acl': 'public-read' });
    for (const bytes of [
      '',
      '{',
      '{"v":2,"grants":[]}',
      '{"v":1,"grants":[["READ","Everyone"]]}',
      '{"v":1,"grants":[["ALL","AllUsers"]]}',
      'null',
    ]) {
      await fake.service.setAcl(
        { bucket: 'writer', key: Buffer.from('broken'), versionId: undefined, guard: undefined },
        Buffer.from(bytes),
      );
      await fake.service.configure('writer', 'acl', Buffer.from(bytes));
      for (const as of ['anonymous', 'foreign'] as const) {
        assert.equal(await status('GET', '/writer/broken', { as }), 403, bytes);
        assert.equal(await status('GET', '/writer', { as }), 403, bytes);
      }
      assert.equal(await status('GET', '/writer/broken'), 200, bytes);
    }
    await fake.service.configure('writer', 'acl', null);
  });
});

describe('whose an object is', () => {
  it("the writer's, unless he gives it to the owner of the bucket where that is preferred", async () => {
    for (const bucket of ['writer', 'preferred']) {
      await s3.send('PUT', `/${bucket}`, {
        ...acl,
        headers: { 'x-amz-grant-write': `id=${theirs}`, 'x-amz-grant-full-control': `id=${ours}` },
      });
      await put(`/${bucket}/theirs`, {}, { as: 'foreign' });
      assert.equal(await status('GET', `/${bucket}/theirs`, { as: 'foreign' }), 200);
      for (const as of ['root', 'readwrite', 'readonly'] as const)
        assert.equal(await status('GET', `/${bucket}/theirs`, { as }), 403, `${bucket} ${as}`);
      assert.equal(await status('GET', `/${bucket}/theirs`, acl), 403);
      const policy = JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` }],
      });
      await s3.send('PUT', `/${bucket}`, { query: { policy: '' }, body: policy });
      assert.equal(
        await status('GET', `/${bucket}/theirs`),
        403,
        "a policy does not give away what is not the bucket owner's",
      );
      assert.equal(await status('GET', `/${bucket}/theirs`, { as: 'anonymous' }), 403);
      await s3.send('PUT', `/${bucket}`, { query: { policy: '' }, body: policy.replace('Allow', 'Deny') });
      assert.equal(await status('GET', `/${bucket}/theirs`, { as: 'foreign' }), 403, 'but it denies');
      await s3.send('DELETE', `/${bucket}`, { query: { policy: '' } });
      await put(`/${bucket}/given`, { 'x-amz-acl': 'bucket-owner-full-control' }, { as: 'foreign' });
      assert.equal(await status('GET', `/${bucket}/given`), 200);
      assert.equal(await status('GET', `/${bucket}/given`, { as: 'foreign' }), bucket === 'writer' ? 200 : 403);
      assert.equal(
        await status('DELETE', `/${bucket}/theirs`),
        204,
        'the owner of the bucket may delete everything in it',
      );
      await s3.send('PUT', `/${bucket}`, { ...acl, headers: { 'x-amz-acl': 'private' } });
    }
  });

  it('public access to lists is blocked, or ignored', async () => {
    const block = (name: string) => {
      const body = `<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`;
      return s3.send('PUT', '/writer', { query: { publicAccessBlock: '' }, ...digested(body) });
    };
    await put('/writer/public', { 'x-amz-acl': 'public-read' });
    await block('BlockPublicAcls');
    for (const name of ['public-read', 'public-read-write', 'authenticated-read']) {
      assert.equal((await put('/writer/public', { 'x-amz-acl': name })).code, 'AccessDenied', name);
      for (const path of ['/writer', '/writer/public'])
        assert.equal(await status('PUT', path, { ...acl, headers: { 'x-amz-acl': name } }), 403, name);
    }
    assert.equal((await put('/writer/other', { 'x-amz-grant-read': `id=${theirs}` })).status, 200);
    assert.equal(await status('GET', '/writer/public', { as: 'anonymous' }), 200, 'what is there stays');
    await block('IgnorePublicAcls');
    assert.equal(await status('GET', '/writer/public', { as: 'anonymous' }), 403);
    assert.equal(await status('GET', '/writer/other', { as: 'foreign' }), 200);
    await s3.send('DELETE', '/writer', { query: { publicAccessBlock: '' } });
    assert.equal(await status('GET', '/writer/public', { as: 'anonymous' }), 200);
  });
});
