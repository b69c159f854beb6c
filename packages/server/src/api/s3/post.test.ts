/* Uploads by an HTML form: its policy, and what it may say. */
import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { digestOf } from '../../codec/index.ts';
import { large, serveFake } from './harness.support.ts';
import { boundary, outcome, poster, signed, type Upload, withOpenBucket } from './post.support.ts';

const { s3, fake } = await serveFake(withOpenBucket);
const send = poster(s3);
const get = (path: string) => s3.send('GET', path);

describe('a form that is signed', () => {
  it('stores its file under its key, with what its fields say', async () => {
    const fields = {
      key: 'user/ä b.txt',
      'Content-Type': 'text/html',
      'Cache-Control': 'no-store',
      'x-amz-meta-Name': 'wörd',
      'x-amz-storage-class': 'STANDARD_IA',
      tagging: '<Tagging><TagSet><Tag><Key>k</Key><Value>v + w</Value></Tag></TagSet></Tagging>',
      acl: 'private',
      'x-amz-website-redirect-location': '/elsewhere',
    };
    const done = await send('bucket', signed(fields), { file: 'hello' });
    assert.deepEqual([done.status, done.text, done.headers.etag], [204, '', `"${hash('md5', 'hello')}"`]);
    assert.equal(done.headers.location, `http://${s3.host}/bucket/user/%C3%A4%20b.txt`);
    const got = await get('/bucket/user/ä b.txt');
    const { headers } = got;
    assert.deepEqual([got.text, headers['content-type'], headers['cache-control']], ['hello', 'text/html', 'no-store']);
    assert.equal(headers['x-amz-meta-name'], '=?UTF-8?Q?w=C3=B6rd?=');
    assert.deepEqual(
      [headers['x-amz-storage-class'], headers['x-amz-website-redirect-location']],
      ['STANDARD_IA', '/elsewhere'],
    );
    const tags = await s3.send('GET', '/bucket/user/ä b.txt', { query: { tagging: '' } });
    assert.deepEqual([tags.xml('Key'), tags.xml('Value')], ['k', 'v + w']);
  });

  it('of any size is a stream, whatever its bytes', async () => {
    const near = Buffer.concat([
      randomBytes(70_000),
      Buffer.from(`\r\n--${boundary.slice(0, -1)}`),
      Buffer.from('\r\n--'),
      large.subarray(0, 3_000_000),
    ]);
    for (const file of [Buffer.alloc(0), Buffer.from('\r\n'), near]) {
      const done = await send('bucket', signed({ key: 'sized' }), { file });
      assert.equal(done.status, 204, done.text);
      assert.ok((await get('/bucket/sized')).body.equals(file), `${file.length} bytes`);
    }
    assert.ok(fake.taken.streamed > 0);
  });

  it('names its file in any field', async () => {
    for (const [filename, name] of [
      ['photo.jpg', 'photo.jpg'],
      ['C:\\Program Files\\photo.jpg', 'photo.jpg'],
      ['/home/ann/photo.jpg', 'photo.jpg'],
      ["$&$'.jpg", "$&$'.jpg"],
      ['%22quoted%22.jpg', '"quoted".jpg'],
      ['', ''],
    ] as const) {
      const conditions = [
        ['starts-with', '$key', 'user/ann/'],
        ['starts-with', '$x-amz-meta-name', ''],
      ];
      const fields = signed({ key: 'user/ann/${filename}', 'x-amz-meta-name': '${filename}' }, { conditions });
      assert.equal((await send('bucket', fields, { filename })).status, 204, filename);
      assert.equal(
        (await s3.send('HEAD', `/bucket/user/ann/${name}`)).headers['x-amz-meta-name'],
        name === '' ? '' : name,
      );
    }
  });

  it('answers as it was asked to, or sends the browser on', async () => {
    for (const [status, expected] of [
      ['200', 200],
      ['201', 201],
      ['204', 204],
      ['404', 204],
      ['', 204],
    ] as const)
      assert.equal(
        (await send('bucket', signed({ key: 'k', success_action_status: status }))).status,
        expected,
        status,
      );
    const made = await send('bucket', signed({ key: 'a/<k>', success_action_status: '201' }));
    assert.deepEqual(
      [made.xml('Bucket'), made.xml('Key'), made.xml('ETag'), made.xml('Location')],
      ['bucket', 'a/&lt;k&gt;', made.headers.etag?.replaceAll('"', '&quot;'), `http://${s3.host}/bucket/a/%3Ck%3E`],
    );
    const etag = encodeURIComponent(made.headers.etag ?? '');
    for (const [url, expected] of [
      ['https://app.test/done', `https://app.test/done?bucket=bucket&key=a%26b&etag=${etag}`],
      ['https://app.test/done?x=1#y', `https://app.test/done?x=1&bucket=bucket&key=a%26b&etag=${etag}#y`],
    ] as const) {
      const sent = await send(
        'bucket',
        signed({ key: 'a&b', success_action_redirect: url, success_action_status: '201' }),
      );
      assert.deepEqual([sent.status, sent.headers.location], [303, expected]);
      assert.equal((await send('bucket', signed({ key: 'a&b', redirect: url }))).headers.location, expected);
    }
    for (const url of ['javascript:alert(1)', 'not a url', '//app.test', 'data:text/html,x'])
      assert.equal((await send('bucket', signed({ key: 'k', success_action_redirect: url }))).status, 204, url);
  });

  it('has a checksum that counts', async () => {
    const value = digestOf('CRC32', Buffer.from('content')).toString('base64');
    const done = await send('bucket', signed({ key: 'k', 'x-amz-checksum-crc32': value }));
    assert.deepEqual([done.status, done.headers['x-amz-checksum-crc32']], [204, value]);
    const wrong = digestOf('CRC32', Buffer.from('other')).toString('base64');
    assert.deepEqual(outcome(await send('bucket', signed({ key: 'wrong', 'x-amz-checksum-crc32': wrong }))), [
      400,
      'BadDigest',
    ]);
    assert.equal((await s3.send('HEAD', '/bucket/wrong')).status, 404);
  });
});

describe('the policy of a form', () => {
  const denied = async (fields: Record<string, string>, message: RegExp, upload?: Upload) => {
    const got = await send('bucket', fields, upload);
    assert.deepEqual(outcome(got), [403, 'AccessDenied'], got.text);
    assert.match(got.xml('Message')?.replaceAll('&quot;', '"') ?? '', message);
    assert.equal((await s3.send('HEAD', '/bucket/denied')).status, 404, 'nothing was stored');
  };
  const key = 'denied';

  it('holds whatever its words, in any case', async () => {
    for (const conditions of [
      [{ KEY: 'held' }],
      [['EQ', '$Key', 'held']],
      [['Starts-With', '$key', 'he']],
      [['starts-with', '$key', '']],
      [['starts-with', '$key', ''], ['eq', '$key', 'held'], { key: 'held' }],
      [['content-length-range', 7, 7], { key: 'held' }],
      [['content-length-range', '0', '10'], { key: 'held' }],
      [['starts-with', '$x-amz-meta-absent', ''], { key: 'held' }],
    ])
      assert.equal(
        (await send('bucket', signed({ key: 'held' }, { conditions }))).status,
        204,
        JSON.stringify(conditions),
      );
    const types = { conditions: [['starts-with', '$Content-Type', 'image/']] };
    assert.equal(
      (await send('bucket', signed({ key: 'held', 'Content-Type': 'image/png,image/gif' }, types))).status,
      204,
    );
    await denied(signed({ key, 'Content-Type': 'image/png,text/html' }, types), /starts-with.*content-type/);
  });

  it('is held against every field, after the name of the file was put in (RustFS GHSA-w5fh, MinIO CVE-2023-28434)', async () => {
    await denied(
      signed({ key }, { conditions: [{ key: 'other' }] }),
      /Policy Condition failed: \["eq","\$key","other"\]/,
    );
    await denied(signed({ key }, { conditions: [['starts-with', '$key', 'user/']] }), /starts-with/);
    await denied(signed({ key }, { conditions: [['eq', '$acl', 'public-read']] }), /\$acl/);
    await denied(signed({ key }, { conditions: [{ bucket: 'other' }] }), /\$bucket/);
    await denied({ ...signed({ key }), 'x-amz-meta-more': 'x' }, /Extra input fields: x-amz-meta-more/);
    await denied({ ...signed({ key }), tagging: '<Tagging/>' }, /Extra input fields: tagging/);
    await denied({ ...signed({ key }), success_action_redirect: 'https://evil.test' }, /Extra input fields/);
    await denied({ ...signed({ key: 'k' }), key }, /Policy Condition failed/);
    await denied(signed({ key: '${filename}' }, { conditions: [['starts-with', '$key', 'user/']] }), /starts-with/, {
      filename: 'denied',
    });
    assert.equal((await send('bucket', { ...signed({ key: 'k' }), 'x-ignore-this': 'x' })).status, 204);
  });

  it('is over when it says', async () => {
    await denied(signed({ key }, { expiration: new Date(Date.now() - 1000).toISOString() }), /Policy expired/);
  });

  it('bounds the file, from both sides, while it comes', async () => {
    const between = { conditions: [['content-length-range', 3, 5]] };
    const sized = (file: string) => send('bucket', signed({ key: 'range' }, between), { file });
    const large = await sized('123456');
    assert.deepEqual([...outcome(large), large.xml('MaxSizeAllowed')], [400, 'EntityTooLarge', '5']);
    const small = await sized('12');
    assert.deepEqual(
      [...outcome(small), small.xml('MinSizeAllowed'), small.xml('ProposedSize')],
      [400, 'EntityTooSmall', '3', '2'],
    );
    assert.equal((await s3.send('HEAD', '/bucket/range')).status, 404);
    for (const file of ['123', '12345']) assert.equal((await sized(file)).status, 204);
  });

  it('that is none is InvalidPolicyDocument', async () => {
    const conditions = (list: unknown) => ({
      change: (policy: unknown) => JSON.stringify({ ...(policy as object), conditions: list }),
    });
    for (const options of [
      { change: () => 'text' },
      { change: () => '[]' },
      { change: () => '{}' },
      { change: (policy: unknown) => JSON.stringify({ ...(policy as object), extra: 1 }) },
      { change: (policy: unknown) => JSON.stringify(policy).slice(0, -1) },
      { expiration: 'tomorrow' },
      { expiration: '2030-01-01' },
      { expiration: '2030-13-01T00:00:00Z' },
      conditions({}),
      conditions(['text']),
      conditions([{}]),
      conditions([{ a: '1', b: '2' }]),
      conditions([{ key: 1 }]),
      conditions([['eq', 'key', 'k']]),
      conditions([['eq', '$key']]),
      conditions([['matches', '$key', 'k']]),
      conditions([['content-length-range', 1]]),
      conditions([['content-length-range', -1, 1]]),
      conditions([['content-length-range', 'x', 1]]),
      conditions([['content-length-range', 2, 1]]),
      conditions(Array.from({ length: 201 }, () => ['starts-with', '$key', ''])),
    ])
      assert.deepEqual(
        outcome(await send('bucket', signed({ key: 'k' }, options))),
        [400, 'InvalidPolicyDocument'],
        JSON.stringify(options),
      );
  });
});
