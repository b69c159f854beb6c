/* Uploads by an HTML form: who sends it, and whether it is one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { large, region, serveFake } from './harness.support.ts';
import { boundary, type Fields, outcome, poster, signed, type Upload, withOpenBucket } from './post.support.ts';

const { s3 } = await serveFake(withOpenBucket);
const send = poster(s3);
const get = (path: string) => s3.send('GET', path);

describe('the signature of a form', () => {
  it('is of its policy, by a key that is one', async () => {
    const fields = signed({ key: 'k' });
    const refused = async (change: Record<string, string | undefined>, code: string, status = 403) => {
      const changed = Object.fromEntries(
        Object.entries({ ...fields, ...change }).filter((pair) => pair[1] !== undefined),
      );
      assert.deepEqual(
        outcome(await send('bucket', changed as Record<string, string>)),
        [status, code],
        JSON.stringify(change),
      );
    };
    await refused({ 'x-amz-signature': '0'.repeat(64) }, 'SignatureDoesNotMatch');
    await refused({ 'x-amz-signature': fields['x-amz-signature']!.slice(1) }, 'SignatureDoesNotMatch');
    await refused({ policy: Buffer.from('{}').toString('base64') }, 'SignatureDoesNotMatch');
    await refused({ 'x-amz-credential': fields['x-amz-credential']!.replace('root', 'nobody') }, 'InvalidAccessKeyId');
    await refused({ 'x-amz-credential': fields['x-amz-credential']!.replace('root', 'readonly') }, 'AccessDenied');
    for (const name of ['x-amz-signature', 'x-amz-credential', 'x-amz-date', 'x-amz-algorithm', 'policy'])
      await refused({ [name]: undefined }, 'InvalidArgument', 400);
    await refused({ 'x-amz-algorithm': 'AWS4-ECDSA-P256-SHA256' }, 'InvalidArgument', 400);
    await refused({ 'x-amz-credential': 'key-root' }, 'InvalidArgument', 400);
    await refused(
      { 'x-amz-credential': fields['x-amz-credential']!.replace(region, 'eu-west-1') },
      'InvalidArgument',
      400,
    );
    await refused({ 'x-amz-date': '20200101T000000Z' }, 'InvalidArgument', 400);
    await refused({ AWSAccessKeyId: 'key-root' }, 'InvalidRequest', 400);
    assert.deepEqual(outcome(await send('bucket', signed({ key: 'k' }, { key: 'other secret' }))), [
      403,
      'SignatureDoesNotMatch',
    ]);
  });

  it('stands in the form and nowhere else', async () => {
    for (const as of ['root', 'presigned'] as const) {
      assert.equal((await send('bucket', { key: 'k' }, {}, { as })).status, 403, as);
      const bare = await s3.send('POST', '/bucket', { as, body: '<Delete/>' });
      assert.deepEqual(
        [...outcome(bare), bare.xml('Condition')],
        [412, 'PreconditionFailed', 'Bucket POST must be of the enclosure-type multipart/form-data'],
        as,
      );
    }
  });

  it('lets its owner do what he may do, and no more', async () => {
    assert.deepEqual(outcome(await send('bucket', signed({ key: 'k' }, { as: 'readonly' }))), [403, 'AccessDenied']);
    assert.deepEqual(outcome(await send('bucket', signed({ key: 'k' }, { as: 'scoped' }))), [403, 'AccessDenied']);
    assert.equal((await send('bucket', signed({ key: 'k' }, { as: 'readwrite' }))).status, 204);
  });
});

describe('a form without a policy', () => {
  it('is anonymous: the policy of the bucket decides', async () => {
    assert.equal((await send('open', { key: 'public/a' })).status, 204);
    assert.equal((await get('/open/public/a')).text, 'content');
    assert.deepEqual(outcome(await send('open', { key: 'private/a' })), [403, 'AccessDenied']);
    assert.deepEqual(outcome(await send('bucket', { key: 'k' })), [403, 'AccessDenied']);
    const tagging = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>';
    assert.deepEqual(
      outcome(await send('open', { key: 'public/t', tagging })),
      [403, 'AccessDenied'],
      'tags are asked about',
    );
    assert.deepEqual(outcome(await send('open', { key: 'public/${filename}' }, { filename: 'x' })), [204, undefined]);
  });
});

describe('a form', () => {
  it('goes to the bucket that it is sent to, whatever its field says (Ceph CVE-2023-43040)', async () => {
    for (const fields of [
      { key: 'public/b', bucket: 'scoped' },
      { bucket: 'scoped', key: 'public/b' },
      { key: 'public/b', Bucket: 'scoped' },
    ])
      assert.deepEqual(outcome(await send('open', fields)), [403, 'AccessDenied']);
    assert.equal((await send('open', { key: 'public/b', bucket: 'open' })).status, 204);
    assert.equal((await s3.send('HEAD', '/scoped/public/b')).status, 404);
  });

  it('that has a field twice, no key, no file, or two, is refused', async () => {
    const open = (fields: Fields, upload?: Upload) => send('open', fields, upload);
    assert.deepEqual(
      outcome(
        await open([
          ['key', 'public/a'],
          ['KEY', 'private/a'],
        ]),
      ),
      [400, 'MalformedPOSTRequest'],
    );
    assert.deepEqual(outcome(await open({ other: 'x' })), [400, 'UserKeyMustBeSpecified']);
    assert.deepEqual(outcome(await open({ key: '' })), [400, 'InvalidArgument']);
    assert.deepEqual(outcome(await open({ key: `public/${'k'.repeat(1020)}` })), [400, 'KeyTooLongError']);
    const none = (body: Buffer) => Buffer.from(body.toString('latin1').replace('name="file"', 'name="fire"'), 'latin1');
    assert.deepEqual(outcome(await open({ key: 'public/a' }, { spoil: none })), [
      400,
      'IncorrectNumberOfFilesInPostRequest',
    ]);
    const second = `--${boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\nsecond\r\n`;
    assert.deepEqual(outcome(await open({ key: 'public/two' }, { after: second })), [
      400,
      'IncorrectNumberOfFilesInPostRequest',
    ]);
    assert.equal((await s3.send('HEAD', '/open/public/two')).status, 404);
    const button = second.replace('"file"', '"submit"');
    assert.equal(
      (await open({ key: 'public/one' }, { after: button })).status,
      204,
      'fields behind the file count for nothing',
    );
    assert.equal((await get('/open/public/one')).text, 'content');
  });

  it('that is not well formed is MalformedPOSTRequest, and nothing is stored (Ceph CVE-2020-12059, CVE-2016-8626)', async () => {
    const edit = (from: string | RegExp, to: string) => (body: Buffer) =>
      Buffer.from(body.toString('latin1').replace(from, to), 'latin1');
    for (const spoil of [
      () => Buffer.alloc(0),
      () => Buffer.from('text'),
      (body: Buffer) => body.subarray(0, 10),
      (body: Buffer) => body.subarray(0, -6),
      (body: Buffer) => body.subarray(0, -30),
      (body: Buffer) => Buffer.concat([Buffer.from('preamble\r\n'), body]),
      edit('Content-Disposition: form-data; name="key"\r\n', ''),
      edit('Content-Disposition: form-data; name="key"', 'Content-Disposition: form-data'),
      edit('Content-Disposition: form-data; name="key"', 'Content-Disposition: attachment; name="key"'),
      edit('Content-Disposition: form-data; name="key"', 'Content-Disposition: form-data; name="key"; name="other"'),
      edit('Content-Disposition: form-data; name="key"', 'Content-Disposition: form-data; name="key'),
      edit('Content-Disposition: form-data; name="key"', 'no colon'),
      edit('Content-Disposition: form-data; name="file"', 'Content-Disposition: form-data; name=""'),
      edit('public/malformed', '\xff\xfe'),
      edit(
        `\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"`,
        `\r\n--${boundary}xx\r\nContent-Disposition: form-data; name="file"`,
      ),
    ]) {
      const got = await send('open', { key: 'public/malformed' }, { spoil });
      assert.deepEqual(outcome(got), [400, 'MalformedPOSTRequest'], spoil.toString());
    }
    for (const value of [
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/form-data; boundary="',
      `multipart/form-data; boundary=${'x'.repeat(71)}`,
    ])
      assert.deepEqual(
        outcome(await send('open', { key: 'public/malformed' }, {}, { headers: { 'content-type': value } })),
        [400, 'MalformedPOSTRequest'],
        value,
      );
    for (const value of ['text/plain', 'multipart/form-datax; boundary=x', 'application/x-www-form-urlencoded']) {
      const got = await send('open', { key: 'public/malformed' }, {}, { headers: { 'content-type': value } });
      assert.deepEqual(
        [...outcome(got), got.xml('Condition')],
        [412, 'PreconditionFailed', 'Bucket POST must be of the enclosure-type multipart/form-data'],
      );
    }
    assert.equal((await s3.send('HEAD', '/open/public/malformed')).status, 404);
    assert.deepEqual(outcome(await send('missing', { key: 'k' })), [404, 'NoSuchBucket']);
    assert.deepEqual(
      outcome(await send('missing', signed({ key: 'k' }, { conditions: [{ bucket: 'missing' }].slice(1) }))),
      [404, 'NoSuchBucket'],
    );
  });

  it('takes no more memory before its file than it may', async () => {
    assert.deepEqual(outcome(await send('open', { key: 'public/a', 'x-ignore-a': 'x'.repeat(20_000) })), [
      400,
      'MaxPostPreDataLengthExceededError',
    ]);
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-ignore-${i}`, 'x']));
    assert.deepEqual(outcome(await send('open', { key: 'public/a', ...many })), [
      400,
      'MaxPostPreDataLengthExceededError',
    ]);
    const endless = (body: Buffer) => Buffer.concat([body.subarray(0, 60), large]);
    assert.deepEqual(outcome(await send('open', { key: 'public/a' }, { spoil: endless })), [
      400,
      'MaxPostPreDataLengthExceededError',
    ]);
    const after = (body: Buffer) => Buffer.concat([body, Buffer.alloc(30_000, 'x')]);
    assert.deepEqual(outcome(await send('open', { key: 'public/after' }, { spoil: after })), [
      400,
      'MalformedPOSTRequest',
    ]);
    assert.equal((await s3.send('HEAD', '/open/public/after')).status, 404);
  });

  it('says nothing that a header of a PUT could not say', async () => {
    for (const [fields, code] of [
      [{ 'x-amz-storage-class': 'GLACIER' }, 'InvalidStorageClass'],
      [{ 'x-amz-website-redirect-location': 'ftp://x' }, 'InvalidRedirectLocation'],
      [{ tagging: 'k=v' }, 'MalformedXML'],
      [{ tagging: '<Other/>' }, 'InvalidArgument'],
      [{ acl: 'nonsense' }, 'InvalidArgument'],
      [{ 'x-amz-write-offset-bytes': '0' }, 'InvalidRequest'],
    ] as [Record<string, string>, string][])
      assert.equal((await send('bucket', signed({ key: 'k', ...fields }))).code, code, JSON.stringify(fields));
    const split = signed({ key: 'split', 'x-amz-meta-a': 'x\r\nSet-Cookie: y' });
    assert.equal((await send('bucket', split)).status, 204);
    const got = await s3.send('HEAD', '/bucket/split');
    assert.deepEqual([got.headers['x-amz-meta-a'], got.headers['set-cookie']], ['x  Set-Cookie: y', undefined]);
  });
});
