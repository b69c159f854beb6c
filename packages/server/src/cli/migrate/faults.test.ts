/* Stores and networks that fail: nothing wrong may become visible at the target, and nothing twice. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, mock, test } from 'node:test';
import { platformEdges } from '@dsom/sdk';
import { exitCode } from '../exit.ts';
import {
  contents,
  frontOf,
  gateTo,
  migrate,
  put,
  putParts,
  type Store,
  startStore,
  versioning,
} from './process.fixture.ts';

// What is tried again waits for up to ten seconds before: here for a twentieth.
const { sleep } = platformEdges;
mock.method(platformEdges, 'sleep', (ms: number, signal?: AbortSignal) => sleep(ms / 20, signal));

let source: Store;
let target: Store;

before(async () => {
  [source, target] = await Promise.all([startStore(), startStore()]);
});
after(() => Promise.all([source.stop(), target.stop()]));

type Answer = (given: IncomingMessage, chunk: Buffer | undefined, response: ServerResponse) => Buffer | undefined;

/** A way to a store on which `onAnswer` sees every piece of every answer (undefined: before its head) and says what is sent on. */
const wayTo = (store: Store, onAnswer: Answer) =>
  frontOf(store, (request, response, sendOn) =>
    sendOn((answer) => {
      onAnswer(request, undefined, response);
      if (response.destroyed) {
        answer.destroy();
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
      answer.on('data', (chunk: Buffer) => {
        const sent = onAnswer(request, chunk, response);
        if (sent && !response.destroyed) response.write(sent);
      });
      answer.on('end', () => response.end());
    }),
  );

const isObject = ({ method, url = '' }: IncomingMessage) =>
  method === 'GET' && /\/(whole|parts)(\?|$)/.test(url) && !url.includes('tagging');

async function fill(bucket: string): Promise<void> {
  await source.s3.send({ method: 'PUT', bucket });
  await versioning(source.s3, bucket, 'Enabled');
  await put(source.s3, bucket, 'whole', 'w'.repeat(300_000));
  await putParts(source.s3, bucket, 'parts', ['p'.repeat(5 * 1024 * 1024), 'q'.repeat(300_000)]);
}

const same = async (bucket: string) =>
  assert.deepEqual(await contents(target.s3, bucket), await contents(source.s3, bucket));

test('bytes that change on the way from the source never become visible', async () => {
  await fill('spoilt');
  const way = await wayTo(source, (request, chunk) => {
    if (!chunk || !isObject(request)) return chunk;
    const spoilt = Buffer.from(chunk);
    spoilt[0] = (spoilt[0] as number) ^ 1;
    return spoilt;
  });
  const ran = await migrate(way.endpoint, target.endpoint, ['s3://spoilt', '--no-configurations']);
  way.close();
  assert.deepEqual([ran.code, ran.rows[0]?.['failed'], ran.rows[0]?.['objects']], [exitCode.failed, 2, 0], ran.stderr);
  assert.deepEqual(await contents(target.s3, 'spoilt'), []);
  const { text } = await target.s3.send({ method: 'GET', bucket: 'spoilt', query: { uploads: '' } });
  assert.ok(!text.includes('<Upload>'), 'the upload was given up');
  assert.equal((await migrate(source.endpoint, target.endpoint, ['s3://spoilt'])).code, 0);
  await same('spoilt');
});

test('an answer of the source that breaks off is asked for again', async () => {
  await fill('broken');
  const broken = new Set<string>();
  const way = await wayTo(source, (request, chunk, response) => {
    const { url = '' } = request;
    if (!chunk || !isObject(request) || broken.has(url)) return chunk;
    broken.add(url);
    response.write(chunk.subarray(0, 1000), () => response.destroy());
    return undefined;
  });
  const ran = await migrate(way.endpoint, target.endpoint, ['s3://broken']);
  way.close();
  assert.equal(broken.size, 3);
  assert.deepEqual([ran.code, ran.rows[0]?.['objects']], [0, 2], ran.stderr);
  await same('broken');
});

test('a write whose answer was lost is not made twice', async () => {
  await fill('lost');
  await source.s3.send({ method: 'DELETE', bucket: 'lost', key: 'gone' });
  const lost = new Set<string>();
  const way = await wayTo(target, (request, chunk, response) => {
    const { method = '', url = '' } = request;
    const writes = method === 'PUT' || method === 'DELETE' || (method === 'POST' && url.includes('uploadId'));
    const id = `${method} ${url}`;
    if (writes && /\/lost\/(whole|parts|gone)/.test(url) && !lost.has(id)) {
      lost.add(id);
      response.destroy();
    }
    return chunk;
  });
  const ran = await migrate(source.endpoint, way.endpoint, ['s3://lost']);
  way.close();
  assert.ok(lost.size >= 4, [...lost].join('\n'));
  assert.equal(ran.code, 0, ran.stderr);
  await same('lost');
});

test('a listing out of order is refused before anything is taken for deleted', async () => {
  await fill('order');
  assert.equal((await migrate(source.endpoint, target.endpoint, ['s3://order'])).code, 0);
  const way = await wayTo(source, (request, chunk) => {
    if (!chunk || !request.url?.includes('versions=')) return chunk;
    return Buffer.from(chunk.toString('latin1').replace('<Key>parts<', '<Key>zarts<'), 'latin1');
  });
  const ran = await migrate(way.endpoint, target.endpoint, ['s3://order', '--delete']);
  way.close();
  assert.equal(ran.code, exitCode.unreachable, ran.stderr);
  assert.match(ran.stderr, /an order that is not S3's/);
  await same('order');
});

test('a lock that cannot be read is none to be left out', async () => {
  await source.s3.send({ method: 'PUT', bucket: 'veiled', headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  await put(source.s3, 'veiled', 'k', 'x');
  const way = await gateTo(source, async ({ url }) =>
    url?.includes('object-lock') ? { status: 403, body: '' } : undefined,
  );
  const ran = await migrate(way.endpoint, target.endpoint, ['s3://veiled']);
  way.close();
  assert.equal(ran.code, exitCode.accessDenied, ran.stderr);
  await assert.rejects(target.s3.send({ method: 'HEAD', bucket: 'veiled' }), { status: 404 });
});

test('what is written at the target while a key is copied stays, and is not buried', async () => {
  await fill('raced');
  await put(source.s3, 'raced', 'behind', 'one');
  await source.s3.send({ method: 'DELETE', bucket: 'raced', key: 'gone' });
  assert.equal((await migrate(source.endpoint, target.endpoint, ['s3://raced'])).code, 0);
  await put(source.s3, 'raced', 'behind', 'two');
  await putParts(source.s3, 'raced', 'parts', ['another']);
  await put(source.s3, 'raced', 'fresh', 'x');
  await put(source.s3, 'raced', 'gone', 'x');
  await source.s3.send({ method: 'DELETE', bucket: 'raced', key: 'whole' });
  await source.s3.send({ method: 'DELETE', bucket: 'raced', key: 'whole' });
  const raced = new Set<string>();
  // Just before a write that would be seen, somebody else writes.
  const way = await gateTo(target, async ({ method = '', url = '' }) => {
    const [, key = ''] = /^\/raced\/(\w+)/.exec(url) ?? [];
    const shows = method === 'DELETE' || url.includes('uploadId') === (method === 'POST');
    if (['PUT', 'POST', 'DELETE'].includes(method) && key !== '' && shows && !raced.has(key)) {
      raced.add(key);
      await put(target.s3, 'raced', key, 'newer');
    }
    return undefined;
  });
  const ran = await migrate(source.endpoint, way.endpoint, ['s3://raced', '--no-configurations']);
  way.close();
  const keys = ['behind', 'fresh', 'gone', 'parts', 'whole'];
  assert.deepEqual([...raced].sort(), keys);
  assert.deepEqual([ran.code, ran.rows[0]?.['failed'], ran.rows[0]?.['objects']], [exitCode.failed, 5, 0], ran.stderr);
  assert.match(ran.stderr, /meanwhile, which stays/);
  for (const key of keys)
    assert.equal((await target.s3.send({ method: 'GET', bucket: 'raced', key })).text, 'newer', key);
});
