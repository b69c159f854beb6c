import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../codec/index.ts';
import { serveFake } from './harness.support.ts';

const { s3 } = await serveFake();

const remove = (
  document: string,
  headers: Record<string, string> = { 'content-md5': digestOf('MD5', Buffer.from(document)).toString('base64') },
) => s3.send('POST', '/bucket', { query: { delete: '' }, body: document, headers });
const objects = (inner: string, quiet = '') =>
  remove(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${quiet}${inner}</Delete>`);
const named = (key: string, more = '') => `<Object><Key>${key}</Key>${more}</Object>`;

describe('DeleteObject', () => {
  it('answers 204 whether the object was there or not', async () => {
    await s3.send('PUT', '/bucket/a', { body: 'x' });
    for (let i = 0; i < 2; i++) {
      const got = await s3.send('DELETE', '/bucket/a');
      assert.deepEqual(
        [got.status, got.headers['x-amz-delete-marker'], got.headers['x-amz-version-id']],
        [204, undefined, undefined],
      );
    }
    assert.equal((await s3.send('DELETE', '/missing/a')).code, 'NoSuchBucket');
  });

  it('takes conditions on ETag, size and time', async () => {
    const put = await s3.send('PUT', '/bucket/c', { body: 'xyz' });
    const del = (headers: Record<string, string>) => s3.send('DELETE', '/bucket/c', { headers });
    assert.equal((await del({ 'if-match': '"no"' })).status, 412);
    assert.equal((await del({ 'x-amz-if-match-size': '4' })).status, 412);
    assert.equal((await del({ 'x-amz-if-match-size': 'x' })).code, 'InvalidArgument');
    assert.equal((await del({ 'x-amz-if-match-last-modified-time': 'Tue, 14 Nov 2023 22:13:21 GMT' })).status, 412);
    assert.equal((await del({ 'x-amz-if-match-last-modified-time': 'soon' })).code, 'InvalidArgument');
    assert.equal(
      (
        await del({
          'if-match': String(put.headers.etag),
          'x-amz-if-match-size': '3',
          'x-amz-if-match-last-modified-time': 'Tue, 14 Nov 2023 22:13:20 GMT',
        })
      ).status,
      204,
    );
  });
});

describe('DeleteObjects', () => {
  it('deletes what it can and says what it did', async () => {
    for (const key of ['a', 'b', 'c']) await s3.send('PUT', `/bucket/${key}`, { body: key });
    const got = await objects(
      named('a') +
        named('never &amp; nowhere') +
        named('b', '<ETag>"no"</ETag>') +
        named('y'.repeat(1025)) +
        named('c', '<VersionId>bad</VersionId>'),
    );
    assert.equal(got.status, 200);
    assert.ok(
      got.text.includes(
        '<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Deleted><Key>a</Key></Deleted><Deleted><Key>never &amp; nowhere</Key></Deleted><Error><Key>b</Key><Code>PreconditionFailed</Code>',
      ),
      got.text,
    );
    assert.deepEqual(got.all('Code'), ['PreconditionFailed', 'KeyTooLongError', 'NoSuchVersion']);
    assert.equal((await s3.send('HEAD', '/bucket/a')).status, 404);
    assert.equal((await s3.send('HEAD', '/bucket/b')).status, 200);
    assert.equal((await s3.send('HEAD', '/bucket/c')).status, 200);
  });

  it('is quiet when asked', async () => {
    const got = await objects(named('b') + named('c', '<Size>99</Size>'), '<Quiet>true</Quiet>');
    assert.deepEqual([got.all('Deleted').length, got.all('Code')], [0, ['PreconditionFailed']]);
  });

  it('makes and removes markers and versions', async () => {
    await s3.send('PUT', '/versioned');
    await s3.send('PUT', '/versioned', {
      query: { versioning: '' },
      body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    });
    const version = String((await s3.send('PUT', '/versioned/k', { body: 'x' })).headers['x-amz-version-id']);
    const send = (inner: string) => {
      const body = `<Delete>${inner}</Delete>`;
      return s3.send('POST', '/versioned', {
        query: { delete: '' },
        body,
        headers: { 'x-amz-checksum-crc32': digestOf('CRC32', Buffer.from(body)).toString('base64') },
      });
    };
    const marked = await send(named('k'));
    const marker = marked.xml('DeleteMarkerVersionId')!;
    assert.deepEqual([marked.xml('DeleteMarker'), marked.xml('VersionId')], ['true', undefined]);
    const gone = await send(
      named('k', `<VersionId>${version}</VersionId>`) + named('k', `<VersionId>${marker}</VersionId>`),
    );
    assert.deepEqual(gone.all('VersionId'), [version, marker]);
    assert.deepEqual(gone.all('DeleteMarkerVersionId'), [marker]);
  });

  it('wants a digest that fits, one to a thousand keys, and nothing that it does not know', async () => {
    const document = `<Delete>${named('a')}</Delete>`;
    assert.equal((await remove(document, {})).code, 'InvalidRequest');
    assert.equal(
      (await remove(document, { 'content-md5': digestOf('MD5', Buffer.from('x')).toString('base64') })).code,
      'BadDigest',
    );
    assert.equal((await objects('')).code, 'MalformedXML');
    assert.equal((await objects(named('k').repeat(1001))).code, 'MalformedXML');
    assert.equal((await objects(named('k').repeat(1000))).status, 200);
    assert.equal((await objects('<Object/>')).code, 'MalformedXML');
    assert.equal((await objects(named(''))).code, 'MalformedXML');
    assert.equal((await objects(named('a', '<IfSomething>x</IfSomething>'))).code, 'MalformedXML');
    assert.equal((await objects(named('a', '<Key>b</Key>'))).code, 'MalformedXML');
    assert.equal((await objects(named('a', '<LastModifiedTime>x</LastModifiedTime>'))).code, 'MalformedXML');
    assert.equal((await remove('<!DOCTYPE x [<!ENTITY a "b">]><Delete/>')).code, 'MalformedXML');
    assert.equal((await remove('')).code, 'MissingRequestBodyError');
    assert.equal((await remove('x'.repeat(3 * 1024 * 1024))).code, 'MalformedXML');
  });
});
