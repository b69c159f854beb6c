import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { DsomClient } from './client.ts';
import { DsomError } from './error.ts';
import { partSizeFor, streamPartSize } from './multipart.ts';
import { MemoryStore, manualEdges } from './testing/index.ts';

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const MiB = 1024 * 1024;

async function setup(options: { uploadMemory?: number; attempts?: number } = {}) {
  const store = new MemoryStore({ md5 });
  const edges = manualEdges(store.fetch);
  const client = new DsomClient({
    endpoint: 'http://127.0.0.1:9000',
    accessKeyId: 'test',
    secretAccessKey: 'secret',
    edges,
    ...options,
  });
  await client.buckets.create('b');
  store.requests.length = 0;
  return { store, edges, client };
}

const codeIs = (code: string) => (cause: unknown) => cause instanceof DsomError && cause.code === code;

/** Counts what is under way; holds the first ones back until `wanted` of them meet. */
function meeting(wanted: number) {
  const state = { under: 0, most: 0 };
  let open: () => void = () => {};
  let gate: Promise<void> | undefined;
  const begin = () => {
    gate = new Promise((resolve) => {
      open = resolve;
      setTimeout(resolve, 60_000).unref();
    });
  };
  begin();
  return {
    state,
    reset() {
      state.most = 0;
      begin();
    },
    async pass() {
      state.most = Math.max(state.most, ++state.under);
      if (state.under >= wanted) open();
      await gate;
      state.under--;
    },
  };
}

async function* chunked(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test('a small body of any kind goes in one request and comes back with its description', async () => {
  const { store, client } = await setup();
  const bytes = new TextEncoder().encode('Grüße');
  const stream = () => new Blob([bytes]).stream();
  for (const body of [
    'Grüße',
    bytes,
    bytes.buffer.slice(0, bytes.length),
    new Blob([bytes]),
    stream(),
    chunked(bytes, 2),
  ]) {
    store.requests.length = 0;
    const description = {
      contentType: 'text/x',
      cacheControl: 'no-store',
      metadata: { Owner: 'Zoë' },
      tags: { a: 'b c' },
    };
    const result = await client.put('b', 'k/ü', body, description);
    assert.equal(store.requests.length, 1);
    assert.deepEqual([result.size, result.etag], [bytes.length, md5(bytes)]);
    const got = await client.get('b', 'k/ü');
    assert.deepEqual(
      [got.length, got.info.contentType, got.info.cacheControl, got.info.metadata],
      [7, 'text/x', 'no-store', { owner: 'Zoë' }],
    );
    assert.equal(await got.text(), 'Grüße');
    assert.deepEqual(await client.tags('b', 'k/ü'), { a: 'b c' });
  }
});

test('write conditions', async () => {
  const { client } = await setup();
  const { etag } = await client.put('b', 'k', 'one', { ifAbsent: true });
  await assert.rejects(client.put('b', 'k', 'two', { ifAbsent: true }), codeIs('PreconditionFailed'));
  await client.put('b', 'k', 'two', { ifMatch: etag });
  await assert.rejects(client.put('b', 'k', 'three', { ifMatch: etag }), codeIs('PreconditionFailed'));
});

test('a large body is cut into parts that travel side by side', async () => {
  const { store, client } = await setup();
  const bytes = randomBytes(23 * MiB);
  const three = meeting(3);
  store.intercept = async (request) => {
    if (request.query.has('partNumber')) await three.pass();
    return undefined;
  };
  const progress: number[] = [];
  const options = {
    partSize: 5 * MiB,
    parallel: 3,
    contentType: 'x/y',
    metadata: { m: '1' },
    onProgress: ({ loaded }: { loaded: number }) => progress.push(loaded),
  };
  for (const body of [bytes, new Blob([bytes]), new Blob([bytes]).stream(), chunked(bytes, 777_777)]) {
    three.reset();
    progress.length = 0;
    const result = await client.put('b', 'large', body, options);
    assert.match(result.etag, /-5$/);
    assert.equal(three.state.most, 3);
    assert.equal(md5(store.bytes('b', 'large')!), md5(bytes));
    assert.equal(progress.length, 5);
    assert.equal(progress.at(-1), bytes.length);
    const info = await client.head('b', 'large');
    assert.deepEqual([info.contentType, info.metadata], ['x/y', { m: '1' }]);
    assert.equal(store.uploads.size, 0);
  }
});

test('uploads that run together stay within the memory given', async () => {
  const { store, client } = await setup({ uploadMemory: 10 * MiB });
  const two = meeting(2);
  store.intercept = async (request) => {
    if (request.body.length > MiB) await two.pass();
    return undefined;
  };
  const blob = new Blob([new Uint8Array(20 * MiB)]);
  await Promise.all([1, 2, 3].map((n) => client.put('b', `k${n}`, blob, { partSize: 5 * MiB })));
  assert.equal(two.state.most, 2);
  assert.equal(store.bytes('b', 'k3')?.length, 20 * MiB);
});

test('a part that fails is sent again; one that fails for good ends and removes the upload', async () => {
  const { store, client } = await setup({ attempts: 3 });
  const bytes = randomBytes(17 * MiB);
  let failures = 2;
  store.intercept = (request) =>
    request.query.get('partNumber') === '2' && failures-- > 0 ? new Response('', { status: 500 }) : undefined;
  await client.put('b', 'k', bytes, { partSize: 5 * MiB });
  assert.equal(md5(store.bytes('b', 'k')!), md5(bytes));
  failures = 99;
  await assert.rejects(client.put('b', 'other', bytes, { partSize: 5 * MiB }), codeIs('InternalError'));
  assert.equal(store.uploads.size, 0);
  assert.equal(store.bytes('b', 'other'), undefined);
  failures = 99;
  await assert.rejects(
    client.put('b', 'other', bytes, { partSize: 5 * MiB, onFailure: 'keep' }),
    codeIs('InternalError'),
  );
  assert.equal(store.uploads.size, 1);
});

test('an abort ends an upload even while its stream brings nothing', async () => {
  const { store, client } = await setup();
  const controller = new AbortController();
  async function* stuck() {
    yield new Uint8Array(11 * MiB);
    controller.abort(new Error('stop'));
    await new Promise(() => {});
  }
  await assert.rejects(client.put('b', 'k', stuck(), { partSize: 5 * MiB, signal: controller.signal }), /stop/);
  assert.equal(store.uploads.size, 0);
  await assert.rejects(client.put('b', 'k', stuck(), { partSize: 99 * MiB, signal: controller.signal }), /stop/);
});

test('a resumed upload sends only what is missing or differs', async () => {
  const { store, client } = await setup({ attempts: 1 });
  const bytes = randomBytes(22 * MiB);
  let uploadId = '';
  store.intercept = (request) =>
    request.query.get('partNumber') === '3' ? new Response('', { status: 500 }) : undefined;
  const options = { partSize: 5 * MiB, parallel: 1, onFailure: 'keep' as const };
  await assert.rejects(
    client.put('b', 'k', new Blob([bytes]), { ...options, onUpload: (upload) => (uploadId = upload.uploadId) }),
  );
  store.intercept = undefined;
  const wrong = new Uint8Array(5 * MiB);
  store.uploads.get(uploadId)!.parts.set(1, { bytes: wrong, etag: md5(wrong) });
  store.requests.length = 0;
  const resume = { uploadId, verify: (part: { etag: string }, some: Uint8Array) => part.etag === md5(some) };
  await client.put('b', 'k', new Blob([bytes]), { ...options, resume });
  assert.deepEqual(
    store.requests.filter((one) => one.query.has('partNumber')).map((one) => one.query.get('partNumber')),
    ['1', '3', '4', '5'],
  );
  assert.equal(md5(store.bytes('b', 'k')!), md5(bytes));
});

test('a completion whose answer was lost is recognised', async () => {
  const { store, client } = await setup();
  const bytes = randomBytes(17 * MiB);
  let lost = true;
  store.intercept = (request) => {
    if (!lost || !request.path.endsWith('/complete')) return undefined;
    lost = false;
    const [id, upload] = [...store.uploads][0]!;
    const parts = [...upload.parts.values()].map((part) => part.bytes);
    store.store('b', 'k', Buffer.concat(parts), { etag: `whatever-${parts.length}` });
    store.uploads.delete(id);
    throw new TypeError('connection lost');
  };
  assert.equal((await client.put('b', 'k', bytes, { partSize: 5 * MiB })).size, bytes.length);
});

test('part sizes hold the largest object within 10,000 parts', () => {
  for (const size of [0, 1, 100 * MiB, 50 * 1024 * MiB, 80 * 1024 * MiB + 1, 5 * 1024 * 1024 * MiB]) {
    const part = partSizeFor(size);
    assert.ok(part >= 8 * MiB && Math.ceil(size / part) <= 10_000, `${size}`);
  }
  assert.equal(partSizeFor(10, 1), 5 * MiB);
  let sum = 0;
  for (let number = 1; number <= 10_000; number++) sum += streamPartSize(number);
  assert.ok(sum > 5 * 1024 * 1024 * MiB);
});

test('ranges', async () => {
  const { client } = await setup();
  await client.put('b', 'k', '0123456789');
  const read = async (range: Parameters<typeof client.get>[2]) => (await client.get('b', 'k', range)).text();
  assert.equal(await read({ range: { start: 2, end: 5 } }), '234');
  assert.equal(await read({ range: { start: 7 } }), '789');
  assert.equal(await read({ range: { last: 4 } }), '6789');
  const part = await client.get('b', 'k', { range: { start: 2, end: 5 } });
  assert.deepEqual([part.info.size, part.start, part.length], [10, 2, 3]);
  await assert.rejects(read({ range: { start: 10 } }), codeIs('InvalidRange'));
  await assert.rejects(client.get('b', 'k', { range: { start: 3, end: 3 } }), codeIs('InvalidArgument'));
  const { etag } = part.info;
  await assert.rejects(client.get('b', 'k', { ifNoneMatch: etag }), codeIs('NotModified'));
  await assert.rejects(client.head('b', 'k', { ifMatch: 'other' }), codeIs('PreconditionFailed'));
});

/** Gives `bytes` and then fails. */
function breaking(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let given = false;
  return new ReadableStream({
    pull(controller) {
      if (given) controller.error(new TypeError('terminated'));
      else controller.enqueue(bytes);
      given = true;
    },
  });
}

test('a download whose connection breaks goes on with the same version', async () => {
  const { store, client } = await setup();
  const bytes = randomBytes(1000);
  await client.put('b', 'k', bytes);
  const etag = md5(bytes);
  let breaks = 3;
  store.intercept = (request) => {
    if (request.method !== 'GET' || breaks-- <= 0) return undefined;
    const start = Number(/=(\d+)-/.exec(request.headers.get('range') ?? '')?.[1] ?? 0);
    const headers = {
      etag: `"${etag}"`,
      'content-length': String(1000 - start),
      'content-range': `bytes ${start}-999/1000`,
    };
    return new Response(breaking(bytes.subarray(start, start + 100)), { status: start === 0 ? 200 : 206, headers });
  };
  assert.equal(md5(await (await client.get('b', 'k')).bytes()), etag);
  const last = store.requests.at(-1)!.headers;
  assert.deepEqual([last.get('range'), last.get('if-match')], ['bytes=300-999', `"${etag}"`]);

  breaks = 1;
  const replaced = await client.get('b', 'k');
  await client.put('b', 'k', 'something else');
  await assert.rejects(replaced.bytes(), codeIs('PreconditionFailed'));
});

test('a download that never gets on fails, and a short one is noticed', async () => {
  const { store, client } = await setup({ attempts: 3 });
  store.intercept = () =>
    new Response(breaking(new Uint8Array(0)), { headers: { etag: '"e"', 'content-length': '10' } });
  await assert.rejects((await client.get('b', 'k')).bytes(), codeIs('BodyInterrupted'));
  assert.equal(store.requests.length, 3);
  store.intercept = () => new Response('short', { headers: { 'content-length': '10' } });
  await assert.rejects((await client.get('b', 'k')).bytes(), codeIs('BodyInterrupted'));
});

test('a reader that stops lets go of the connection', async () => {
  const { store, edges, client } = await setup();
  let cancelled: AbortSignal | undefined;
  const watched = (url: string, init: RequestInit) => {
    cancelled = init.signal!;
    return store.fetch(url, init);
  };
  const own = new DsomClient({
    endpoint: 'http://h',
    accessKeyId: 'test',
    secretAccessKey: 'b',
    edges: { ...edges, fetch: watched },
  });
  await client.put('b', 'k', 'x'.repeat(100));
  const got = await own.get('b', 'k');
  assert.equal(cancelled?.aborted, false);
  await got.body.cancel();
  assert.equal(cancelled?.aborted, true);
});
