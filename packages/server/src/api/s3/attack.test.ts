import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, it } from 'node:test';
import { manualHost, realHost } from '../../host/index.ts';
import { until } from '../../host/patience.support.ts';
import { limits } from '../../limits.ts';
import { type Harness, large, serveFake, startHarness, withLarge } from './harness.support.ts';
import { malformed } from './malformed.support.ts';
import { fakeObjects } from './objects.support.ts';

/* What the network may do to the handler: smuggle, stall, vanish, flood. */

const { timers } = realHost();

const { fake, s3 } = await serveFake(withLarge);

const answers = (text: string) => text.match(/HTTP\/1\.1 \d{3}/g) ?? [];

describe('malformed HTTP', () => {
  for (const [what, bytes] of malformed) {
    it(`${what} gets one 4xx, or nothing, and the connection ends`, async () => {
      const text = await s3.raw(bytes(s3.host));
      assert.ok(answers(text).length <= 1, text);
      if (text !== '') assert.match(text, /^HTTP\/1\.1 (4\d\d|501) /);
      assert.ok(!s3.telemetry.some((row) => row.status < 400));
    });
  }

  it('a header that decides who asks must be single', async () => {
    const head = s3.signedHead('GET', '/bucket/large');
    for (const extra of [
      `Host: evil\r\n`,
      'Authorization: AWS4-HMAC-SHA256 x\r\n',
      'x-amz-date: 20200101T000000Z\r\n',
      'x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n',
    ]) {
      const text = await s3.raw(`${head}${extra}Connection: close\r\n\r\n`);
      assert.match(text, /^HTTP\/1\.1 40[03] /, extra);
    }
  });

  it('an absolute target is its path, for the very same host only', async () => {
    const [, rest] = s3.signedHead('HEAD', '/bucket/large').split(/(?<=^HEAD )/);
    assert.match(await s3.raw(`HEAD http://${s3.host}${rest}Connection: close\r\n\r\n`), /^HTTP\/1\.1 200 /);
    assert.match(await s3.raw(`HEAD http://evil.test${rest}Connection: close\r\n\r\n`), /^HTTP\/1\.1 400 /);
  });
});

describe('paths and parameters', () => {
  it('never lead anywhere but to their own key', async () => {
    for (const raw of [
      '/bucket/%2e%2e/x',
      '/bucket/..%2Fx',
      '/bucket/%00',
      '/bucket/%5c..%5cx',
      '/bucket/%252e%252e',
      '/bucket//',
      '/bucket/%2F',
    ]) {
      const put = await s3.send('PUT', '', { rawPath: raw, body: raw });
      assert.equal(put.status, 200, raw);
      assert.equal((await s3.send('GET', '', { rawPath: raw })).text, raw);
    }
    assert.equal((await s3.send('GET', '', { rawPath: '/bucket/../other' })).code, 'NoSuchKey');
  });

  it('must be UTF-8', async () => {
    for (const raw of ['/bucket/%ff', '/bucket/%c0%ae', '/bucket/%ed%a0%80', '/bucket/%zz', '/bucket/%2']) {
      const got = await s3.send('GET', '', { rawPath: raw, as: 'anonymous' });
      assert.deepEqual([got.status, got.code], [400, 'InvalidURI'], raw);
    }
  });

  it('must not be given twice', async () => {
    const text = await s3.raw(
      `GET /bucket?prefix=a&prefix=b HTTP/1.1\r\nHost: ${s3.host}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(text, /<Code>InvalidArgument<\/Code>/);
  });
});

describe('bodies', () => {
  it('are asked for only once the sender may send', async () => {
    const seen = (options: Parameters<Harness['send']>[2], path: string) =>
      new Promise<{ continued: boolean; status: number; closes: boolean }>((resolve) => {
        let continued = false;
        const head = s3.signedHead('PUT', path, options);
        const socket = net.connect(s3.port, '127.0.0.1');
        let text = '';
        socket.on('data', (data) => {
          text += data.toString('latin1');
          if (text.startsWith('HTTP/1.1 100') && !continued) {
            continued = true;
            socket.write('x'.repeat(100_000));
          }
          if (/HTTP\/1\.1 [2-5]\d\d[\s\S]*\r\n\r\n/.test(text) && !/HTTP\/1\.1 [45]/.test(text)) socket.end();
        });
        socket.on('close', () =>
          resolve({
            continued,
            status: Number(/HTTP\/1\.1 ([2-5]\d\d)/.exec(text)?.[1]),
            closes: /Connection: close/i.test(text),
          }),
        );
        socket.write(`${head}Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n`);
      });
    const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    assert.deepEqual(await seen({ headers }, '/bucket/continued'), { continued: true, status: 200, closes: false });
    assert.deepEqual(await seen({ as: 'anonymous' }, '/bucket/continued'), {
      continued: false,
      status: 403,
      closes: true,
    });
    assert.deepEqual(await seen({ headers }, '/missing/continued'), { continued: false, status: 404, closes: true });
    assert.deepEqual(await seen({ headers: { ...headers, 'x-amz-acl': 'public-read' } }, '/bucket/continued'), {
      continued: false,
      status: 400,
      closes: true,
    });
  });

  it('of a refused request are never taken for the next request', async () => {
    const smuggled = `${s3.signedHead('DELETE', '/bucket/large')}Connection: close\r\n\r\n`;
    const text = await s3.raw(
      `PUT /bucket/x HTTP/1.1\r\nHost: ${s3.host}\r\nExpect: 100-continue\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    );
    assert.equal(answers(text).length, 1, text);
    assert.match(text, /^HTTP\/1\.1 403 /);
    const other = await s3.raw(
      `PUT /bucket/x HTTP/1.1\r\nHost: ${s3.host}\r\nContent-Length: 5\r\n\r\nhello${smuggled}`,
    );
    assert.deepEqual(answers(other), ['HTTP/1.1 403', 'HTTP/1.1 204'], 'what follows a body is a request of its own');
    await s3.send('PUT', '/bucket/large', { body: large });
  });

  it('that are large and refused still let their sender read why, even one that reads only when it has sent all', async () => {
    const text = await new Promise<string>((resolve) => {
      const socket = net.connect(s3.port, '127.0.0.1');
      let answer = '';
      socket.on('error', (error) => resolve(`${answer} ${error.message}`));
      socket.on('close', () => resolve(answer));
      socket.pause();
      socket.write(
        `${s3.signedHead('PUT', '/missing/x', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })}Content-Length: ${large.length}\r\n\r\n`,
      );
      socket.write(large, () => {
        socket.on('data', (data) => (answer += data.toString('latin1')));
        socket.resume();
      });
    });
    assert.match(text, /^HTTP\/1\.1 404 [\s\S]*Connection: close[\s\S]*NoSuchBucket[\s\S]*<\/Error>$/);
  });

  it('that never end, or never come, are cut off by their bytes or by the time', async () => {
    const manual = manualHost();
    const other = await startHarness(fakeObjects().service, { timers: manual.timers });
    try {
      for (const pours of [true, false]) {
        let closed = false;
        let answer = '';
        const socket = net.connect(other.port, '127.0.0.1');
        const chunk = Buffer.alloc(65_536);
        const pour = () => {
          while (pours && !socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', pour);
        socket.on('data', (data) => (answer += data.toString('latin1')));
        socket.on('error', () => undefined);
        socket.on('close', () => (closed = true));
        socket.write(
          `${other.signedHead('PUT', '/missing/x', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })}Content-Length: ${5 * 1024 ** 3}\r\n\r\n`,
        );
        pour();
        if (!pours) {
          await until(() => answer.includes('</Error>'), 'the answer');
          await timers.sleep(50);
          assert.equal(closed, false);
          manual.advance(limits.lingerMs);
        }
        await until(() => closed, 'the end');
        if (!pours) assert.match(answer, /^HTTP\/1\.1 404 /);
      }
    } finally {
      await other.close();
    }
  });

  it('need a length, and not too much of it', async () => {
    const put = (headers: Record<string, string>) =>
      s3.send('PUT', '/bucket/l', {
        headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers },
        expect: true,
      });
    assert.deepEqual(
      [(await put({ 'transfer-encoding': 'chunked' })).status, (await put({ 'transfer-encoding': 'chunked' })).code],
      [411, 'MissingContentLength'],
    );
    const huge = await put({ 'content-length': String(5 * 1024 ** 3 + 1) });
    assert.deepEqual([huge.code, huge.xml('MaxSizeAllowed')], ['EntityTooLarge', String(5 * 1024 ** 3)]);
    for (const bad of ['5, 5', '-1', '1e3', '0x10', '', '99999999999999999999']) {
      const got = await put({
        'content-length': '10',
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': bad,
      });
      assert.equal(got.code, 'InvalidArgument', bad);
    }
    assert.equal(
      (
        await s3.send('PUT', '/bucket/l', {
          body: 'abc',
          headers: { 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' },
        })
      ).code,
      'MissingContentLength',
    );
  });

  it('in broken chunks store nothing', async () => {
    const send = (body: string, decoded: number, form = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') =>
      s3.send('PUT', '/bucket/broken', {
        body,
        headers: { 'x-amz-content-sha256': form, 'x-amz-decoded-content-length': String(decoded) },
      });
    for (const [body, decoded] of [
      ['5\r\nhello\r\n', 5],
      ['5\r\nhello\r\n0\r\n\r\n', 6],
      ['5\r\nhello\r\n0\r\n\r\n', 4],
      ['zz\r\nhello\r\n0\r\n\r\n', 5],
      ['ffffffffffffffff\r\nhello\r\n0\r\n\r\n', 5],
      ['5\r\nhelloX\r\n0\r\n\r\n', 5],
      ['5;a=b\r\nhello\r\n0\r\n\r\nx-amz-meta-a:b\r\n\r\n', 5],
      ['', 5],
    ] as const) {
      const got = await send(body, decoded);
      assert.ok(got.status >= 400 && got.status < 500, `${body} ${got.status}`);
    }
    const unsigned = await send(
      '5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\n\r\n',
      5,
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    );
    assert.ok(unsigned.status >= 400 && unsigned.status < 500);
    assert.equal((await s3.send('GET', '/bucket/broken')).status, 404);
  });

  it('whose sender vanishes abort the upload', async () => {
    const begun = fake.taken.streamed;
    const socket = net.connect(s3.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `${s3.signedHead('PUT', '/bucket/vanished', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } })}Content-Length: 1000000\r\n\r\n${'x'.repeat(200_000)}`,
    );
    await until(() => fake.taken.streamed > begun, 'the upload');
    socket.destroy();
    await until(() => fake.aborted.includes('vanished'), 'the abort');
    await until(() => s3.telemetry.some((row) => row.operation === 'PutObject' && row.status === 499), 'the telemetry');
    assert.equal((await s3.send('GET', '/bucket/vanished')).status, 404);
  });
});
