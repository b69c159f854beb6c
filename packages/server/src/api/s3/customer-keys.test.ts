/* Keys that the customer sends with each request (SSE-C), over the real store. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { S3Call } from './call.ts';
import { customerKeyOf } from './customer-keys.ts';
import { type Harness, ok, says, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

const MiB = 1024 ** 2;
const target = 'x-amz-server-side-encryption-customer';
const source = 'x-amz-copy-source-server-side-encryption-customer';
const md5 = (bytes: Uint8Array | string) => createHash('md5').update(bytes).digest('base64');
const [mine, other] = [randomBytes(32), randomBytes(32)];

function withKey(key: Buffer, prefix = target): Record<string, string> {
  return {
    [`${prefix}-algorithm`]: 'AES256',
    [`${prefix}-key`]: key.toString('base64'),
    [`${prefix}-key-md5`]: md5(key),
  };
}

let store: MemoryStore;
let s3: Harness;
before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  for (const bucket of ['one', 'two']) assert.equal((await s3.send('PUT', `/${bucket}`)).status, 200);
});
after(async () => {
  await s3.close();
  await store.close();
});

const put = (path: string, body: Buffer | string, headers: Record<string, string> = {}) =>
  s3.send('PUT', path, { body, headers });
const get = (path: string, headers: Record<string, string> = {}) => s3.send('GET', path, { headers });
const copy = (from: string, to: string, headers: Record<string, string> = {}) =>
  s3.send('PUT', to, { headers: { 'x-amz-copy-source': from, ...headers } });
const missing = /correct parameters must be provided/;
const notApplicable = /not applicable to this object/;

describe('an object with the key of a customer', () => {
  for (const size of [0, 1, 4096, 65_537, 9 * MiB + 5])
    it(`of ${size} bytes is read with that key, whole and in ranges, and in no other way`, async () => {
      const body = randomBytes(size);
      const path = `/one/size-${size}`;
      const made = ok(await put(path, body, withKey(mine)));
      for (const { headers } of [made, await get(path, withKey(mine))]) {
        assert.equal(headers['x-amz-server-side-encryption'], undefined);
        assert.deepEqual([headers[`${target}-algorithm`], headers[`${target}-key-md5`]], ['AES256', md5(mine)]);
      }
      // Twice: the second time from the cache, where there is one.
      for (let time = 0; time < 2; time++) {
        assert.ok((await get(path, withKey(mine))).body.equals(body));
        if (size > 10) {
          const part = await get(path, { ...withKey(mine), range: `bytes=5-${size - 3}` });
          assert.ok(part.status === 206 && part.body.equals(body.subarray(5, size - 2)));
        }
        says(await get(path), 400, 'InvalidRequest', missing);
        says(await get(path, withKey(other)), 403, 'AccessDenied', /not the one that the object was stored with/);
        says(await get(path, { range: 'bytes=0-0' }), 400, 'InvalidRequest', missing);
      }
      assert.equal((await s3.send('HEAD', path)).status, 400);
      assert.equal((await s3.send('HEAD', path, { headers: withKey(other) })).status, 403);
      const head = await s3.send('HEAD', path, { headers: withKey(mine) });
      assert.deepEqual([head.status, head.headers['content-length']], [200, String(size)]);
      const attributes = { 'x-amz-object-attributes': 'ObjectSize' };
      const about = (headers: Record<string, string>) =>
        s3.send('GET', path, { query: { attributes: '' }, headers: { ...attributes, ...headers } });
      says(await about({}), 400, 'InvalidRequest', missing);
      assert.equal((await about(withKey(mine))).xml('ObjectSize'), String(size));
    });

  it('is listed, tagged and deleted without it', async () => {
    ok(await put('/two/listed', 'bytes', withKey(mine)));
    const listed = await s3.send('GET', '/two', { query: { 'list-type': '2' } });
    assert.deepEqual(listed.all('Key'), ['listed']);
    const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    ok(await s3.send('PUT', '/two/listed', { query: { tagging: '' }, body: tags }));
    assert.equal((await s3.send('GET', '/two/listed', { query: { tagging: '' } })).xml('Value'), 'b');
    assert.equal((await get('/two/listed', withKey(mine))).text, 'bytes');
    ok(await s3.send('DELETE', '/two/listed'));
  });

  it('takes no key where it was stored without one', async () => {
    ok(await put('/one/plain', 'bytes'));
    says(await get('/one/plain', withKey(mine)), 400, 'InvalidRequest', notApplicable);
    says(await copy('/one/plain', '/one/copied', withKey(mine, source)), 400, 'InvalidRequest', notApplicable);
  });

  it('is not told apart from another by who knows only the key of the bucket: what is kept opens nothing', async () => {
    ok(await put('/one/kept', 'bytes', withKey(mine)));
    const read = await store.objects.read({
      bucket: 'one',
      key: Buffer.from('kept'),
      versionId: undefined,
      guard: undefined,
      customerKey: mine,
    });
    const { wrappedKey, encryption } = read.version;
    assert.deepEqual(encryption, { kind: 'customer' });
    assert.equal(wrappedKey.includes(mine.subarray(0, 8)), false);
  });
});

describe('a request with the key of a customer', () => {
  it('is refused where it says it wrong', async () => {
    const good = withKey(mine);
    const without = (name: string) => {
      const { [`${target}-${name}`]: _, ...others } = good;
      return others;
    };
    const cases: readonly (readonly [Record<string, string>, string, RegExp])[] = [
      [without('algorithm'), 'InvalidArgument', /valid encryption algorithm/],
      [without('key'), 'InvalidArgument', /appropriate secret key/],
      [without('key-md5'), 'InvalidArgument', /client calculated MD5/],
      [{ ...good, [`${target}-algorithm`]: 'AES128' }, 'InvalidEncryptionAlgorithmError', /AES256/],
      [{ ...good, [`${target}-key`]: 'c2hvcnQ=' }, 'InvalidArgument', /invalid for the specified algorithm/],
      [{ ...good, [`${target}-key`]: `!${mine.toString('base64')}` }, 'InvalidArgument', /invalid for the specified/],
      [{ ...good, [`${target}-key-md5`]: md5(other) }, 'InvalidArgument', /did not match the hash/],
      [{ ...good, [`${target}-key-md5`]: 'x' }, 'InvalidArgument', /did not match the hash/],
      [{ ...good, 'x-amz-server-side-encryption': 'AES256' }, 'InvalidArgument', /incompatible/],
    ];
    for (const [headers, code, message] of cases) {
      says(await put('/one/wrong', 'x', headers), 400, code, message);
      says(await s3.send('POST', '/one/wrong', { query: { uploads: '' }, headers }), 400, code, message);
      if (headers['x-amz-server-side-encryption'] === undefined)
        says(await get('/one/kept', headers), 400, code, message);
      assert.ok(!(await put('/one/wrong', 'x', headers)).text.includes(mine.toString('base64')));
    }
    says(await get('/one/wrong'), 404, 'NoSuchKey');
  });

  it('is refused from another machine without TLS, unless the operator says that a proxy has it from TLS', () => {
    const of = (remoteAddress: string, customerKeysOverHttp: boolean, secure = false) => {
      const request = { headers: withKey(mine) };
      const connection = { address: remoteAddress, secure };
      const service = { objects: {}, customerKeysOverHttp };
      return customerKeyOf({ headers: withKey(mine), exchange: { request, connection }, service } as unknown as S3Call);
    };
    for (const address of ['10.0.0.1', '::ffff:10.127.0.1', '2001:db8::1', '1::1', '128.0.0.1']) {
      assert.throws(() => of(address, false), /must be made over a secure connection/);
      assert.ok(of(address, true)?.equals(mine));
      assert.ok(of(address, false, true)?.equals(mine), 'over TLS');
    }
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.2']) assert.ok(of(address, false)?.equals(mine));
  });

  it('is refused in a URL', async () => {
    const query = withKey(mine);
    says(await s3.send('GET', '/one/kept', { query, as: 'presigned' }), 400, 'InvalidRequest', /sent in a header/);
  });

  it('is refused where the bucket takes none', async () => {
    const rule =
      '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>';
    ok(await s3.send('PUT', '/blocked'));
    ok(await put('/blocked/before', 'bytes', withKey(mine)));
    ok(
      await s3.send('PUT', '/blocked', {
        query: { encryption: '' },
        body: rule,
        headers: { 'content-md5': md5(rule) },
      }),
    );
    says(await put('/blocked/k', 'x', withKey(mine)), 403, 'AccessDenied', /BlockedEncryptionTypes/);
    says(await s3.send('POST', '/blocked/k', { query: { uploads: '' }, headers: withKey(mine) }), 403, 'AccessDenied');
    says(await copy('/one/plain', '/blocked/k', withKey(mine)), 403, 'AccessDenied');
    assert.equal((await get('/blocked/before', withKey(mine))).text, 'bytes');
  });

  it('is refused by a server that does not encrypt', async () => {
    const plain = await startHarness({ ...store.objects, plain: true }, { position: store.position });
    ok(await put('/one/sealed', 'bytes', withKey(mine)));
    says(await plain.send('PUT', '/one/k', { body: 'x', headers: withKey(mine) }), 501, 'NotImplemented');
    const copied = { 'x-amz-copy-source': '/one/plain', ...withKey(mine) };
    says(await plain.send('PUT', '/one/k', { headers: copied }), 501, 'NotImplemented');
    const uploadId = ok(await s3.send('POST', '/one/k', { query: { uploads: '' }, headers: withKey(mine) })).xml(
      'UploadId',
    )!;
    const part = { query: { uploadId, partNumber: '1' }, body: 'x', headers: withKey(mine) };
    says(await plain.send('PUT', '/one/k', part), 501, 'NotImplemented');
    // What is there already is read either way.
    assert.equal((await plain.send('GET', '/one/sealed', { headers: withKey(mine) })).text, 'bytes');
    await plain.close();
  });
});

describe('copies with keys of customers', () => {
  const small = randomBytes(100);
  const large = randomBytes(3 * MiB);
  const kinds = [undefined, mine, other] as const;
  for (const [from, fromKey] of kinds.entries())
    for (const [to, toKey] of kinds.entries())
      for (const [bucket, body] of [
        ['one', small],
        ['two', large],
      ] as const)
        it(`from ${from} to ${to} of ${body.length} bytes`, async () => {
          const at = `${bucket}-${from}-${to}`;
          ok(await put(`/one/from-${at}`, body, fromKey && withKey(fromKey)));
          const headers = { ...(fromKey && withKey(fromKey, source)), ...(toKey && withKey(toKey)) };
          const made = ok(await copy(`/one/from-${at}`, `/${bucket}/to-${at}`, headers));
          assert.equal(made.headers[`${target}-key-md5`], toKey && md5(toKey));
          assert.equal(made.headers['x-amz-server-side-encryption'], toKey ? undefined : 'AES256');
          const got = await get(`/${bucket}/to-${at}`, toKey && withKey(toKey));
          assert.ok(got.body.equals(body), got.text.slice(0, 300));
          ok(await s3.send('DELETE', `/one/from-${at}`));
          assert.ok((await get(`/${bucket}/to-${at}`, toKey && withKey(toKey))).body.equals(body));
          if (toKey) says(await get(`/${bucket}/to-${at}`), 400, 'InvalidRequest', missing);
        });

  it('need the key of their source, which is not that of their target', async () => {
    ok(await put('/one/s', 'bytes', withKey(mine)));
    says(await copy('/one/s', '/one/t'), 400, 'InvalidRequest', missing);
    says(await copy('/one/s', '/one/t', withKey(mine)), 400, 'InvalidRequest', missing);
    says(await copy('/one/s', '/one/t', withKey(other, source)), 403, 'AccessDenied');
    // Onto itself: with another key, or without one, it changes.
    ok(await copy('/one/s', '/one/s', { ...withKey(mine, source), ...withKey(other) }));
    assert.equal((await get('/one/s', withKey(other))).text, 'bytes');
    says(await get('/one/s', withKey(mine)), 403, 'AccessDenied');
  });
});

describe('an upload with the key of a customer', () => {
  const begin = async (headers: Record<string, string> = {}) => {
    const begun = ok(await s3.send('POST', '/one/upload', { query: { uploads: '' }, headers }));
    assert.equal(begun.headers[`${target}-key-md5`], headers[`${target}-key-md5`]);
    return begun.xml('UploadId')!;
  };
  const part = (uploadId: string, number: number, body: Buffer, headers: Record<string, string> = {}) =>
    s3.send('PUT', '/one/upload', { query: { uploadId, partNumber: String(number) }, body, headers });

  it('takes parts with that key only, and becomes an object of it', async () => {
    const parts = [randomBytes(5 * MiB), randomBytes(5 * MiB), randomBytes(17)];
    const uploadId = await begin(withKey(mine));
    says(await part(uploadId, 1, parts[0]!), 400, 'InvalidRequest', /Subsequent part requests must include/);
    says(await part(uploadId, 1, parts[0]!, withKey(other)), 400, 'InvalidRequest', /did not match the ones used/);
    ok(await put('/one/second', parts[1]!, withKey(other)));
    const sent = [
      ok(await part(uploadId, 1, parts[0]!, withKey(mine))).headers.etag,
      ok(
        await s3.send('PUT', '/one/upload', {
          query: { uploadId, partNumber: '2' },
          headers: { 'x-amz-copy-source': '/one/second', ...withKey(other, source), ...withKey(mine) },
        }),
      ).xml('ETag'),
      ok(await part(uploadId, 3, parts[2]!, withKey(mine))).headers.etag,
    ];
    const wrongly = { 'x-amz-copy-source': '/one/second', ...withKey(other, source) };
    says(
      await s3.send('PUT', '/one/upload', { query: { uploadId, partNumber: '4' }, headers: wrongly }),
      400,
      'InvalidRequest',
      /Subsequent part requests must include/,
    );
    const list = sent.map(
      (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag as string}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
    ok(await s3.send('POST', '/one/upload', { query: { uploadId }, body }));
    const got = await get('/one/upload', withKey(mine));
    assert.ok(got.body.equals(Buffer.concat(parts)));
    const ranged = await get('/one/upload', { ...withKey(mine), range: `bytes=${5 * MiB - 3}-${5 * MiB + 2}` });
    assert.ok(ranged.body.equals(Buffer.concat([parts[0]!.subarray(-3), parts[1]!.subarray(0, 3)])));
    says(await get('/one/upload'), 400, 'InvalidRequest', missing);
  });

  it('of another kind takes none', async () => {
    const uploadId = await begin();
    says(await part(uploadId, 1, Buffer.from('x'), withKey(mine)), 400, 'InvalidRequest', /did not request encryption/);
  });
});

describe('an append to an object with the key of a customer', () => {
  it('needs that key, and its bytes are of it', async () => {
    const append = (offset: number, body: string, headers: Record<string, string> = {}) =>
      put('/one/appended', body, { 'x-amz-write-offset-bytes': String(offset), ...headers });
    ok(await append(0, 'first ', withKey(mine)));
    says(await append(6, 'second'), 400, 'InvalidRequest', missing);
    says(await append(6, 'second', withKey(other)), 403, 'AccessDenied');
    ok(await append(6, 'second', withKey(mine)));
    assert.equal((await get('/one/appended', withKey(mine))).text, 'first second');
    says(await get('/one/appended'), 400, 'InvalidRequest', missing);
  });
});
