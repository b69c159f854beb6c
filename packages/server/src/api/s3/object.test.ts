import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import { before, describe, it } from 'node:test';
import { realHost, type Timers } from '../../host/index.ts';
import { serveFake, startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';

const body = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
const md5 = createHash('md5').update(body).digest('hex');

const { fake, s3 } = await serveFake();

describe('PutObject and GetObject', () => {
  it('give back bytes and description', async () => {
    const put = await s3.send('PUT', '/bucket/a/b.bin', {
      body,
      headers: {
        'content-type': 'text/x',
        'cache-control': 'no-store',
        'content-encoding': 'aws-chunked,gzip',
        'x-amz-meta-Colour': 'red',
        'x-amz-tagging': 'a=1&b=%C3%A9',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      },
    });
    assert.equal(put.status, 400, 'aws-chunked without a STREAMING form');
    const good = await s3.send('PUT', '/bucket/a/b.bin', {
      body,
      headers: {
        'content-type': 'text/x',
        'cache-control': 'no-store',
        'content-encoding': 'gzip',
        expires: 'never',
        'content-language': 'de',
        'content-disposition': 'inline',
        'x-amz-website-redirect-location': '/x',
        'x-amz-meta-colour': 'red',
        'x-amz-tagging': 'a=1&b=%C3%A9',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        'x-dsom-consistency': 'causal',
        'x-dsom-redundancy': '{"copies":2}',
      },
    });
    assert.equal(good.status, 200);
    assert.equal(good.headers.etag, `"${md5}"`);
    assert.equal(good.headers['content-length'], '0');
    assert.equal(good.headers['x-amz-server-side-encryption'], 'AES256');
    assert.equal(good.headers['x-dsom-consistency'], 'causal');
    assert.equal(good.headers['x-dsom-redundancy'], 'copies=2');
    assert.match(String(good.headers['x-dsom-guk']), /^[0-9a-f]{32}$/);
    assert.match(String(good.headers['x-dsom-position']), /^\d+$/);
    assert.ok(good.headers['x-dsom-token']);
    assert.match(String(good.headers['x-amz-request-id']), /^request-/);
    assert.ok(good.headers['x-amz-id-2'] && good.headers.date && good.headers.server);
    assert.equal(good.headers['x-amz-version-id'], undefined);
    const get = await s3.send('GET', '/bucket/a/b.bin');
    assert.equal(get.status, 200);
    assert.deepEqual(get.body, body);
    for (const [name, value] of Object.entries({
      'content-type': 'text/x',
      'cache-control': 'no-store',
      'content-encoding': 'gzip',
      expires: 'never',
      'content-language': 'de',
      'content-disposition': 'inline',
      'x-amz-website-redirect-location': '/x',
      'x-amz-meta-colour': 'red',
      'x-amz-tagging-count': '2',
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'accept-ranges': 'bytes',
      'x-dsom-redundancy': 'copies=2',
      'content-length': '100',
      etag: `"${md5}"`,
      'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT',
    })) {
      assert.equal(get.headers[name], value, name);
    }
    const head = await s3.send('HEAD', '/bucket/a/b.bin');
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    const volatile = ['x-amz-request-id', 'date'];
    assert.deepEqual(
      { ...head.headers, ...Object.fromEntries(volatile.map((n) => [n, 0])) },
      { ...get.headers, ...Object.fromEntries(volatile.map((n) => [n, 0])) },
    );
  });

  it('default to binary/octet-stream and say nothing of STANDARD', async () => {
    await s3.send('PUT', '/bucket/plain', { body });
    const get = await s3.send('GET', '/bucket/plain');
    assert.equal(get.headers['content-type'], 'binary/octet-stream');
    assert.equal(get.headers['x-amz-storage-class'], undefined);
  });

  it('keep keys as bytes', async () => {
    for (const key of [
      '..',
      'a/../b',
      './x',
      'a//b',
      '/lead',
      'trail/',
      '%2F%00',
      'ключ/鍵/🔑',
      ' space ',
      'a+b&c=d?e#f',
      'é',
      'é',
      'x'.repeat(1024),
      '<&>"\'',
      '\\back',
    ]) {
      const value = Buffer.from(`value of ${key}`);
      assert.equal((await s3.send('PUT', `/bucket/${key}`, { body: value })).status, 200, key);
      assert.deepEqual((await s3.send('GET', `/bucket/${key}`)).body, value, key);
    }
    const long = await s3.send('PUT', `/bucket/${'y'.repeat(1025)}`);
    assert.deepEqual([long.status, long.code, long.xml('MaxSizeAllowed')], [400, 'KeyTooLongError', '1024']);
  });

  it('answer an empty object without a body, in one piece', async () => {
    await s3.send('PUT', '/bucket/empty');
    const get = await s3.send('GET', '/bucket/empty');
    assert.deepEqual([get.status, get.headers['content-length'], get.body.length], [200, '0', 0]);
    assert.equal((await s3.send('GET', '/bucket/empty', { headers: { range: 'bytes=0-' } })).status, 416);
    assert.equal((await s3.send('GET', '/bucket/empty', { query: { partNumber: '1' } })).status, 200);
  });

  it('take small bodies in whole and stream large ones, with back-pressure both ways', async () => {
    const large = Buffer.alloc(5_000_000, 'abcdefg');
    const before = { ...fake.taken };
    await s3.send('PUT', '/bucket/small', { body });
    await s3.send('PUT', '/bucket/large', { body: large, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
    await s3.send('PUT', '/bucket/large2', { body: large });
    const { whole, streamed, bytes } = before;
    assert.deepEqual(fake.taken, { whole: whole + 1, streamed: streamed + 2, bytes: bytes + 2 * large.length });
    fake.faults.forbidImmediate = true;
    const get = await s3.send('GET', '/bucket/large');
    assert.ok(get.body.equals(large));
    assert.ok(
      (await s3.send('GET', '/bucket/large2', { headers: { range: 'bytes=100000-4000000' } })).body.equals(
        large.subarray(100_000, 4_000_001),
      ),
    );
    const row = s3.telemetry.find((one) => one.operation === 'PutObject' && one.bytesIn === large.length);
    assert.ok(row);
    assert.ok(s3.telemetry.some((one) => one.operation === 'GetObject' && one.bytesOut === large.length));
  });
});

describe('a small body that came with its headers', () => {
  it('is taken without waiting: no timer is set for it', async () => {
    const host = realHost();
    let set = 0;
    const timers: Timers = {
      ...host.timers,
      after: (ms, run) => {
        set++;
        return host.timers.after(ms, run);
      },
    };
    const other = await startHarness(fakeObjects().service, { timers });
    try {
      await other.send('PUT', '/bucket');
      set = 0;
      const whole = `${other.signedHead('PUT', '/bucket/k', { body: 'hello' })}Content-Length: 5\r\n\r\nhello`;
      const [first = '', ...rest] = (
        await other.raw(whole + whole.replace('HTTP/1.1\r\n', 'HTTP/1.1\r\nConnection: close\r\n'))
      )
        .split('HTTP/1.1 ')
        .slice(1);
      assert.match(first, /^200 /);
      assert.equal(rest.length, 1, 'the connection serves the next request');
      assert.equal(set, 0);
    } finally {
      await other.close();
    }
  });
});

describe('ranges and parts of GET', () => {
  before(async () => {
    await s3.send('PUT', '/bucket/r', { body });
  });
  const rows: readonly [string, number, string | undefined, number][] = [
    ['bytes=0-0', 206, 'bytes 0-0/100', 1],
    ['bytes=90-', 206, 'bytes 90-99/100', 10],
    ['bytes=-7', 206, 'bytes 93-99/100', 7],
    ['bytes=0-', 206, 'bytes 0-99/100', 100],
    ['bytes=50-5000', 206, 'bytes 50-99/100', 50],
    ['bytes=0-0,5-6', 200, undefined, 100],
    ['bytes=5-2', 200, undefined, 100],
    ['lines=1-2', 200, undefined, 100],
  ];
  for (const [range, status, contentRange, length] of rows) {
    it(range, async () => {
      for (const method of ['GET', 'HEAD']) {
        const got = await s3.send(method, '/bucket/r', { headers: { range } });
        assert.deepEqual(
          [got.status, got.headers['content-range'], got.headers['content-length']],
          [status, contentRange, String(length)],
        );
        if (method === 'GET') assert.equal(got.body.length, length);
      }
    });
  }

  it('beyond the end is InvalidRange, with what there is', async () => {
    const got = await s3.send('GET', '/bucket/r', { headers: { range: 'bytes=100-' } });
    assert.deepEqual(
      [got.status, got.code, got.xml('ActualObjectSize'), got.xml('RangeRequested')],
      [416, 'InvalidRange', '100', 'bytes=100-'],
    );
  });

  it('If-Range decides whether the range counts', async () => {
    const get = (value: string) => s3.send('GET', '/bucket/r', { headers: { range: 'bytes=1-2', 'if-range': value } });
    assert.equal((await get(`"${md5}"`)).status, 206);
    assert.equal((await get('"other"')).status, 200);
  });

  it('part 1 of an object that has none is all of it; others do not exist', async () => {
    const one = await s3.send('GET', '/bucket/r', { query: { partNumber: '1' } });
    assert.deepEqual([one.status, one.headers['content-range'], one.body.length], [206, 'bytes 0-99/100', 100]);
    const two = await s3.send('GET', '/bucket/r', { query: { partNumber: '2' } });
    assert.deepEqual([two.status, two.code], [416, 'InvalidPartNumber']);
    for (const bad of ['0', '-3', 'x', '10001', '1.5', '']) {
      const got = await s3.send('GET', '/bucket/r', { query: { partNumber: bad } });
      assert.deepEqual([got.status, got.code, got.xml('ArgumentName')], [400, 'InvalidArgument', 'partNumber'], bad);
    }
    const both = await s3.send('GET', '/bucket/r', { query: { partNumber: '1' }, headers: { range: 'bytes=0-1' } });
    assert.deepEqual([both.status, both.code], [400, 'InvalidRequest']);
  });
});

describe('conditions of GET', () => {
  before(async () => {
    await s3.send('PUT', '/bucket/c', { body });
  });
  it('304 has the headers of the object and no body', async () => {
    for (const method of ['GET', 'HEAD']) {
      const got = await s3.send(method, '/bucket/c', { headers: { 'if-none-match': `"${md5}"` } });
      assert.deepEqual([got.status, got.headers.etag, got.body.length], [304, `"${md5}"`, 0]);
      assert.ok(got.headers['last-modified']);
    }
  });
  it('412 names the condition', async () => {
    const got = await s3.send('GET', '/bucket/c', { headers: { 'if-match': '"no"' } });
    assert.deepEqual([got.status, got.code, got.xml('Condition')], [412, 'PreconditionFailed', 'If-Match']);
    const late = await s3.send('GET', '/bucket/c', {
      headers: { 'if-unmodified-since': 'Tue, 14 Nov 2000 22:13:20 GMT' },
    });
    assert.equal(late.xml('Condition'), 'If-Unmodified-Since');
  });
  it('hold for writes too', async () => {
    assert.equal((await s3.send('PUT', '/bucket/c', { body, headers: { 'if-none-match': '*' } })).status, 412);
    assert.equal((await s3.send('PUT', '/bucket/c', { body, headers: { 'if-match': `"${md5}"` } })).status, 200);
    assert.equal((await s3.send('PUT', '/bucket/none', { body, headers: { 'if-match': '"x"' } })).code, 'NoSuchKey');
  });
});

describe('response overrides', () => {
  before(async () => {
    await s3.send('PUT', '/bucket/o', { body, headers: { 'content-type': 'text/a' } });
  });
  it('replace headers of a signed request', async () => {
    const query = {
      'response-content-type': 'text/b',
      'response-content-disposition': 'attachment; filename="ключ"',
      'response-cache-control': 'no-cache',
      'response-content-language': 'fr',
      'response-expires': 'later',
      'response-content-encoding': 'identity',
    };
    for (const as of ['root', 'presigned'] as const) {
      const got = await s3.send('GET', '/bucket/o', { query, as });
      assert.equal(got.headers['content-type'], 'text/b');
      assert.equal(
        Buffer.from(got.headers['content-disposition']!, 'latin1').toString(),
        'attachment; filename="ключ"',
      );
      assert.deepEqual(
        [
          got.headers['cache-control'],
          got.headers['content-language'],
          got.headers.expires,
          got.headers['content-encoding'],
        ],
        ['no-cache', 'fr', 'later', 'identity'],
      );
    }
  });
  it('cannot smuggle a header in', async () => {
    const got = await s3.send('GET', '/bucket/o', { query: { 'response-content-type': 'a\r\nSet-Cookie: b=c' } });
    assert.deepEqual([got.status, got.code, got.headers['set-cookie']], [400, 'InvalidArgument', undefined]);
  });
  it('are refused to the anonymous, as is everything', async () => {
    assert.equal(
      (await s3.send('GET', '/bucket/o', { as: 'anonymous', query: { 'response-content-type': 'text/b' } })).status,
      403,
    );
  });
});

describe('connections', () => {
  it('serve many requests, also after errors', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (let i = 0; i < 20; i++) {
        assert.equal((await s3.send('PUT', '/bucket/keep', { body, agent })).status, 200);
        assert.equal((await s3.send('GET', '/bucket/missing', { agent })).status, 404);
        assert.equal((await s3.send('PUT', '/missing-bucket/k', { body, agent })).status, 404);
        assert.equal((await s3.send('GET', '/bucket/keep', { agent })).body.length, 100);
      }
    } finally {
      agent.destroy();
    }
  });
});
