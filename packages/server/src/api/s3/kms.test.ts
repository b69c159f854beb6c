/* Named keys (SSE-KMS), over the real store. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { KmsKeyRecord } from '../../metadata/index.ts';
import { kmsKeyArn } from '../../objects/index.ts';
import { type Answer, type Harness, ok, says, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

const MiB = 1024 ** 2;
const sse = 'x-amz-server-side-encryption';
const md5 = (bytes: Uint8Array | string) => createHash('md5').update(bytes).digest('base64');
const context = (pairs: unknown) => Buffer.from(JSON.stringify(pairs)).toString('base64');

let store: MemoryStore;
let s3: Harness;
let region: string;
let payroll: KmsKeyRecord;
let other: KmsKeyRecord;
before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  for (const bucket of ['one', 'two']) assert.equal((await s3.send('PUT', `/${bucket}`)).status, 200);
  ({ region } = store.objects.bucket('one'));
  payroll = await store.objects.kms.create('payroll');
  other = await store.objects.kms.create('team/other');
});
after(async () => {
  await s3.close();
  await store.close();
});

const withKey = (key?: string, more: Record<string, string> = {}): Record<string, string> => ({
  [sse]: 'aws:kms',
  ...(key !== undefined && { [`${sse}-aws-kms-key-id`]: key }),
  ...more,
});
const put = (path: string, body: Buffer | string, headers: Record<string, string> = {}) =>
  s3.send('PUT', path, { body, headers });
const get = (path: string, headers: Record<string, string> = {}) => s3.send('GET', path, { headers });
const copy = (from: string, to: string, headers: Record<string, string> = {}) =>
  s3.send('PUT', to, { headers: { 'x-amz-copy-source': from, ...headers } });
const saysKey = ({ headers }: Answer, key: KmsKeyRecord | undefined, algorithm = 'aws:kms') =>
  assert.deepEqual(
    [headers[sse], headers[`${sse}-aws-kms-key-id`]],
    key ? [algorithm, kmsKeyArn(region, key.id)] : ['AES256', undefined],
  );
const versionOf = (bucket: string, key: string) =>
  store.objects.look({ bucket, key: Buffer.from(key), versionId: undefined }).version;
const configure = (bucket: string, byDefault: string, more = '') => {
  const body = `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>${byDefault}</ApplyServerSideEncryptionByDefault>${more}</Rule></ServerSideEncryptionConfiguration>`;
  return s3.send('PUT', `/${bucket}`, { query: { encryption: '' }, body, headers: { 'content-md5': md5(body) } });
};
const whileDisabled = (key: KmsKeyRecord, run: () => Promise<void>) => store.whileDisabled(key, run);

describe('an object with a named key', () => {
  for (const size of [0, 1, 4096, 65_537, 9 * MiB + 5])
    it(`of ${size} bytes is read while the key is enabled`, async () => {
      const body = randomBytes(size);
      const path = `/one/size-${size}`;
      saysKey(ok(await put(path, body, withKey(payroll.id))), payroll);
      for (let time = 0; time < 2; time++) {
        const got = ok(await get(path));
        saysKey(got, payroll);
        assert.ok(got.body.equals(body));
      }
      await whileDisabled(payroll, async () => {
        says(await get(path), 400, 'KMS.DisabledException', /disabled/);
        if (size > 0) says(await get(path, { range: 'bytes=0-0' }), 400, 'KMS.DisabledException');
        says(await put(`${path}-new`, body, withKey(payroll.id)), 400, 'KMS.DisabledException');
        says(await copy(path, `${path}-copy`), 400, 'KMS.DisabledException');
        // What is said of it is no secret of the key's; its checksum is, as with AWS.
        const head = await s3.send('HEAD', path);
        assert.deepEqual([head.status, head.headers['content-length']], [200, String(size)]);
        saysKey(head, payroll);
        assert.equal((await s3.send('HEAD', path, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })).status, 400);
      });
      assert.ok((await get(path)).body.equals(body));
    });

  it('is named by id, ARN and alias, and by nothing else', async () => {
    const arn = kmsKeyArn(region, payroll.id);
    const names = [payroll.id, arn, 'alias/payroll', arn.replace(`key/${payroll.id}`, 'alias/payroll')];
    for (const name of names) saysKey(ok(await put('/one/named', 'x', withKey(name))), payroll);
    const wrong = [
      'payroll',
      'alias/nobody',
      'x'.repeat(3000),
      'alias/',
      'xalias/aws/s3',
      'arn:aws:kms:nowhere-1:000000000000:alias/aws/s3',
      randomBytes(16).toString('hex'),
      arn.replace(payroll.id, 'alias/payroll'),
      arn.replace(`:${region}:`, ':nowhere-1:'),
      arn.replace('000000000000', '000000000001'),
      `${payroll.id}/`,
      '\u00e9',
    ];
    for (const name of wrong)
      says(await put('/one/wrong', 'x', withKey(name)), 400, 'KMS.NotFoundException', /dsom kms/);
    says(await get('/one/wrong'), 404, 'NoSuchKey');
  });

  it('has the key aws/s3 where none is named, made once however many ask at once', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, (_, i) => put(`/one/default-${i}`, 'x', withKey())));
    const used = new Set(made.map((answer) => ok(answer).headers[`${sse}-aws-kms-key-id`]));
    const key = store.objects.kms.list().filter(({ name }) => name === 'aws/s3');
    assert.deepEqual([[...used], key.length], [[kmsKeyArn(region, key[0]!.id)], 1]);
    saysKey(ok(await put('/one/default', 'x', withKey('alias/aws/s3'))), key[0]);
  });

  it('keeps what the request says: the second algorithm, the bucket key, the context', async () => {
    const said = { [`${sse}-bucket-key-enabled`]: 'true', [`${sse}-context`]: context({ a: 'b' }) };
    const made = ok(await put('/one/said', 'bytes', { ...withKey(payroll.id, said), [sse]: 'aws:kms:dsse' }));
    saysKey(made, payroll, 'aws:kms:dsse');
    assert.equal(made.headers[`${sse}-context`], context({ a: 'b' }));
    const got = ok(await get('/one/said'));
    saysKey(got, payroll, 'aws:kms:dsse');
    assert.equal(got.headers[`${sse}-bucket-key-enabled`], 'true');
    assert.equal(got.headers[`${sse}-context`], undefined);
    assert.equal(got.text, 'bytes');
  });

  it('opens with the bucket key, the named key, its version, algorithm and context together, and with nothing less', async () => {
    ok(await put('/one/sealed', 'bytes', withKey(payroll.id, { [`${sse}-context`]: context({ a: 'b' }) })));
    const { wrappedKey, encryption } = versionOf('one', 'sealed');
    assert.ok(encryption?.kind === 'kms');
    const { bucketKeys, kmsKeys } = await import('../../keys/index.ts');
    const { realHost } = await import('../../host/index.ts');
    const { entropy } = realHost();
    const { name, wrappedKey: wrapped } = store.objects.bucket('one');
    const bucket = await bucketKeys(store.keyring, entropy).open(name, wrapped);
    const named = kmsKeys(store.keyring, entropy);
    const key = await named.open(payroll.id, 1, payroll.versions[0]!);
    const bound = (text: string, algorithm = 'aws:kms') => Buffer.from(`${algorithm}\0${text}`);
    const good = bound('{"a":"b"}');
    assert.equal(bucket.withKmsKey(key, good).unwrapObjectKey(wrappedKey).length, 32);
    const denied = { code: 'AccessDenied' };
    assert.throws(() => bucket.unwrapObjectKey(wrappedKey), denied);
    assert.throws(() => bucket.withCustomerKey(key.key).unwrapObjectKey(wrappedKey), denied);
    for (const wrong of [bound(''), bound('{"a":"c"}'), bound('{"a":"b"}', 'aws:kms:dsse')])
      assert.throws(() => bucket.withKmsKey(key, wrong).unwrapObjectKey(wrappedKey), denied);
    const another = await named.open(other.id, 1, other.versions[0]!);
    for (const wrong of [another, { ...key, version: 2 }, { ...key, id: other.id }, { ...key, key: another.key }])
      assert.throws(() => bucket.withKmsKey(wrong, good).unwrapObjectKey(wrappedKey), denied);
    const otherBucket = store.objects.bucket('two');
    const two = await bucketKeys(store.keyring, entropy).open('two', otherBucket.wrappedKey);
    assert.throws(() => two.withKmsKey(key, good).unwrapObjectKey(wrappedKey), denied);
    // Versions of named keys are bound to their key and number.
    await assert.rejects(named.open(payroll.id, 2, payroll.versions[0]!), denied);
    await assert.rejects(named.open(other.id, 1, payroll.versions[0]!), denied);
  });

  it('is listed, tagged and deleted while the key is disabled', async () => {
    ok(await put('/two/listed', 'bytes', withKey(other.id)));
    await whileDisabled(other, async () => {
      const listed = await s3.send('GET', '/two', { query: { 'list-type': '2' } });
      assert.deepEqual(listed.all('Key'), ['listed']);
      const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
      ok(await s3.send('PUT', '/two/listed', { query: { tagging: '' }, body: tags }));
    });
    assert.equal((await get('/two/listed')).text, 'bytes');
    ok(await s3.send('DELETE', '/two/listed'));
  });

  it('takes no key of a customer', async () => {
    const key = randomBytes(32);
    const customers = {
      [`${sse}-customer-algorithm`]: 'AES256',
      [`${sse}-customer-key`]: key.toString('base64'),
      [`${sse}-customer-key-md5`]: md5(key),
    };
    ok(await put('/one/not-customers', 'x', withKey(payroll.id)));
    says(await get('/one/not-customers', customers), 400, 'InvalidRequest', /not applicable/);
    says(await put('/one/both', 'x', withKey(payroll.id, customers)), 400, 'InvalidArgument', /incompatible/);
  });
});

describe('a rotated key', () => {
  it('wraps with its newest version, and opens what each has wrapped', async () => {
    const key = await store.objects.kms.create('rotated');
    for (let version = 1; version <= 4; version++) {
      ok(await put(`/one/rotated-${version}`, `v${version}`, withKey('alias/rotated')));
      const { encryption } = versionOf('one', `rotated-${version}`);
      assert.equal(encryption?.kind === 'kms' && encryption.version, version);
      assert.equal((await store.objects.kms.rotate('alias/rotated')).versions.length, version + 1);
      for (let old = 1; old <= version; old++) assert.equal((await get(`/one/rotated-${old}`)).text, `v${old}`);
    }
    // An append goes on with the version that the object has.
    ok(await put('/one/rotated-1', '+', { 'x-amz-write-offset-bytes': '2' }));
    assert.equal((await get('/one/rotated-1')).text, 'v1+');
    await whileDisabled(key, async () => {
      const more = { 'x-amz-write-offset-bytes': '3' };
      says(await put('/one/rotated-1', '+', more), 400, 'KMS.DisabledException');
    });
  });
});

describe('a request that names a key', () => {
  it('is refused where it says it wrong', async () => {
    const contextHeader = `${sse}-context`;
    const cases: readonly (readonly [Record<string, string>, number, string, RegExp])[] = [
      [{ [`${sse}-aws-kms-key-id`]: payroll.id }, 400, 'InvalidArgument', /requires HTTP header/],
      [{ ...withKey(payroll.id), [sse]: 'AES256' }, 400, 'InvalidArgument', /requires HTTP header/],
      [{ [contextHeader]: context({}) }, 400, 'InvalidArgument', /requires HTTP header/],
      [{ ...withKey(payroll.id), [sse]: 'aws:other' }, 400, 'InvalidEncryptionAlgorithmError', /./],
      [{ ...withKey(payroll.id), [sse]: 'aws:fsx' }, 501, 'NotImplemented', /aws:fsx/],
      [withKey(''), 400, 'InvalidArgument', /names a key/],
      [withKey(payroll.id, { [`${sse}-bucket-key-enabled`]: 'maybe' }), 400, 'InvalidArgument', /true or false/],
      ...[
        'x',
        context([]),
        context('a'),
        context(null),
        context({ a: 1 }),
        '!!',
        Buffer.from([0x7b, 0xff]).toString('base64'),
      ].map(
        (text) =>
          [withKey(payroll.id, { [contextHeader]: text }), 400, 'InvalidArgument', /string-string map/] as const,
      ),
      [withKey(payroll.id, { [contextHeader]: context({ a: 'b'.repeat(1100) }) }), 400, 'InvalidArgument', /at most/],
    ];
    for (const [headers, status, code, message] of cases) {
      says(await put('/one/wrong', 'x', headers), status, code, message);
      says(await s3.send('POST', '/one/wrong', { query: { uploads: '' }, headers }), status, code, message);
      says(await copy('/one/named', '/one/wrong', headers), status, code, message);
    }
    says(await get('/one/wrong'), 404, 'NoSuchKey');
  });

  it('is refused where it makes no object', async () => {
    const begun = ok(await s3.send('POST', '/one/no-parts', { query: { uploads: '' }, headers: withKey(payroll.id) }));
    const part = { uploadId: begun.xml('UploadId')!, partNumber: '1' };
    const named = withKey(payroll.id);
    for (const headers of [
      named,
      { [`${sse}-aws-kms-key-id`]: payroll.id },
      { [`${sse}-context`]: context({}) },
      { [`${sse}-bucket-key-enabled`]: 'true' },
    ]) {
      const wrong = [400, 'InvalidArgument', /^x-amz-server-side-encryption.* header is not supported/] as const;
      says(await s3.send('PUT', '/three', { headers }), ...wrong);
      says(await s3.send('PUT', '/one/no-parts', { query: part, headers, body: 'x' }), ...wrong);
      const copied = { ...headers, 'x-amz-copy-source': '/one/named' };
      says(await s3.send('PUT', '/one/no-parts', { query: part, headers: copied }), ...wrong);
    }
  });
});

describe('copies between keys', () => {
  const kinds = { none: () => undefined, payroll: () => payroll, other: () => other };
  for (const [from, fromKey] of Object.entries(kinds))
    for (const [to, toKey] of Object.entries(kinds))
      for (const size of [100, 3 * MiB])
        it(`from ${from} to ${to} of ${size} bytes`, async () => {
          const body = randomBytes(size);
          const source = `/one/from-${from}-${to}-${size}`;
          ok(await put(source, body, fromKey() && withKey(fromKey()!.id)));
          const target = `/two/to-${from}-${to}-${size}`;
          saysKey(ok(await copy(source, target, toKey() ? withKey(toKey()!.id) : {})), toKey());
          ok(await s3.send('DELETE', source));
          const got = ok(await get(target));
          saysKey(got, toKey());
          assert.ok(got.body.equals(body));
          // It needs its own key, and that of the source no more.
          const [before, now] = [fromKey(), toKey()];
          if (before && before !== now) await whileDisabled(before, async () => void ok(await get(target)));
          if (now) await whileDisabled(now, async () => says(await get(target), 400, 'KMS.DisabledException'));
        });

  it('onto itself change it, with a key and without', async () => {
    ok(await put('/one/self', 'bytes', withKey(payroll.id)));
    saysKey(ok(await copy('/one/self', '/one/self', withKey(other.id))), other);
    assert.equal((await get('/one/self')).text, 'bytes');
    saysKey(ok(await copy('/one/self', '/one/self', { [sse]: 'AES256' })), undefined);
    assert.equal((await get('/one/self')).text, 'bytes');
  });
});

describe('an upload with a named key', () => {
  it('becomes an object of it', async () => {
    const parts = [randomBytes(5 * MiB), randomBytes(5 * MiB), randomBytes(17)];
    const begun = ok(
      await s3.send('POST', '/one/upload', {
        query: { uploads: '' },
        headers: withKey('alias/payroll', { [`${sse}-bucket-key-enabled`]: 'true' }),
      }),
    );
    saysKey(begun, payroll);
    const uploadId = begun.xml('UploadId')!;
    ok(await put('/one/second', parts[1]!, withKey(other.id)));
    const send = (number: number, more: object) =>
      s3.send('PUT', '/one/upload', { query: { uploadId, partNumber: String(number) }, ...more });
    const first = ok(await send(1, { body: parts[0] }));
    const second = ok(await send(2, { headers: { 'x-amz-copy-source': '/one/second' } }));
    for (const answer of [first, second]) saysKey(answer, payroll);
    await whileDisabled(payroll, async () => says(await send(3, { body: parts[2] }), 400, 'KMS.DisabledException'));
    const third = ok(await send(3, { body: parts[2] }));
    const list = [first.headers.etag, second.xml('ETag'), third.headers.etag].map(
      (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag as string}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
    saysKey(ok(await s3.send('POST', '/one/upload', { query: { uploadId }, body })), payroll);
    const got = await get('/one/upload');
    assert.ok(got.body.equals(Buffer.concat(parts)));
    assert.equal(got.headers[`${sse}-bucket-key-enabled`], 'true');
    await whileDisabled(payroll, async () => says(await get('/one/upload'), 400, 'KMS.DisabledException'));
  });
});

describe('the default encryption of a bucket', () => {
  it('is a named key for all that do not say another', async () => {
    ok(await s3.send('PUT', '/by-default'));
    const named = '<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/payroll</KMSMasterKeyID>';
    ok(await configure('by-default', named, '<BucketKeyEnabled>true</BucketKeyEnabled>'));
    const shown = await s3.send('GET', '/by-default', { query: { encryption: '' } });
    assert.deepEqual([shown.xml('SSEAlgorithm'), shown.xml('KMSMasterKeyID')], ['aws:kms', 'alias/payroll']);
    const made = ok(await put('/by-default/k', 'bytes'));
    saysKey(made, payroll);
    assert.equal(made.headers[`${sse}-bucket-key-enabled`], 'true');
    assert.equal((await get('/by-default/k')).text, 'bytes');
    const without = ok(await put('/by-default/without', 'x', { [`${sse}-bucket-key-enabled`]: 'false' }));
    saysKey(without, payroll);
    assert.equal(without.headers[`${sse}-bucket-key-enabled`], undefined);
    saysKey(ok(await put('/by-default/aes', 'x', { [sse]: 'AES256' })), undefined);
    saysKey(ok(await put('/by-default/other', 'x', withKey(other.id))), other);
    saysKey(ok(await copy('/by-default/aes', '/by-default/copied')), payroll);
    saysKey(ok(await s3.send('POST', '/by-default/u', { query: { uploads: '' } })), payroll);
    // Whatever the protocol: here it is asked of the object service itself.
    const body = Buffer.from('x');
    const written = await store.objects.put({
      headers: {},
      metadata: [],
      tags: [],
      storageClass: 'STANDARD',
      bucket: 'by-default',
      key: Buffer.from('native'),
      owner: 'root',
      expected: {},
      guard: undefined,
      body: { whole: body, stream: (async function* () {})(), length: 1 },
      redundancy: undefined,
    });
    assert.equal(written.version.encryption?.kind === 'kms' && written.version.encryption.key, payroll.id);
    await whileDisabled(payroll, async () => says(await put('/by-default/k', 'x'), 400, 'KMS.DisabledException'));
    const plain = await startHarness({ ...store.objects, plain: true }, { position: store.position });
    says(await plain.send('PUT', '/by-default/k', { body: 'x', headers: withKey() }), 501, 'NotImplemented');
    await plain.close();
  });

  it('that names no key is the key aws/s3; one that is not there is found missing by the writes', async () => {
    ok(await s3.send('PUT', '/by-aws'));
    ok(await configure('by-aws', '<SSEAlgorithm>aws:kms</SSEAlgorithm>'));
    saysKey(
      ok(await put('/by-aws/k', 'x')),
      store.objects.kms.list().find(({ name }) => name === 'aws/s3'),
    );
    ok(await configure('by-aws', '<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/no</KMSMasterKeyID>'));
    says(await put('/by-aws/k', 'x'), 400, 'KMS.NotFoundException');
    for (const [wrong, code] of [
      ['<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID></KMSMasterKeyID>', 'MalformedXML'],
      ['<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>', 'InvalidArgument'],
      ['<SSEAlgorithm>aws:other</SSEAlgorithm>', 'MalformedXML'],
    ] as const)
      says(await configure('by-aws', wrong), 400, code);
    says(await configure('by-aws', '<SSEAlgorithm>aws:fsx</SSEAlgorithm>'), 501, 'NotImplemented');
  });
});

describe('named keys as an operator manages them', () => {
  it('have names that are free, and well formed', async () => {
    await assert.rejects(store.objects.kms.create('payroll'), { code: 'InvalidRequest' });
    for (const name of ['', 'a b', 'aws/mine', 'x'.repeat(65), 'alias:x'])
      await assert.rejects(async () => store.objects.kms.create(name), { code: 'InvalidArgument' });
    for (const act of [
      () => store.objects.kms.setState('alias/nobody', 'disabled'),
      () => store.objects.kms.rotate('nobody'),
    ])
      await assert.rejects(act(), { code: 'KMS.NotFoundException' });
  });
});
