/* Configurations of a bucket that say one thing or a few: what is taken, what is answered, and what is refused. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { corsForm } from './configurations/cors.ts';
import { type ConfigurationForm, documentOf } from './configurations/form.ts';
import { lifecycleForm } from './configurations/lifecycle.ts';
import {
  accelerateForm,
  encryptionForm,
  ownershipForm,
  publicAccessBlockForm,
  requestPaymentForm,
} from './configurations/simple.ts';
import { type Answer, serveFake, startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';
import { parseXml } from './xml/parser.ts';

const { s3, fake } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'other', 'with.dot']) await harness.send('PUT', `/${bucket}`);
});

const md5 = (body: string) => createHash('md5').update(body).digest('base64');
const put = (name: string, body: string, bucket = 'bucket'): Promise<Answer> =>
  s3.send('PUT', `/${bucket}`, { query: { [name]: '' }, body, headers: { 'content-md5': md5(body) } });
const get = (name: string, bucket = 'bucket') => s3.send('GET', `/${bucket}`, { query: { [name]: '' } });
const remove = (name: string, bucket = 'bucket') => s3.send('DELETE', `/${bucket}`, { query: { [name]: '' } });

const encryption = (inner: string, more = '') =>
  `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>${inner}</ApplyServerSideEncryptionByDefault>${more}</Rule></ServerSideEncryptionConfiguration>`;
const aes = '<SSEAlgorithm>AES256</SSEAlgorithm>';
const ownership = (value: string) =>
  `<OwnershipControls><Rule><ObjectOwnership>${value}</ObjectOwnership></Rule></OwnershipControls>`;
const payer = (value: string) => `<RequestPaymentConfiguration><Payer>${value}</Payer></RequestPaymentConfiguration>`;
const accelerate = (value: string) => `<AccelerateConfiguration><Status>${value}</Status></AccelerateConfiguration>`;
const block = (inner: string) => `<PublicAccessBlockConfiguration>${inner}</PublicAccessBlockConfiguration>`;

/** Query, whether AWS wants a digest, and a document that is right. */
const kinds = [
  ['encryption', true, encryption(aes)],
  ['requestPayment', true, payer('Requester')],
  ['accelerate', false, accelerate('Enabled')],
  ['ownershipControls', true, ownership('BucketOwnerEnforced')],
  ['publicAccessBlock', true, block('<BlockPublicAcls>true</BlockPublicAcls>')],
] as const;

for (const [name, digest, right] of kinds) {
  describe(`the configuration ${name}`, () => {
    it('is taken, and only for a bucket that is there, from who may write', async () => {
      const done = await put(name, right);
      assert.deepEqual([done.status, done.body.length], [200, 0], done.text);
      assert.equal((await put(name, right, 'missing')).code, 'NoSuchBucket');
      assert.equal((await get(name, 'missing')).code, 'NoSuchBucket');
      for (const as of ['anonymous', 'readonly', 'scoped'] as const)
        assert.equal(
          (await s3.send('PUT', '/bucket', { query: { [name]: '' }, body: right, as })).code,
          'AccessDenied',
        );
      assert.equal((await s3.send('GET', '/bucket', { query: { [name]: '' }, as: 'anonymous' })).code, 'AccessDenied');
    });

    it(`is ${digest ? 'refused' : 'taken'} without a digest, and refused with a wrong one`, async () => {
      const bare = await s3.send('PUT', '/bucket', { query: { [name]: '' }, body: right });
      assert.equal(bare.code, digest ? 'InvalidRequest' : undefined);
      const wrong = { 'content-md5': md5('other') };
      assert.equal(
        (await s3.send('PUT', '/bucket', { query: { [name]: '' }, body: right, headers: wrong })).code,
        'BadDigest',
      );
    });

    it('is refused malformed, of another kind, with an unknown element, twice, empty and too long', async () => {
      const root = /^<(\w+)>/.exec(right)![1]!;
      const twice = right.replace(
        /^<\w+>(.*)<\/\w+>$/,
        (_whole, inner: string) => `<${root}>${inner}${inner}</${root}>`,
      );
      const cases = [right.slice(0, -2), '<Other/>', `<${root}><Other/></${root}>`, twice, 'text', '{}'];
      for (const body of cases) {
        const got = await put(name, body);
        assert.deepEqual([got.status, got.code], [400, 'MalformedXML'], body);
      }
      assert.equal((await put(name, '')).code, 'MissingRequestBodyError');
      const long = `<${root}>${'<!-- long -->'.repeat(1000)}</${root}>`;
      const got = await put(name, long);
      assert.deepEqual([got.status, got.code], [400, 'MaxMessageLengthExceeded']);
    });

    it('refuses words that are not among its own', async () => {
      const odd = right.replace(/AES256|Requester|Enabled|BucketOwnerEnforced|true/, 'Perhaps');
      assert.deepEqual([(await put(name, odd)).status, (await put(name, odd)).code], [400, 'MalformedXML']);
    });
  });
}

describe('default encryption', () => {
  it('is AES256 from the start, after it was put, and after it was deleted', async () => {
    assert.equal((await get('encryption', 'other')).xml('SSEAlgorithm'), 'AES256');
    const blocked = '<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>';
    assert.equal(
      (await put('encryption', encryption(aes, `<BucketKeyEnabled>true</BucketKeyEnabled>${blocked}`))).status,
      200,
    );
    const got = await get('encryption');
    assert.deepEqual(
      [got.xml('SSEAlgorithm'), got.xml('BucketKeyEnabled'), got.xml('EncryptionType')],
      ['AES256', 'true', 'SSE-C'],
    );
    assert.equal((await remove('encryption')).status, 204);
    assert.deepEqual(
      [(await get('encryption')).xml('SSEAlgorithm'), (await get('encryption')).xml('BucketKeyEnabled')],
      ['AES256', 'false'],
    );
  });

  it('with aws:fsx is refused by name, and a named key goes with no other', async () => {
    for (const algorithm of ['aws:fsx']) {
      const got = await put('encryption', encryption(`<SSEAlgorithm>${algorithm}</SSEAlgorithm>`));
      assert.deepEqual([got.status, got.code], [501, 'NotImplemented']);
      assert.ok(got.xml('Message')!.includes(algorithm));
    }
    const key = '<KMSMasterKeyID>k</KMSMasterKeyID>';
    assert.equal((await put('encryption', encryption(aes + key))).code, 'InvalidArgument');
  });

  it('is said in the answers to writes and reads of objects', async () => {
    const written = await s3.send('PUT', '/bucket/k', { body: 'x' });
    const copy = await s3.send('PUT', '/bucket/copy', { headers: { 'x-amz-copy-source': '/bucket/k' } });
    const started = await s3.send('POST', '/bucket/parts', { query: { uploads: '' } });
    const query = { uploadId: started.xml('UploadId')!, partNumber: '1' };
    const part = await s3.send('PUT', '/bucket/parts', { query, body: 'x' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    const completed = await s3.send('POST', '/bucket/parts', { query: { uploadId: query.uploadId }, body });
    const [read, head] = [await s3.send('GET', '/bucket/k'), await s3.send('HEAD', '/bucket/k')];
    for (const { status, headers } of [written, copy, started, part, completed, read, head])
      assert.deepEqual([status, headers['x-amz-server-side-encryption']], [200, 'AES256']);
  });

  it('is neither promised nor claimed by a server that does not encrypt', async () => {
    const { service } = fakeObjects();
    const plain = await startHarness({ ...service, plain: true });
    await plain.send('PUT', '/bucket');
    const headers = { 'content-md5': md5(encryption(aes)) };
    const refused = await plain.send('PUT', '/bucket', { query: { encryption: '' }, body: encryption(aes), headers });
    assert.deepEqual([refused.status, refused.code], [501, 'NotImplemented']);
    const got = await plain.send('GET', '/bucket', { query: { encryption: '' } });
    assert.deepEqual([got.status, got.code], [404, 'ServerSideEncryptionConfigurationNotFoundError']);
    await plain.close();
  });
});

describe('who pays', () => {
  it('is the owner of the bucket, until somebody else is put', async () => {
    assert.equal((await get('requestPayment', 'other')).xml('Payer'), 'BucketOwner');
    for (const value of ['Requester', 'BucketOwner']) {
      await put('requestPayment', payer(value));
      assert.equal((await get('requestPayment')).xml('Payer'), value);
    }
  });

  it('is answered to somebody else who offers to pay, and to nobody who does not', async () => {
    await s3.send('PUT', '/bucket/k', { body: 'x' });
    const offer = { 'x-amz-request-payer': 'requester' };
    const charged = async (headers: Record<string, string> = offer) =>
      (await s3.send('GET', '/bucket/k', { headers })).headers['x-amz-request-charged'];
    await put('requestPayment', payer('Requester'));
    assert.equal(await charged(), undefined, 'the owner pays for himself');
    const mine = fake.service.bucket('bucket');
    await fake.service.updateBucket('bucket', { owner: 'somebody' } as never);
    assert.equal(await charged(), 'requester');
    assert.equal(await charged({}), undefined);
    await put('requestPayment', payer('BucketOwner'));
    assert.equal(await charged(), undefined);
    await fake.service.updateBucket('bucket', { owner: mine.owner } as never);
    const odd = await s3.send('GET', '/bucket/k', { headers: { 'x-amz-request-payer': 'me' } });
    assert.deepEqual([odd.status, odd.code], [400, 'InvalidArgument']);
  });
});

describe('acceleration', () => {
  it('is unset at first, then what was put, and never for a name with a dot', async () => {
    assert.equal((await get('accelerate', 'other')).xml('Status'), undefined);
    for (const value of ['Enabled', 'Suspended']) {
      assert.equal((await put('accelerate', accelerate(value))).status, 200);
      assert.equal((await get('accelerate')).xml('Status'), value);
    }
    const got = await put('accelerate', accelerate('Enabled'), 'with.dot');
    assert.deepEqual([got.status, got.code], [400, 'InvalidRequest']);
  });
});

describe('ownership', () => {
  it('is enforced from the start, can be taken away and put again', async () => {
    assert.equal((await get('ownershipControls', 'other')).xml('ObjectOwnership'), 'BucketOwnerEnforced');
    assert.deepEqual(
      [(await remove('ownershipControls')).status, (await remove('ownershipControls')).status],
      [204, 204],
    );
    const none = await get('ownershipControls');
    assert.deepEqual(
      [none.status, none.code, none.xml('BucketName')],
      [404, 'OwnershipControlsNotFoundError', 'bucket'],
    );
    await put('ownershipControls', ownership('BucketOwnerEnforced'));
    assert.equal((await get('ownershipControls')).xml('ObjectOwnership'), 'BucketOwnerEnforced');
  });

  it('may be that of the writers, and is one of three', async () => {
    for (const value of ['BucketOwnerPreferred', 'ObjectWriter', 'BucketOwnerEnforced']) {
      assert.equal((await put('ownershipControls', ownership(value))).status, 200, value);
      assert.equal((await get('ownershipControls')).xml('ObjectOwnership'), value);
    }
    assert.equal((await put('ownershipControls', ownership('Nobody'))).code, 'MalformedXML');
  });

  it('that is expected is compared, on every operation of a bucket or object, and of the source of a copy', async () => {
    await s3.send('PUT', '/bucket/k', { body: 'x' });
    const wrong = { 'x-amz-expected-bucket-owner': '999999999999' };
    const right = { 'x-amz-expected-bucket-owner': '000000000000' };
    for (const [method, path, query] of [
      ['GET', '/bucket/k', {}],
      ['PUT', '/bucket/k', {}],
      ['GET', '/bucket', { cors: '' }],
      ['DELETE', '/bucket', { publicAccessBlock: '' }],
      ['GET', '/bucket', { encryption: '' }],
      ['DELETE', '/bucket/k', {}],
    ] as const) {
      const got = await s3.send(method, path, { query, headers: wrong });
      assert.deepEqual([got.status, got.code], [403, 'AccessDenied'], `${method} ${path}`);
    }
    assert.equal((await s3.send('GET', '/bucket/k', { headers: right })).status, 200);
    const source = { 'x-amz-copy-source': '/bucket/k', 'x-amz-source-expected-bucket-owner': '999999999999' };
    assert.equal((await s3.send('PUT', '/bucket/copy', { headers: source })).code, 'AccessDenied');
  });

  it('that is expected must be an account, here and for the source of a copy', async () => {
    for (const named of ['somebody', '', '99999999999', '9999999999999', 'a'.repeat(64)])
      for (const headers of [
        { 'x-amz-expected-bucket-owner': named },
        { 'x-amz-copy-source': '/bucket/k', 'x-amz-source-expected-bucket-owner': named },
      ]) {
        const got = await s3.send('PUT', '/bucket/copy', { headers });
        assert.deepEqual([got.status, got.code], [400, 'InvalidBucketOwnerAWSAccountID'], named);
      }
  });
});

describe('the block of public access', () => {
  it('says true or false of four things, false of what was left out', async () => {
    const none = await get('publicAccessBlock', 'other');
    assert.deepEqual([none.status, none.code], [404, 'NoSuchPublicAccessBlockConfiguration']);
    await put(
      'publicAccessBlock',
      block('<BlockPublicAcls>true</BlockPublicAcls><RestrictPublicBuckets>TRUE</RestrictPublicBuckets>'),
    );
    const got = await get('publicAccessBlock');
    assert.deepEqual(
      ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'].map((name) =>
        got.xml(name),
      ),
      ['true', 'false', 'false', 'true'],
    );
    assert.equal((await remove('publicAccessBlock')).status, 204);
    assert.equal((await get('publicAccessBlock')).code, 'NoSuchPublicAccessBlockConfiguration');
  });
});

describe('every form', () => {
  const forms: readonly ConfigurationForm<unknown>[] = [
    corsForm,
    encryptionForm,
    requestPaymentForm,
    accelerateForm,
    ownershipForm,
    publicAccessBlockForm,
    lifecycleForm,
  ] as never;
  const names = ['Rule', 'Status', 'Payer', 'ObjectOwnership', 'SSEAlgorithm', 'BucketKeyEnabled', 'BlockPublicAcls'];
  const words = [
    'true',
    'AES256',
    'Enabled',
    'Requester',
    'BucketOwnerEnforced',
    '',
    'ApplyServerSideEncryptionByDefault',
  ];
  const tree: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(...words.slice(0, -1)),
      fc
        .tuple(fc.constantFrom(...names, words.at(-1)!), fc.array(tie('node'), { maxLength: 2 }))
        .map(([name, inner]) => `<${name}>${inner.join('')}</${name}>`),
    ),
  })).node;

  it('takes a document and keeps what reads the same, or refuses it with a code', () => {
    fc.assert(
      fc.property(fc.constantFrom(...forms), fc.array(tree, { maxLength: 3 }), (form, inner) => {
        let value: unknown;
        try {
          value = form.parse(parseXml(Buffer.from(`<${form.root}>${inner.join('')}</${form.root}>`)));
        } catch (error) {
          assert.ok(error instanceof StoreError, `${error}`);
          return;
        }
        assert.deepEqual(form.parse(parseXml(documentOf(form, value))), value);
      }),
      { numRuns: 1000 },
    );
  });
});
