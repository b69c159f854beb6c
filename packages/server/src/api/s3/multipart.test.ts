import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../codec/index.ts';
import { parseCopySource } from './copy-source.ts';
import { serveFake } from './harness.support.ts';

const first = Buffer.alloc(70_000, 'first');
const second = Buffer.alloc(100, 'second');

const { s3 } = await serveFake(async (s3) => {
  await s3.send('PUT', '/bucket');
  await s3.send('PUT', '/bucket/source', {
    body: first,
    headers: { 'content-type': 'text/s', 'x-amz-meta-a': 'b', 'x-amz-tagging': 't=1' },
  });
});

const begin = async (key: string, headers: Record<string, string> = {}) =>
  s3.send('POST', `/bucket/${key}`, { query: { uploads: '' }, headers });
const part = (key: string, uploadId: string, partNumber: string, body: Buffer, headers: Record<string, string> = {}) =>
  s3.send('PUT', `/bucket/${key}`, { query: { uploadId, partNumber }, body, headers });
const complete = (key: string, uploadId: string, parts: string, headers: Record<string, string> = {}) =>
  s3.send('POST', `/bucket/${key}`, {
    query: { uploadId },
    headers,
    body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts}</CompleteMultipartUpload>`,
  });
const partXml = (number: number | string, etag: string, more = '') =>
  `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag>${more}</Part>`;
const quoted = (body: Buffer) => `&quot;${digestOf('MD5', body).toString('hex')}&quot;`;

describe('a multipart upload', () => {
  it('goes from begin to complete', async () => {
    const begun = await begin('multi', { 'content-type': 'text/m', 'x-amz-meta-m': '1' });
    assert.deepEqual(
      [begun.status, begun.xml('Bucket'), begun.xml('Key'), begun.headers['x-amz-server-side-encryption']],
      [200, 'bucket', 'multi', 'AES256'],
    );
    const id = begun.xml('UploadId')!;
    assert.match(id, /^[0-9a-f]{32}$/);
    const one = await part('multi', id, '1', first);
    assert.deepEqual([one.status, one.headers.etag], [200, `"${digestOf('MD5', first).toString('hex')}"`]);
    await part('multi', id, '7', second, { 'content-md5': digestOf('MD5', second).toString('base64') });
    assert.equal(
      (await part('multi', id, '7', second, { 'content-md5': digestOf('MD5', first).toString('base64') })).code,
      'BadDigest',
    );

    const listed = await s3.send('GET', '/bucket/multi', { query: { uploadId: id, 'max-parts': '1' } });
    assert.deepEqual(
      [
        listed.all('PartNumber'),
        listed.xml('NextPartNumberMarker'),
        listed.xml('IsTruncated'),
        listed.xml('Size'),
        listed.xml('StorageClass'),
        listed.xml('UploadId'),
      ],
      [['1'], '1', 'true', '70000', 'STANDARD', id],
    );
    const rest = await s3.send('GET', '/bucket/multi', { query: { uploadId: id, 'part-number-marker': '1' } });
    assert.deepEqual(
      [rest.all('PartNumber'), rest.xml('PartNumberMarker'), rest.xml('IsTruncated'), rest.xml('NextPartNumberMarker')],
      [['7'], '1', 'false', undefined],
    );
    assert.equal(
      (await s3.send('GET', '/bucket/multi', { query: { uploadId: id, 'part-number-marker': '-1' } })).code,
      'InvalidArgument',
    );

    const done = await complete('multi', id, partXml(1, quoted(first)) + partXml(7, quoted(second)));
    const etag = `"${digestOf('MD5', Buffer.concat([digestOf('MD5', first), digestOf('MD5', second)])).toString('hex')}-2"`;
    assert.deepEqual(
      [done.status, done.xml('Location'), done.xml('Bucket'), done.xml('Key'), done.xml('ETag')],
      [200, `http://${s3.host}/bucket/multi`, 'bucket', 'multi', etag.replaceAll('"', '&quot;')],
    );

    const got = await s3.send('GET', '/bucket/multi');
    assert.ok(got.body.equals(Buffer.concat([first, second])));
    assert.deepEqual(
      [got.headers.etag, got.headers['content-type'], got.headers['x-amz-meta-m']],
      [etag, 'text/m', '1'],
    );
    const two = await s3.send('GET', '/bucket/multi', { query: { partNumber: '2' } });
    assert.deepEqual(
      [two.status, two.headers['content-range'], two.headers['x-amz-mp-parts-count']],
      [206, 'bytes 70000-70099/70100', '2'],
    );
    assert.ok(two.body.equals(second));
    assert.equal(
      (await s3.send('HEAD', '/bucket/multi', { query: { partNumber: '1' } })).headers['content-length'],
      '70000',
    );
    assert.equal((await s3.send('GET', '/bucket/multi', { query: { partNumber: '3' } })).code, 'InvalidPartNumber');
    assert.equal((await complete('multi', id, partXml(1, quoted(first)))).code, 'NoSuchUpload');

    const attributes = (names: string, headers: Record<string, string> = {}) =>
      s3.send('GET', '/bucket/multi', {
        query: { attributes: '' },
        headers: { 'x-amz-object-attributes': names, ...headers },
      });
    const all = await attributes('ETag,Checksum,ObjectParts,StorageClass,ObjectSize', { 'x-amz-max-parts': '1' });
    assert.deepEqual(
      [
        all.xml('ETag'),
        all.xml('PartsCount'),
        all.all('PartNumber'),
        all.xml('IsTruncated'),
        all.xml('NextPartNumberMarker'),
        all.xml('StorageClass'),
        all.xml('ObjectSize'),
      ],
      [etag.slice(1, -1), '2', ['1'], 'true', '1', 'STANDARD', '70100'],
    );
    assert.deepEqual((await attributes('ObjectParts', { 'x-amz-part-number-marker': '1' })).all('PartNumber'), ['2']);
    assert.equal((await attributes('Colour')).code, 'InvalidArgument');
    assert.equal((await attributes('')).code, 'InvalidRequest');
  });

  it('is refused with the right word', async () => {
    const id = (await begin('wrong')).xml('UploadId')!;
    await part('wrong', id, '1', second);
    assert.equal((await complete('wrong', id, '')).code, 'MalformedXML');
    assert.equal((await complete('wrong', id, partXml('x', 'y'))).code, 'MalformedXML');
    assert.equal((await complete('wrong', id, partXml(1, ''))).code, 'MalformedXML');
    assert.equal(
      (await complete('wrong', id, '<Part><PartNumber>1</PartNumber><ETag>a</ETag><Other/></Part>')).code,
      'MalformedXML',
    );
    assert.equal((await complete('wrong', id, partXml(0, 'y'))).code, 'InvalidArgument');
    assert.equal((await complete('wrong', id, partXml(2, 'y') + partXml(1, 'y'))).code, 'InvalidPartOrder');
    assert.equal((await complete('wrong', id, partXml(1, 'y') + partXml(1, 'y'))).code, 'InvalidPartOrder');
    assert.equal((await complete('wrong', id, partXml(1, '0'.repeat(32)))).code, 'InvalidPart');
    assert.equal(
      (await complete('wrong', id, partXml(1, quoted(second), '<ChecksumCRC32>zz</ChecksumCRC32>'))).code,
      'InvalidArgument',
    );
    assert.equal(
      (await complete('wrong', id, partXml(1, quoted(second)), { 'x-amz-mp-object-size': 'x' })).code,
      'InvalidRequest',
    );
    assert.equal((await s3.send('POST', '/bucket/wrong', { query: { uploadId: id } })).code, 'MissingRequestBodyError');
    for (const number of ['0', '10001', '-1', 'x', ''])
      assert.equal((await part('wrong', id, number, second)).code, 'InvalidArgument', number);
    assert.equal(
      (await s3.send('PUT', '/bucket/wrong', { query: { uploadId: id }, body: second })).code,
      'InvalidArgument',
    );
    assert.equal(
      (await s3.send('PUT', '/bucket/wrong', { query: { partNumber: '1' }, body: second })).code,
      'InvalidArgument',
    );
    const lost = await part('wrong', 'f'.repeat(32), '1', second);
    assert.deepEqual([lost.status, lost.code, lost.xml('UploadId')], [404, 'NoSuchUpload', 'f'.repeat(32)]);
    assert.equal((await part('other-key', id, '1', second)).code, 'NoSuchUpload');
    assert.equal((await begin('wrong', { 'x-amz-checksum-algorithm': 'MD6' })).code, 'InvalidRequest');
    const aborted = await s3.send('DELETE', '/bucket/wrong', { query: { uploadId: id } });
    assert.deepEqual([aborted.status, aborted.body.length], [204, 0]);
    assert.equal((await s3.send('DELETE', '/bucket/wrong', { query: { uploadId: id } })).code, 'NoSuchUpload');
  });

  it('keeps and gives checksums', async () => {
    const begun = await begin('sums', { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' });
    assert.deepEqual(
      [begun.headers['x-amz-checksum-algorithm'], begun.headers['x-amz-checksum-type']],
      ['CRC32', 'FULL_OBJECT'],
    );
    const id = begun.xml('UploadId')!;
    const crc = digestOf('CRC32', second).toString('base64');
    const one = await part('sums', id, '1', second, { 'x-amz-checksum-crc32': crc });
    assert.equal(one.headers['x-amz-checksum-crc32'], crc);
    assert.equal((await s3.send('GET', '/bucket/sums', { query: { uploadId: id } })).xml('ChecksumCRC32'), crc);
    const wrongType = await complete('sums', id, partXml(1, quoted(second)), {
      'x-amz-checksum-type': 'COMPOSITE',
      'x-amz-checksum-crc32': crc,
    });
    assert.equal(wrongType.code, 'InvalidRequest');
    const done = await complete('sums', id, partXml(1, quoted(second), `<ChecksumCRC32>${crc}</ChecksumCRC32>`), {
      'x-amz-checksum-type': 'FULL_OBJECT',
      'x-amz-checksum-crc32': crc,
      'x-amz-mp-object-size': '100',
    });
    assert.deepEqual(
      [done.status, done.xml('ChecksumCRC32'), done.xml('ChecksumType')],
      [200, crc, 'FULL_OBJECT'],
      done.text,
    );
  });

  it('of ten thousand parts fits its document', async () => {
    const id = (await begin('many')).xml('UploadId')!;
    const sum = digestOf('SHA256', second).toString('base64');
    const parts = Array.from({ length: 10_000 }, (_, i) =>
      partXml(i + 1, quoted(second), `<ChecksumSHA256>${sum}</ChecksumSHA256>`),
    ).join('');
    assert.equal((await complete('many', id, parts)).code, 'InvalidPart');
    assert.equal((await complete('many', id, parts + partXml(10_001, 'x'))).code, 'InvalidArgument');
  });

  it('is listed', async () => {
    await s3.send('PUT', '/uploads');
    const start = (key: string) => s3.send('POST', `/uploads/${key}`, { query: { uploads: '' } });
    const ids = [await start('a'), await start('a'), await start('b/1'), await start('b/2')].map(
      (answer) => answer.xml('UploadId')!,
    );
    const all = await s3.send('GET', '/uploads', { query: { uploads: '' } });
    assert.deepEqual(
      [all.all('UploadId'), all.xml('MaxUploads'), all.xml('IsTruncated'), all.xml('Initiated')],
      [ids, '1000', 'false', '2023-11-14T22:13:20.000Z'],
    );
    const page = await s3.send('GET', '/uploads', { query: { uploads: '', 'max-uploads': '1', delimiter: '/' } });
    assert.deepEqual(
      [page.xml('NextKeyMarker'), page.xml('NextUploadIdMarker'), page.xml('IsTruncated')],
      ['a', ids[0], 'true'],
    );
    const next = await s3.send('GET', '/uploads', {
      query: { uploads: '', 'key-marker': 'a', 'upload-id-marker': ids[0]!, delimiter: '/' },
    });
    assert.deepEqual([next.all('UploadId'), next.all('CommonPrefixes')], [[ids[1]], ['<Prefix>b/</Prefix>']]);
    assert.equal(
      (await s3.send('GET', '/uploads', { query: { uploads: '', 'max-uploads': 'x' } })).code,
      'InvalidArgument',
    );
  });
});

describe('copies', () => {
  const copy = (key: string, source: string, headers: Record<string, string> = {}) =>
    s3.send('PUT', `/bucket/${key}`, { headers: { 'x-amz-copy-source': source, ...headers } });

  it('keep the description or replace it', async () => {
    const kept = await copy('kept', '/bucket/source');
    assert.equal(kept.status, 200);
    assert.ok(
      kept.text.includes(
        '<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>&quot;',
      ),
    );
    const got = await s3.send('GET', '/bucket/kept');
    assert.deepEqual(
      [got.headers['content-type'], got.headers['x-amz-meta-a'], got.headers['x-amz-tagging-count'], got.body.length],
      ['text/s', 'b', '1', 70_000],
    );
    await copy('replaced', 'bucket/source', {
      'x-amz-metadata-directive': 'REPLACE',
      'content-type': 'text/r',
      'x-amz-tagging-directive': 'REPLACE',
      'x-amz-tagging': 'x=1&y=2',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    });
    const other = await s3.send('HEAD', '/bucket/replaced');
    assert.deepEqual(
      [
        other.headers['content-type'],
        other.headers['x-amz-meta-a'],
        other.headers['x-amz-tagging-count'],
        other.headers['x-amz-storage-class'],
      ],
      ['text/r', undefined, '2', 'REDUCED_REDUNDANCY'],
    );
  });

  it('onto itself must change something', async () => {
    assert.equal((await copy('source', '/bucket/source')).code, 'InvalidRequest');
    assert.equal(
      (
        await copy('source', '/bucket/source', {
          'x-amz-metadata-directive': 'REPLACE',
          'x-amz-meta-a': 'b',
          'content-type': 'text/s',
        })
      ).status,
      200,
    );
  });

  it('take conditions on their source and on their target', async () => {
    const etag = String((await s3.send('HEAD', '/bucket/source')).headers.etag);
    assert.equal((await copy('c', '/bucket/source', { 'x-amz-copy-source-if-match': etag })).status, 200);
    assert.equal(
      (await copy('c', '/bucket/source', { 'x-amz-copy-source-if-match': '"no"' })).code,
      'PreconditionFailed',
    );
    assert.equal((await copy('c', '/bucket/source', { 'x-amz-copy-source-if-none-match': etag })).status, 412);
    assert.equal(
      (await copy('c', '/bucket/source', { 'x-amz-copy-source-if-modified-since': 'Tue, 14 Nov 2023 22:13:20 GMT' }))
        .status,
      412,
    );
    assert.equal((await copy('c', '/bucket/source', { 'if-none-match': '*' })).status, 412);
  });

  it('are refused with the right word', async () => {
    assert.equal((await copy('x', '/bucket/missing')).code, 'NoSuchKey');
    assert.equal((await copy('x', '/missing/source')).code, 'NoSuchBucket');
    assert.equal((await copy('x', '/bucket/source?versionId=bad')).code, 'InvalidArgument');
    for (const bad of [
      '',
      '/',
      'bucket',
      '/bucket/',
      '/Bad_Name/k',
      '/bucket/%zz',
      '/bucket/%ff',
      '/bucket/source?versionId=',
    ])
      assert.equal((await copy('x', bad)).code, 'InvalidArgument', bad);
    assert.equal((await copy('x', `/bucket/${'y'.repeat(1025)}`)).code, 'KeyTooLongError');
    assert.equal((await copy('x', 'arn:aws:s3:us-east-1:1:accesspoint/a/object/k')).code, 'NotImplemented');
    assert.equal((await copy('x', '/bucket/source', { 'x-amz-metadata-directive': 'MERGE' })).code, 'InvalidArgument');
    assert.equal(
      (await copy('x', '/bucket/source', { 'x-amz-copy-source-range': 'bytes=0-1' })).code,
      'InvalidArgument',
    );
    assert.equal(
      (await copy('x', '/bucket/source', { 'x-amz-source-expected-bucket-owner': 'other' })).code,
      'InvalidBucketOwnerAWSAccountID',
    );
    assert.equal(
      (await copy('x', '/bucket/source', { 'x-amz-copy-source-server-side-encryption-customer-algorithm': 'AES256' }))
        .code,
      'InvalidArgument',
    );
    assert.equal(
      (await s3.send('PUT', '/bucket/x', { as: 'readonly', headers: { 'x-amz-copy-source': '/bucket/source' } }))
        .status,
      403,
    );
  });

  it('name their source in any encoding', () => {
    assert.deepEqual(parseCopySource('/b-1/a%20b%2Fc%2Bd+e?f?versionId=null'), {
      bucket: 'b-1',
      key: Buffer.from('a b/c+d e?f'),
      versionId: 'null',
    });
    assert.deepEqual(parseCopySource('b-1/ключ'), { bucket: 'b-1', key: Buffer.from('ключ'), versionId: undefined });
    assert.deepEqual(parseCopySource(`b-1/${Buffer.from('ключ').toString('latin1')}`), {
      bucket: 'b-1',
      key: Buffer.from('ключ'),
      versionId: undefined,
    });
    assert.deepEqual(parseCopySource('/b-1//k'), { bucket: 'b-1', key: Buffer.from('/k'), versionId: undefined });
    assert.deepEqual(parseCopySource('/b-1/../c/k'), {
      bucket: 'b-1',
      key: Buffer.from('../c/k'),
      versionId: undefined,
    });
  });

  it('fill parts, whole or by range', async () => {
    const id = (await begin('from-copies')).xml('UploadId')!;
    const copyPart = (number: string, headers: Record<string, string> = {}) =>
      s3.send('PUT', '/bucket/from-copies', {
        query: { uploadId: id, partNumber: number },
        headers: { 'x-amz-copy-source': '/bucket/source', ...headers },
      });
    const whole = await copyPart('1');
    assert.ok(whole.text.includes('<CopyPartResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LastModified>'));
    const slice = await copyPart('2', { 'x-amz-copy-source-range': 'bytes=10-19' });
    assert.equal(slice.xml('ETag'), quoted(first.subarray(10, 20)));
    for (const range of ['bytes=10-', 'bytes=-10', '10-19', 'bytes=19-10', 'bytes=0-1,3-4'])
      assert.equal((await copyPart('3', { 'x-amz-copy-source-range': range })).code, 'InvalidArgument', range);
    assert.equal((await copyPart('3', { 'x-amz-copy-source-range': 'bytes=0-70000' })).code, 'InvalidArgument');
    await complete('from-copies', id, partXml(1, whole.xml('ETag')!) + partXml(2, slice.xml('ETag')!));
    assert.equal((await s3.send('HEAD', '/bucket/from-copies')).headers['content-length'], '70010');
  });
});
