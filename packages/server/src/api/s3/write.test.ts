import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { type ChecksumAlgorithm, digestBytes, digestOf } from '../../codec/index.ts';
import { limits } from '../../limits.ts';
import { serveFake } from './harness.support.ts';

const body = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
const md5 = createHash('md5').update(body).digest('hex');

const { s3 } = await serveFake();

describe('what is refused by name', () => {
  const put = (headers: Record<string, string>) => s3.send('PUT', '/bucket/refused', { body, headers });
  const rows: readonly [Record<string, string>, number, string][] = [
    [{ 'x-amz-acl': 'private' }, 200, ''],
    [{ 'x-amz-acl': 'bucket-owner-full-control' }, 200, ''],
    [{ 'x-amz-acl': 'public-read' }, 400, 'AccessControlListNotSupported'],
    [{ 'x-amz-acl': 'nonsense' }, 400, 'InvalidArgument'],
    [{ 'x-amz-grant-read': `id=${'1'.repeat(64)}` }, 400, 'AccessControlListNotSupported'],
    [{ 'x-amz-server-side-encryption': 'AES256' }, 200, ''],
    [{ 'x-amz-server-side-encryption': 'aws:fsx' }, 501, 'NotImplemented'],
    [{ 'x-amz-server-side-encryption': 'rot13' }, 400, 'InvalidEncryptionAlgorithmError'],
    [{ 'x-amz-server-side-encryption-aws-kms-key-id': 'k' }, 400, 'InvalidArgument'],
    [{ 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }, 400, 'InvalidArgument'],
    [{ 'x-amz-object-lock-mode': 'GOVERNANCE' }, 400, 'InvalidArgument'],
    [{ 'x-amz-object-lock-legal-hold': 'ON' }, 400, 'InvalidRequest'],
    [{ 'x-amz-storage-class': 'GLACIER' }, 400, 'InvalidStorageClass'],
    [{ 'x-amz-website-redirect-location': 'ftp://x' }, 400, 'InvalidRedirectLocation'],
    [{ 'x-dsom-redundancy': '{"hot":{"copies":2},"cold":{"data":8,"parity":3},"afterIdle":"7d"}' }, 200, ''],
    [{ 'x-dsom-redundancy': 'copies=2/8+3/7d' }, 200, ''],
    [{ 'x-dsom-redundancy': 'copies=2/8+3/soon' }, 400, 'InvalidArgument'],
    [{ 'x-amz-storage-class': 'STANDARD_IA' }, 200, ''],
    [{ 'x-amz-storage-class': 'INTELLIGENT_TIERING' }, 400, 'InvalidStorageClass'],
    [{ 'x-dsom-redundancy': 'data=8,parity=3' }, 400, 'InvalidArgument'],
    [{ 'x-dsom-redundancy': '{"copies":"2"}' }, 400, 'InvalidArgument'],
    [{ 'x-dsom-redundancy': '{"copies":2,"data":2}' }, 400, 'InvalidArgument'],
    [{ 'x-dsom-redundancy': 'lots' }, 400, 'InvalidArgument'],
    [{ 'x-dsom-consistency': 'sometimes' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': 'a=1&a=2' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': '%zz=1' }, 400, 'InvalidArgument'],
    [{ 'x-amz-tagging': 'aws:x=1' }, 400, 'InvalidTag'],
    [{ 'x-amz-tagging': `${'k'.repeat(129)}=1` }, 400, 'InvalidTag'],
    [{ 'x-amz-tagging': 'a=<' }, 400, 'InvalidTag'],
    [{ 'x-amz-tagging': Array.from({ length: 11 }, (_, i) => `k${i}=v`).join('&') }, 400, 'BadRequest'],
    [{ 'x-amz-meta-a': 'v'.repeat(2048) }, 200, ''],
    [{ 'content-disposition': 'x'.repeat(limits.systemMetadataBytes + 1) }, 400, 'MetadataTooLarge'],
  ];
  for (const [headers, status, code] of rows) {
    it(JSON.stringify(headers).slice(0, 70), async () => {
      const got = await put(headers);
      assert.deepEqual([got.status, got.code ?? ''], [status, code], got.text);
    });
  }
  it('keys of the customer on reads', async () => {
    assert.equal(
      (await s3.send('GET', '/bucket/x', { headers: { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' } }))
        .code,
      'InvalidArgument',
    );
  });
});

describe('user metadata', () => {
  it('is kept as text, and what is not plain comes back as an encoded word', async () => {
    const utf8 = Buffer.from('ключ').toString('latin1');
    await s3.send('PUT', '/bucket/meta', {
      headers: {
        'x-amz-meta-plain': ' two words ',
        'x-amz-meta-utf8': utf8,
        'x-amz-meta-latin': 'caf\xe9',
        'x-amz-meta-word': '=?UTF-8?B?0LrQu9GO0Yc=?=',
        'x-amz-meta-empty': '',
      },
    });
    const { headers } = await s3.send('GET', '/bucket/meta');
    assert.equal(headers['x-amz-meta-utf8'], '=?UTF-8?B?0LrQu9GO0Yc=?=');
    assert.equal(headers['x-amz-meta-word'], '=?UTF-8?B?0LrQu9GO0Yc=?=');
    assert.equal(headers['x-amz-meta-latin'], '=?UTF-8?Q?caf=C3=A9?=');
    assert.equal(headers['x-amz-meta-plain'], 'two words');
    assert.equal(headers['x-amz-meta-empty'], '');
  });
});

describe('digests', () => {
  const put = (headers: Record<string, string>) => s3.send('PUT', '/bucket/digest', { body, headers });
  it('Content-MD5 must be one, and must be right', async () => {
    assert.equal((await put({ 'content-md5': digestOf('MD5', body).toString('base64') })).status, 200);
    assert.equal(
      (await put({ 'content-md5': digestOf('MD5', Buffer.from('x')).toString('base64') })).code,
      'BadDigest',
    );
    for (const bad of ['', 'AAAA', 'not base64 at all', `${md5}`])
      assert.equal((await put({ 'content-md5': bad })).code, 'InvalidDigest', bad);
  });
  it('checksums are verified, kept, and given when asked for', async () => {
    for (const algorithm of Object.keys(digestBytes) as ChecksumAlgorithm[]) {
      const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const value = digestOf(algorithm, body).toString('base64');
      const good = await put({ [name]: value, 'x-amz-sdk-checksum-algorithm': algorithm });
      assert.deepEqual(
        [good.status, good.headers[name], good.headers['x-amz-checksum-type']],
        [200, value, 'FULL_OBJECT'],
      );
      assert.equal((await s3.send('GET', '/bucket/digest')).headers[name], undefined);
      for (const method of ['GET', 'HEAD'])
        assert.equal(
          (await s3.send(method, '/bucket/digest', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })).headers[name],
          value,
        );
      assert.equal(
        (await s3.send('GET', '/bucket/digest', { headers: { 'x-amz-checksum-mode': 'ENABLED', range: 'bytes=0-1' } }))
          .headers[name],
        undefined,
      );
      assert.equal((await put({ [name]: digestOf(algorithm, Buffer.from('x')).toString('base64') })).code, 'BadDigest');
      assert.equal((await put({ [name]: 'AA' })).code, 'InvalidRequest');
    }
  });
  it('one at a time, by a name that exists', async () => {
    const crc = digestOf('CRC32', body).toString('base64');
    const sha = digestOf('SHA1', body).toString('base64');
    assert.equal((await put({ 'x-amz-checksum-crc32': crc, 'x-amz-checksum-sha1': sha })).code, 'InvalidRequest');
    assert.equal(
      (await put({ 'x-amz-checksum-crc32': crc, 'x-amz-sdk-checksum-algorithm': 'SHA1' })).code,
      'InvalidRequest',
    );
    assert.equal((await put({ 'x-amz-sdk-checksum-algorithm': 'CRC32' })).code, 'InvalidRequest');
    assert.equal(
      (await put({ 'x-amz-checksum-crc32': crc, 'x-amz-sdk-checksum-algorithm': 'MD6' })).code,
      'InvalidRequest',
    );
    assert.equal((await put({ 'x-amz-trailer': 'x-amz-checksum-crc32' })).code, 'InvalidRequest');
  });

  it('a checksum that is not compared here is refused, and nothing is written', async () => {
    for (const name of ['crc16', 'xxhash32', 'sha384', '']) {
      const header = `x-amz-checksum-${name}`;
      const got = await s3.send('PUT', '/bucket/unchecked', { body: 'x', headers: { [header]: 'AAAA' } });
      assert.equal(got.code, 'InvalidRequest', header);
      assert.match(got.text, /CRC64NVME/, 'it says what to send');
    }
    assert.equal((await s3.send('HEAD', '/bucket/unchecked')).status, 404);
    assert.equal((await put({ 'x-amz-content-sha256': '0'.repeat(64) })).code, 'XAmzContentSHA256Mismatch');
  });
  it('come in the trailer of an aws-chunked body, small or large', async () => {
    const all: [ChecksumAlgorithm, number][] = (Object.keys(digestBytes) as ChecksumAlgorithm[]).map((one) => [
      one,
      300_000,
    ]);
    for (const [algorithm, size] of [['CRC32', 100] as const, ...all]) {
      const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const bytes = Buffer.alloc(size, 'xyz');
      const framed = (value: string) =>
        Buffer.concat([
          Buffer.from(`${size.toString(16)}\r\n`),
          bytes,
          Buffer.from(`\r\n0\r\n${name}:${value}\r\n\r\n`),
        ]);
      const send = (value: string, decoded = size) =>
        s3.send('PUT', '/bucket/trailer', {
          body: framed(value),
          headers: {
            'content-encoding': 'aws-chunked',
            'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
            'x-amz-decoded-content-length': String(decoded),
            'x-amz-trailer': name,
            'x-amz-sdk-checksum-algorithm': algorithm,
          },
        });
      const value = digestOf(algorithm, bytes).toString('base64');
      const good = await send(value);
      assert.deepEqual([good.status, good.headers[name]], [200, value], good.text);
      const get = await s3.send('GET', '/bucket/trailer');
      assert.ok(get.body.equals(bytes));
      assert.equal(get.headers['content-encoding'], undefined);
      assert.equal((await send(digestOf(algorithm, Buffer.from('x')).toString('base64'))).code, 'BadDigest');
      assert.equal((await send('AA')).code, 'InvalidRequest');
      assert.ok([400, 403].includes((await send(value, size - 1)).status));
    }
  });
});

describe('tags of an object', () => {
  it('are read, replaced and taken away', async () => {
    await s3.send('PUT', '/bucket/source', { body, headers: { 'x-amz-tagging': 't=1' } });
    const tags = () => s3.send('GET', '/bucket/source', { query: { tagging: '' } });
    assert.deepEqual((await tags()).all('Key'), ['t']);
    const put = (inner: string) =>
      s3.send('PUT', '/bucket/source', {
        query: { tagging: '' },
        body: `<Tagging><TagSet>${inner}</TagSet></Tagging>`,
      });
    assert.equal((await put('<Tag><Key>x</Key><Value/></Tag>')).status, 200);
    assert.deepEqual([(await tags()).all('Key'), (await tags()).all('Value')], [['x'], ['']]);
    assert.equal(
      (await put(Array.from({ length: 11 }, (_, i) => `<Tag><Key>k${i}</Key><Value/></Tag>`).join(''))).code,
      'BadRequest',
    );
    const gone = await s3.send('DELETE', '/bucket/source', { query: { tagging: '' } });
    assert.deepEqual([gone.status, (await tags()).all('Key')], [204, []]);
    assert.equal((await s3.send('GET', '/bucket/none', { query: { tagging: '' } })).code, 'NoSuchKey');
  });
});
