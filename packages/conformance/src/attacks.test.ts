/* What a hostile client may try; each must be refused cleanly, and the server must go on serving. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeRaw, presign, statuses } from './raw.ts';
import { pathOf } from './request.ts';
import { target } from './target.ts';

const body = 'kept bytes';
const store = target(async (store) => {
  await store.send('PUT', '/attacks');
  await store.send('PUT', '/attacks/victim', { body });
});
const stillServes = async () => assert.equal((await store.send('GET', '/attacks/victim')).text(), body);
const host = () => `Host: 127.0.0.1:${store.port}\r\n`;

test('request smuggling: lengths that contradict each other are refused and the connection ends', async () => {
  const smuggled = 'GET /attacks/victim HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const headers of [
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
    'Content-Length: 4\r\nContent-Length: 5\r\n',
    'Content-Length: 4, 5\r\n',
    'Content-Length: +4\r\n',
    'Content-Length: -1\r\n',
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding : chunked\r\n',
    'Transfer-Encoding:\x0bchunked\r\n',
    'X: y\nTransfer-Encoding: chunked\r\n',
    'Bad Header: x\r\n',
    'X-Null: a\x00b\r\n',
  ]) {
    const answer = await exchangeRaw(
      store.port,
      `PUT /attacks/x HTTP/1.1\r\n${host()}${headers}\r\n0\r\n\r\n${smuggled}`,
    );
    const seen = statuses(answer);
    assert.ok(seen.length <= 1, `${JSON.stringify(headers)}: answered ${seen.join(', ')}`);
    assert.ok(
      seen.every((status) => status >= 400),
      `${JSON.stringify(headers)}: ${seen.join(', ')}`,
    );
  }
  await stillServes();
});

test('oversized and malformed request heads', async () => {
  for (const head of [
    `GET / HTTP/1.1\r\n${host()}X-Long: ${'a'.repeat(100_000)}\r\n\r\n`,
    `GET / HTTP/1.1\r\n${host()}${Array.from({ length: 3000 }, (_, i) => `X-${i}: y\r\n`).join('')}\r\n`,
    `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${host()}\r\n`,
    'GET / HTTP/1.1\r\n\r\n',
    'GARBAGE\r\n\r\n',
    `GET / HTTP/9.9\r\n${host()}\r\n`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ]) {
    const seen = statuses(await exchangeRaw(store.port, head));
    assert.ok(
      seen.every((status) => status >= 400),
      `${JSON.stringify(head.slice(0, 40))}: ${seen}`,
    );
  }
  const long = await exchangeRaw(store.port, `GET / HTTP/1.1\r\n${host()}X-Long: ${'a'.repeat(100_000)}\r\n\r\n`);
  assert.match(long, /RequestHeaderSectionTooLarge/);
  await stillServes();
});

test('paths that mean to leave their bucket are keys, or refused', async () => {
  await store.send('PUT', '/attacks2');
  await store.send('PUT', '/attacks2/secret', { body: 'secret' });
  for (const key of [
    '../attacks2/secret',
    '..',
    '.',
    '%2e%2e/attacks2/secret',
    '..\\attacks2\\secret',
    './victim',
    '//victim',
    '\u0000',
    'a\u0000/../../x',
  ]) {
    const put = await store.send('PUT', pathOf('attacks', key), { body: `as ${key}` });
    assert.ok(put.status === 200 || put.status === 400, `${JSON.stringify(key)}: ${put.status}`);
    if (put.status === 200) assert.equal((await store.send('GET', pathOf('attacks', key))).text(), `as ${key}`);
  }
  assert.equal((await store.send('GET', '/attacks2/secret')).text(), 'secret');
  for (const path of ['/attacks/%ff%fe', '/attacks/%zz', '/attacks/%c0%ae%c0%ae', '/attacks/%ed%a0%80'])
    assert.match(
      statuses(await exchangeRaw(store.port, `GET ${path} HTTP/1.1\r\n${host()}Connection: close\r\n\r\n`)).join(),
      /^(400|403)$/,
      path,
    );
  await stillServes();
});

test('XML that wants to explode', async () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE lol [<!ENTITY a "aaaaaaaaaa">${Array.from({ length: 9 }, (_, i) => `<!ENTITY ${'bcdefghij'[i]} "${`&${'abcdefghi'[i]};`.repeat(10)}">`).join('')}]><Delete><Object><Key>&j;</Key></Object></Delete>`;
  const external =
    '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>';
  const deep = `<Delete>${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}</Delete>`;
  const many = `<Delete>${'<Object><Key>k</Key></Object>'.repeat(1001)}</Delete>`;
  const huge = `<Delete><Object><Key>${'k'.repeat(4 << 20)}</Key></Object></Delete>`;
  for (const [what, xml] of Object.entries({
    bomb,
    external,
    deep,
    many,
    huge,
    broken: '<Delete><Object>',
    other: '<Other/>',
    empty: '',
  })) {
    const { createHash } = await import('node:crypto');
    const answer = await store.send('POST', '/attacks', {
      query: { delete: '' },
      body: xml,
      headers: { 'content-md5': createHash('md5').update(xml).digest('base64') },
    });
    assert.equal(answer.status, 400, `${what}: ${answer.status} ${answer.text().slice(0, 200)}`);
    assert.ok(!answer.text().includes('root:'), what);
  }
  await stillServes();
});

test('presigned addresses do what was signed and nothing else', async () => {
  const fetchStatus = async (url: string, init?: RequestInit) => {
    const answer = await fetch(url, init);
    return `${answer.status} ${/<Code>(\w+)/.exec(await answer.text())?.[1] ?? ''}`.trim();
  };
  const get = presign(store.endpoint, 'GET', '/attacks/victim');
  assert.equal(await fetchStatus(get), '200');
  assert.equal(await fetchStatus(get, { method: 'DELETE' }), '403 SignatureDoesNotMatch');
  assert.equal(await fetchStatus(get.replace('victim', 'other')), '403 SignatureDoesNotMatch');
  assert.equal(await fetchStatus(`${get}&versionId=null`), '403 SignatureDoesNotMatch');
  assert.equal(await fetchStatus(get, { headers: { 'x-amz-acl': 'public-read' } }), '403 AccessDenied');
  const put = presign(store.endpoint, 'PUT', '/attacks/put');
  assert.equal(
    await fetchStatus(put, { method: 'PUT', headers: { 'x-amz-copy-source': '/attacks/victim' } }),
    '403 AccessDenied',
  );
  assert.equal(
    await fetchStatus(presign(store.endpoint, 'GET', '/attacks/victim', { skewMs: -400_000 })),
    '403 AccessDenied',
  );
  assert.equal(
    await fetchStatus(presign(store.endpoint, 'GET', '/attacks/victim', { skewMs: 20 * 60_000 })),
    '403 AccessDenied',
  );
  for (const expires of [0, -1, 604_801])
    assert.match(
      await fetchStatus(presign(store.endpoint, 'GET', '/attacks/victim', { expires })),
      /^400 AuthorizationQueryParametersError|^403 AccessDenied/,
      String(expires),
    );
  assert.equal(await fetchStatus(`${get}&X-Amz-Expires=604800`), '400 InvalidArgument');
  await stillServes();
});

test('clock skew: fifteen minutes are allowed, more is not', async () => {
  const status = async (skewMs: number) => (await store.send('GET', '/attacks/victim', { skewMs })).status;
  assert.equal(await status(14.9 * 60_000), 200);
  assert.equal(await status(-14.9 * 60_000), 200);
  assert.equal(await status(15.2 * 60_000), 403);
  assert.equal(await status(-15.2 * 60_000), 403);
});

test('a changed signature, scope, header or body is refused', async () => {
  const code = async (options: Parameters<typeof store.send>[2], method = 'PUT') => {
    const answer = await store.send(method, '/attacks/changed', { body: 'x', ...options });
    return `${answer.status} ${answer.element('Code')}`;
  };
  assert.equal(
    await code({
      tamper: ({ headers }) =>
        (headers['authorization'] =
          headers['authorization']!.slice(0, -1) + (headers['authorization']!.endsWith('0') ? '1' : '0')),
    }),
    '403 SignatureDoesNotMatch',
  );
  assert.equal(await code({ tamper: ({ headers }) => (headers['x-amz-meta-a'] = 'added') }), '403 AccessDenied');
  assert.equal(await code({ tamper: (request) => (request.path = '/attacks/elsewhere') }), '403 SignatureDoesNotMatch');
  assert.equal(await code({ secretAccessKey: 'wrong' }), '403 SignatureDoesNotMatch');
  assert.equal(await code({ accessKeyId: 'NOBODY' }), '403 InvalidAccessKeyId');
  assert.equal(await code({ region: 'mars-1' }), '400 AuthorizationHeaderMalformed');
  assert.equal(await code({ payloadHash: '0'.repeat(64) }), '400 XAmzContentSHA256Mismatch');
  assert.equal(await code({ headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' } }), '400 BadDigest');
  assert.equal(await code({ headers: { 'content-md5': 'short' } }), '400 InvalidDigest');
  assert.equal((await store.send('GET', '/attacks/changed')).status, 404, 'nothing of it became visible');
});

test('an upload that breaks off leaves nothing visible', async () => {
  const signed = presign(store.endpoint, 'PUT', '/attacks/aborted');
  const { pathname, search } = new URL(signed);
  await exchangeRaw(
    store.port,
    `PUT ${pathname}${search} HTTP/1.1\r\n${host()}Content-Length: 10000000\r\n\r\n${'x'.repeat(3_000_000)}`,
    300,
  );
  assert.equal((await store.send('GET', '/attacks/aborted')).status, 404);
  await stillServes();
});

test('anonymous requests are denied, whatever they ask', async () => {
  for (const [method, path] of [
    ['GET', '/'],
    ['GET', '/attacks'],
    ['GET', '/attacks/victim'],
    ['HEAD', '/attacks/victim'],
    ['PUT', '/attacks/x'],
    ['DELETE', '/attacks/victim'],
    ['GET', '/-/v1/buckets'],
    ['GET', '/-/v1/keys'],
    ['GET', '/-/admin/v1/status'],
    ['POST', '/-/admin/v1/scrub'],
    ['GET', '/nowhere/x'],
  ] as const) {
    const answer = await store.send(method, path, { anonymous: true });
    assert.equal(answer.status, 403, `${method} ${path}`);
  }
  const part = (name: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${content}\r\n`;
  const form = await store.send('POST', '/attacks', {
    anonymous: true,
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: `${part('key', 'x')}${part('file', 'x')}--b--\r\n`,
  });
  assert.equal(form.status, 403, form.text());
  assert.equal((await store.send('GET', '/attacks/x')).status, 404);
});

test('the log of the server says of refused requests which they were, and why', async () => {
  const form = { anonymous: true, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  for (const [method, path, options, operation, code] of [
    ['PUT', '/attacks/logged', { query: { uploadId: 'u', partNumber: 'x' } }, 'UploadPart', 'InvalidArgument'],
    ['GET', '/-/v1/buckets', { query: { limit: 'x' } }, 'listBuckets', 'InvalidArgument'],
    ['POST', '/', form, 'Unknown', 'MissingAuthenticationToken'],
  ] as const) {
    const { headers } = await store.send(method, path, options);
    const id = headers['x-amz-request-id'] ?? headers['x-dsom-request-id'] ?? headers['x-amzn-requestid'];
    const line = `"operation":"${operation}","requestId":"${id}","status":4..,"code":"${code}","reason":"[^"]+"`;
    await store.says(new RegExp(`"request refused".*${line}`));
  }
  await exchangeRaw(store.port, 'GARBAGE\r\n\r\n');
  await store.says(/"request refused".*"code":"BadRequest".*"cause":"Parse Error/);
});
