import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { DsomClient } from './client.ts';
import { DsomError } from './error.ts';
import { MemoryStore, manualEdges } from './testing/index.ts';

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

function setup(options: { attempts?: number } = {}) {
  const store = new MemoryStore({ md5 });
  const edges = manualEdges(store.fetch);
  const client = new DsomClient({
    endpoint: 'http://127.0.0.1:9000',
    accessKeyId: 'test',
    secretAccessKey: 'secret',
    edges,
    ...options,
  });
  return { store, edges, client };
}

const codeIs = (code: string) => (cause: unknown) => cause instanceof DsomError && cause.code === code;

test('a failing server is asked again, with waits below bounds that double', async () => {
  const { store, edges, client } = setup();
  await client.buckets.create('b');
  let failures = 3;
  store.intercept = () => (failures-- > 0 ? new Response('', { status: 500 }) : undefined);
  await client.put('b', 'k', 'v');
  assert.deepEqual(edges.sleeps, [50, 100, 200]);
  edges.sleeps.length = 0;
  edges.dice = 0;
  failures = 2;
  await client.put('b', 'k', 'v');
  assert.deepEqual(edges.sleeps, [0, 0]);
});

test('in a page of another origin, what may be missing is told', async () => {
  for (const [page, hint] of [
    [
      'https://app.example',
      ' If the server runs, it has to let pages of https://app.example in: dsom server --allow-origin https://app.example',
    ],
    ['http://127.0.0.1:9000', ''],
    [undefined, ''],
  ] as const) {
    const edges = { ...manualEdges(() => Promise.reject(new TypeError('Failed to fetch'))), page: () => page };
    const keys = { accessKeyId: 'test', secretAccessKey: 'secret' };
    const client = new DsomClient({ endpoint: 'http://127.0.0.1:9000', ...keys, edges, attempts: 1 });
    const message = `No answer from http://127.0.0.1:9000 (Failed to fetch).${hint}`;
    await assert.rejects(client.head('b', 'k'), { name: 'DsomError', code: 'ConnectionFailed', message });
  }
});

test('tries are limited, and the error tells how many there were', async () => {
  const { store, client } = setup({ attempts: 3 });
  store.intercept = () =>
    new Response('<Error><Code>SlowDown</Code><Message>slow</Message><RequestId>abc</RequestId></Error>', {
      status: 503,
    });
  const failure = await client.get('b', 'k').catch((cause: unknown) => cause);
  assert.ok(failure instanceof DsomError);
  assert.deepEqual(
    [failure.code, failure.status, failure.attempts, failure.retryable, failure.requestId],
    ['SlowDown', 503, 3, true, 'abc'],
  );
  assert.equal(store.requests.length, 3);
});

test('an answer without a body is told by its code', async () => {
  const { store, client } = setup({ attempts: 1 });
  for (const [status, code, message] of [
    [404, 'NoSuchKey', 'The object does not exist.'],
    [404, 'NoSuchBucket', 'The bucket does not exist.'],
    [405, undefined, 'The server answered 405 Not here.'],
  ] as const) {
    store.intercept = () =>
      new Response(null, {
        status,
        statusText: 'Not here',
        headers: code === undefined ? {} : { 'x-dsom-error-code': code },
      });
    await assert.rejects(client.head('b', 'k'), { code: code ?? 'MethodNotAllowed', status, message });
  }
});

test('Retry-After is waited for', async () => {
  const { store, edges, client } = setup();
  await client.buckets.create('b');
  let first = true;
  store.intercept = () => {
    if (!first) return undefined;
    first = false;
    return new Response('', { status: 503, headers: { 'retry-after': '7' } });
  };
  await client.put('b', 'k', 'v');
  assert.deepEqual(edges.sleeps, [7050]);
});

test("the client's own mistakes are not repeated", async () => {
  const { store, client } = setup();
  await assert.rejects(client.put('missing', 'k', 'v'), codeIs('NoSuchBucket'));
  await assert.rejects(client.buckets.get('missing'), codeIs('NoSuchBucket'));
  await assert.rejects(client.head('missing', 'k'), codeIs('NotFound'));
  assert.equal(store.requests.length, 3);
});

test('a lost connection is tried again where that is safe, and only there', async () => {
  const { store, client } = setup();
  await client.buckets.create('b');
  let broken = true;
  store.intercept = () => {
    if (!broken) return undefined;
    broken = false;
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) });
  };
  await client.put('b', 'k', 'v');
  broken = true;
  await assert.rejects(
    client.append('b', 'k', 'w'),
    (cause) => codeIs('ConnectionFailed')(cause) && /ECONNRESET: reset/.test(String(cause)),
  );
  broken = true;
  await assert.rejects(client.keys.create({ name: 'x' }), codeIs('ConnectionFailed'));
  assert.equal(new TextDecoder().decode(store.bytes('b', 'k')), 'v');
});

test('an append that the server refused to begin is tried again', async () => {
  const { store, client } = setup();
  await client.buckets.create('b');
  let refused = true;
  store.intercept = () => {
    if (!refused) return undefined;
    refused = false;
    return new Response('{"code":"SlowDown","detail":"later"}', { status: 503 });
  };
  assert.equal((await client.append('b', 'log', 'one')).size, 3);
  assert.equal((await client.append('b', 'log', 'two', { offset: 3 })).size, 6);
  await assert.rejects(client.append('b', 'log', 'two', { offset: 3 }), codeIs('PreconditionFailed'));
});

test('a wrong clock is corrected by what the server says', async () => {
  const { store, edges, client } = setup();
  await client.buckets.create('b');
  const skew = 3_600_000;
  store.intercept = (request) => {
    const sent = request.headers.get('x-amz-date')!;
    const time = Date.parse(sent.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
    if (Math.abs(edges.time + skew - time) < 900_000) return undefined;
    const headers = { date: new Date(edges.time + skew).toUTCString() };
    return new Response('<Error><Code>RequestTimeTooSkewed</Code></Error>', { status: 403, headers });
  };
  await client.put('b', 'k', 'v');
  const before = store.requests.length;
  await client.put('b', 'k', 'v');
  assert.equal(store.requests.length, before + 1);
});

test('a try that takes too long is broken off', async () => {
  const { store, edges } = setup({ attempts: 2 });
  store.intercept = () => new Promise(() => {});
  const hanging = (url: string, init: RequestInit) =>
    new Promise<Response>((_, reject) => {
      void store.fetch(url, init);
      init.signal!.addEventListener('abort', () => reject(init.signal!.reason));
    });
  const slow = new DsomClient({
    endpoint: 'http://h',
    accessKeyId: 'a',
    secretAccessKey: 'b',
    attempts: 2,
    edges: { ...edges, fetch: hanging },
  });
  const pending = slow.head('b', 'k');
  const fire = setInterval(() => edges.fire(), 5);
  await assert.rejects(pending, codeIs('TimedOut'));
  clearInterval(fire);
  assert.equal(store.requests.length, 2);
});

test('an abort stops at once and throws its reason', async () => {
  const { store, edges, client } = setup();
  const controller = new AbortController();
  store.intercept = () => {
    controller.abort(new Error('enough'));
    throw new TypeError('fetch failed');
  };
  await assert.rejects(client.put('b', 'k', 'v', { signal: controller.signal }), /enough/);
  await assert.rejects(client.get('b', 'k', { signal: controller.signal }), /enough/);
  assert.equal(store.requests.length, 1);
  assert.deepEqual(edges.sleeps, []);
});

test('a made bucket whose answer was lost is no conflict', async () => {
  const { store, client } = setup();
  let lost = true;
  store.intercept = (request) => {
    if (!lost) return undefined;
    lost = false;
    store.buckets.set('b', { name: 'b', createdAt: new Date(0), settings: {}, objects: new Map() });
    throw new TypeError(`lost ${request.path}`);
  };
  assert.equal((await client.buckets.create('b')).name, 'b');
  await assert.rejects(client.buckets.create('b'), codeIs('BucketAlreadyOwnedByYou'));
});

test('bodies are signed on open connections and not on encrypted ones', async () => {
  const { store, edges, client } = setup();
  await client.buckets.create('b');
  await client.put('b', 'k', 'hello');
  assert.equal(
    store.requests.at(-1)!.headers.get('x-amz-content-sha256'),
    createHash('sha256').update('hello').digest('hex'),
  );
  const encrypted = new DsomClient({ endpoint: 'https://h', accessKeyId: 'test', secretAccessKey: 'b', edges });
  await encrypted.put('b', 'k', 'hello');
  assert.equal(store.requests.at(-1)!.headers.get('x-amz-content-sha256'), 'UNSIGNED-PAYLOAD');
});

test('a session carries tokens and merges those of parallel requests', async () => {
  const { store, client } = setup();
  store.buckets.set('b', { name: 'b', createdAt: new Date(0), settings: {}, objects: new Map() });
  let count = 0;
  store.intercept = () => new Response('', { headers: { 'x-dsom-token': `t${++count}` } });
  const session = client.session();
  await session.put('b', 'a', '');
  assert.equal(session.tokens, 't1');
  await Promise.all([session.put('b', 'b', ''), session.put('b', 'c', '')]);
  assert.equal(session.tokens, 't2,t3');
  await session.put('b', 'd', '');
  const last = store.requests.at(-1)!.headers;
  assert.deepEqual([last.get('x-dsom-token'), last.get('x-dsom-consistency')], ['t2,t3', 'causal']);
  assert.equal(session.tokens, 't4');
  await client.put('b', 'e', '');
  assert.equal(store.requests.at(-1)!.headers.get('x-dsom-token'), null);
  await client.session({ tokens: session.tokens, consistency: 'strong' }).put('b', 'f', '');
  assert.equal(store.requests.at(-1)!.headers.get('x-dsom-token'), 't4');
});

test('endpoints that cannot work are refused at once', () => {
  for (const endpoint of ['localhost:9000', 'ftp://h', 'http://h/path', 'http://u:p@h', ''])
    assert.throws(
      () => new DsomClient({ endpoint, accessKeyId: 'a', secretAccessKey: 'b' }),
      codeIs('InvalidArgument'),
    );
  assert.throws(() => new DsomClient({ endpoint: 'http://h', accessKeyId: '', secretAccessKey: 'b' }), /are needed/);
});
