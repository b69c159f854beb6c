/* UpdateObjectEncryption over the real store: another key for what is there, and not one byte of it written. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { KmsKeyRecord } from '../../metadata/index.ts';
import { kmsKeyArn } from '../../objects/index.ts';
import { type Harness, ok, type Send, says, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

const MiB = 1024 ** 2;
const sse = 'x-amz-server-side-encryption';
const md5 = (bytes: Uint8Array | string) => createHash('md5').update(bytes).digest('base64');

let store: MemoryStore;
let s3: Harness;
let one: KmsKeyRecord;
let two: KmsKeyRecord;
before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  one = await store.objects.kms.create('one');
  two = await store.objects.kms.create('two');
  ok(await s3.send('PUT', '/plain'));
  ok(await s3.send('PUT', '/locking', { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } }));
});
after(async () => {
  await s3.close();
  await store.close();
});

const arnOf = (key: KmsKeyRecord) => kmsKeyArn(store.objects.bucket('plain').region, key.id);
const named = (key: KmsKeyRecord, more: Record<string, string> = {}) => ({
  [sse]: 'aws:kms',
  [`${sse}-aws-kms-key-id`]: key.id,
  ...more,
});
const put = (path: string, body: Buffer | string, headers: Record<string, string> = {}) =>
  s3.send('PUT', path, { body, headers: { 'content-md5': md5(body), ...headers } });
const get = (path: string, query: Record<string, string> = {}) => s3.send('GET', path, { query });
const form = (inner: string) =>
  `<ObjectEncryption xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ObjectEncryption>`;
const kms = (arn: string, more = '') => form(`<SSE-KMS><KMSKeyArn>${arn}</KMSKeyArn>${more}</SSE-KMS>`);
const update = (path: string, body: string, { query = {}, headers = {}, ...more }: Send = {}) =>
  s3.send('PUT', path, {
    ...more,
    query: { encryption: '', ...query },
    body,
    headers: { 'content-md5': md5(body), ...headers },
  });
const give = (path: string, key: KmsKeyRecord, more: Send = {}) => update(path, kms(arnOf(key)), more);
const versionOf = (bucket: string, key: string) =>
  store.objects.look({ bucket, key: Buffer.from(key), versionId: undefined }).version;
const whileDisabled = (key: KmsKeyRecord, run: () => Promise<void>) => store.whileDisabled(key, run);

describe('UpdateObjectEncryption', () => {
  for (const size of [0, 100, 3 * MiB])
    it(`gives an object of ${size} bytes another key, and leaves everything else`, async () => {
      const path = `/plain/size-${size}`;
      const body = randomBytes(size);
      ok(await put(path, body, { 'x-amz-tagging': 'a=b', 'x-amz-meta-m': 'v' }));
      const first = versionOf('plain', `size-${size}`);
      for (const [key, other] of [
        [one, two],
        [two, one],
      ] as const) {
        const answer = ok(await update(path, kms(arnOf(key), '<BucketKeyEnabled>true</BucketKeyEnabled>')));
        assert.equal(answer.text, '');
        const { wrappedKey: _, encryption, ...now } = versionOf('plain', `size-${size}`);
        const { wrappedKey: __, encryption: ___, ...was } = first;
        assert.deepEqual(now, was);
        assert.ok(encryption?.kind === 'kms' && encryption.key === key.id && encryption.bucketKey);
        await whileDisabled(other, async () => {
          const got = ok(await get(path));
          assert.ok(got.body.equals(body));
          assert.deepEqual(
            [got.headers[sse], got.headers[`${sse}-aws-kms-key-id`], got.headers[`${sse}-bucket-key-enabled`]],
            ['aws:kms', arnOf(key), 'true'],
          );
        });
        await whileDisabled(key, async () => says(await get(path), 400, 'KMS.DisabledException'));
      }
    });

  it('moves an object to the newest version of its key, and takes its context away', async () => {
    const context = Buffer.from('{"a":"b"}').toString('base64');
    ok(await put('/plain/rotated', 'bytes', named(one, { [`${sse}-context`]: context })));
    await store.objects.kms.rotate(one.id);
    ok(await give('/plain/rotated', one));
    const { encryption } = versionOf('plain', 'rotated');
    assert.ok(encryption?.kind === 'kms' && encryption.version === 2 && encryption.context.length === 0);
    assert.equal(encryption.bucketKey, false);
    assert.equal((await get('/plain/rotated')).text, 'bytes');
  });

  it('leaves copies that share the bytes, and appends go on with the new key', async () => {
    const body = randomBytes(MiB);
    ok(await put('/plain/source', body));
    ok(await s3.send('PUT', '/plain/copy', { headers: { 'x-amz-copy-source': '/plain/source' } }));
    ok(await give('/plain/source', one));
    ok(await put('/plain/source', '+', { 'x-amz-write-offset-bytes': String(MiB) }));
    await whileDisabled(one, async () => {
      assert.ok((await get('/plain/copy')).body.equals(body));
      says(await get('/plain/source'), 400, 'KMS.DisabledException');
    });
    assert.ok((await get('/plain/source')).body.equals(Buffer.concat([body, Buffer.from('+')])));
  });

  it('loses nothing of what others do at the same moment', async () => {
    ok(await put('/plain/busy', '0'));
    const work = Array.from({ length: 24 }, (_, i) =>
      i % 3 === 0 ? put('/plain/busy', `${i}`) : give('/plain/busy', i % 3 === 1 ? one : two),
    );
    for (const answer of await Promise.all(work)) assert.ok(answer.status === 200 || answer.status === 409);
    ok(await give('/plain/busy', two));
    assert.match((await get('/plain/busy')).text, /^\d+$/);
    const { wrappedKey, encryption } = versionOf('plain', 'busy');
    assert.ok(encryption?.kind === 'kms');
    // Nor is the key of one object ever put in the place of that of another.
    const { id } = store.objects.bucket('plain');
    const command = { type: 'object.rewrap', bucket: id, key: Buffer.from('busy'), version: undefined } as const;
    for (const before of [randomBytes(60), Buffer.alloc(0)])
      await assert.rejects(store.metadata.propose({ ...command, before, wrappedKey, encryption }), {
        code: 'ConditionalRequestConflict',
      });
  });

  it('is about the version that is named, and about no marker', async () => {
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    ok(await s3.send('PUT', '/versions'));
    ok(await s3.send('PUT', '/versions', { query: { versioning: '' }, body, headers: { 'content-md5': md5(body) } }));
    const ids = [];
    for (const text of ['a', 'b']) ids.push(ok(await put('/versions/k', text)).headers['x-amz-version-id'] as string);
    const [older, newer] = ids as [string, string];
    ok(await give('/versions/k', one, { query: { versionId: older } }));
    const shown = async (versionId: string) => (await get('/versions/k', { versionId })).headers[sse];
    assert.deepEqual([await shown(older), await shown(newer)], ['aws:kms', 'AES256']);
    ok(await give('/versions/k', two));
    assert.deepEqual([await shown(older), await shown(newer)], ['aws:kms', 'aws:kms']);
    const marker = ok(await s3.send('DELETE', '/versions/k')).headers['x-amz-version-id'] as string;
    says(await give('/versions/k', one), 404, 'NoSuchKey');
    says(await give('/versions/k', one, { query: { versionId: marker } }), 405, 'MethodNotAllowed');
    says(await give('/versions/k', one, { query: { versionId: 'x' } }), 400, 'InvalidArgument');
    says(await give('/versions/nobody', one), 404, 'NoSuchKey');
    says(await give('/nowhere/k', one), 404, 'NoSuchBucket');
    assert.equal((await get('/versions/k', { versionId: newer })).text, 'b');
  });

  it('is refused for what is locked, whoever asks', async () => {
    const until = { 'x-amz-object-lock-retain-until-date': new Date(Date.now() + 86_400_000).toISOString() };
    const locks: readonly Record<string, string>[] = [
      { 'x-amz-object-lock-mode': 'GOVERNANCE', ...until },
      { 'x-amz-object-lock-mode': 'COMPLIANCE', ...until },
      { 'x-amz-object-lock-legal-hold': 'ON' },
    ];
    for (const lock of locks) {
      ok(await put('/locking/k', 'bytes', lock));
      const headers = { 'x-amz-bypass-governance-retention': 'true' };
      says(await give('/locking/k', one, { headers }), 403, 'AccessDenied', /protected by S3 Object Lock/);
    }
    ok(await put('/locking/free', 'bytes'));
    ok(await give('/locking/free', one));
  });

  it('is refused for keys that cannot be used, and for what has no key of the server', async () => {
    ok(await put('/plain/k', 'bytes', named(one)));
    await whileDisabled(one, async () => says(await give('/plain/k', two), 400, 'KMS.DisabledException'));
    await whileDisabled(two, async () => says(await give('/plain/k', two), 400, 'KMS.DisabledException'));
    const unknown = arnOf(one).replace(one.id, '00000000-0000-4000-8000-000000000000');
    says(await update('/plain/k', kms(unknown)), 400, 'KMS.NotFoundException');
    ok(await put('/plain/dsse', 'bytes', { ...named(one), [sse]: 'aws:kms:dsse' }));
    says(await give('/plain/dsse', two), 400, 'InvalidRequest', /DSSE-KMS or SSE-C/);
    const secret = randomBytes(32);
    const customers = {
      [`${sse}-customer-algorithm`]: 'AES256',
      [`${sse}-customer-key`]: secret.toString('base64'),
      [`${sse}-customer-key-md5`]: md5(secret),
    };
    ok(await put('/plain/customers', 'bytes', customers));
    says(await give('/plain/customers', two), 400, 'InvalidRequest', /DSSE-KMS or SSE-C/);
    assert.equal((await get('/plain/k')).headers[`${sse}-aws-kms-key-id`], arnOf(one));
  });

  it('is refused for what is not encrypted', async () => {
    const plain = await openMemoryStore(true);
    const server = await startHarness(plain.objects, { position: plain.position });
    ok(await server.send('PUT', '/plain'));
    ok(await server.send('PUT', '/plain/k', { body: 'bytes' }));
    const body = kms(arnOf(one));
    const asked = { query: { encryption: '' }, body, headers: { 'content-md5': md5(body) } };
    says(await server.send('PUT', '/plain/k', asked), 400, 'InvalidRequest', /unencrypted source objects/);
    await server.close();
    await plain.close();
  });

  it('is refused where it is said wrong, in the words of AWS', async () => {
    ok(await put('/plain/k', 'bytes'));
    const arn = arnOf(one);
    const cases: readonly (readonly [string, string, RegExp])[] = [
      [form(''), 'InvalidRequest', /valid new encryption type/],
      [form('<SSE-S3/>'), 'InvalidRequest', /valid new encryption type/],
      [form('<Other/>'), 'InvalidRequest', /valid new encryption type/],
      [form('<DSSE-KMS/>'), 'InvalidRequest', /to DSSE-KMS or SSE-C/],
      [form('<SSE-C/>'), 'InvalidRequest', /to DSSE-KMS or SSE-C/],
      [form('<SSE-KMS/>'), 'InvalidRequest', /require an AWS KMS key/],
      [kms(''), 'InvalidRequest', /require an AWS KMS key/],
      ...[one.id, 'alias/one', arn.replace(`key/${one.id}`, 'alias/one'), arn.replace(':kms:', ':s3:'), `x${arn}`].map(
        (text) => [kms(text), 'InvalidRequest', /correctly formatted/] as const,
      ),
      [kms(arn, '<BucketKeyEnabled>maybe</BucketKeyEnabled>'), 'InvalidRequest', /BucketKeyEnabled/],
      [kms(arn, '<Other>x</Other>'), 'MalformedXML', /./],
      [form(`<SSE-KMS><KMSKeyArn>${arn}</KMSKeyArn></SSE-KMS><SSE-S3/>`), 'InvalidRequest', /valid new/],
      ['<Other/>', 'MalformedXML', /./],
      ['<ObjectEncryption>', 'MalformedXML', /./],
      ['', 'MissingRequestBodyError', /./],
    ];
    for (const [body, code, message] of cases) says(await update('/plain/k', body), 400, code, message);
    const body = kms(arn);
    says(await s3.send('PUT', '/plain/k', { query: { encryption: '' }, body }), 400, 'InvalidRequest', /Content-MD5/);
    says(await update('/plain/k', body, { headers: { 'content-md5': md5('x') } }), 400, 'BadDigest');
    says(await update('/plain/k', body, { as: 'readonly' }), 403, 'AccessDenied');
    says(await update('/plain/k', body, { as: 'anonymous' }), 403, 'AccessDenied');
    const everyone =
      '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::open/*"}}';
    ok(await s3.send('PUT', '/open'));
    ok(
      await s3.send('PUT', '/open', {
        query: { policy: '' },
        body: everyone,
        headers: { 'content-md5': md5(everyone) },
      }),
    );
    ok(await put('/open/k', 'bytes'));
    says(await update('/open/k', body, { as: 'anonymous' }), 400, 'InvalidRequest', /Signature Version 4/);
    assert.equal((await get('/plain/k')).headers[sse], 'AES256');
  });
});
