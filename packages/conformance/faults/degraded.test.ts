/* Two devices, and one is away: writes that need both are refused, the others are kept with one copy, said aloud, and mended when it is back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, send } from '../src/request.ts';
import { patienceMs, startServer } from '../src/server.ts';
import { bearer, fsck, metric, scratch } from './process.support.ts';

const MiB = 1 << 20;

/** What an answer says of the copies of its object. */
const told = (answer: Answer) => answer.headers['x-dsom-redundancy'];

interface Health {
  readonly ready: boolean;
  readonly degraded: readonly string[];
}

async function health(endpoint: string): Promise<Health> {
  return JSON.parse((await send(endpoint, 'GET', '/-/health/ready', { anonymous: true })).text()) as Health;
}

async function whole(endpoint: string): Promise<boolean> {
  const { ready, degraded } = await health(endpoint);
  return ready && degraded.length === 0;
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await done())) {
    assert.ok(performance.now() < deadline, `${what}: not within ${patienceMs} ms`);
    await sleep(200);
  }
}

test('a data directory that is away: what is refused, what is kept, and how it is mended', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'degraded');
  const [first, second, aside] = ['first', 'second', 'aside'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  let server = await startServer([first, second]);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const kept = new Map<string, Buffer>();
  const put = async (key: string, body: Buffer, redundancy?: string) => {
    const headers: Record<string, string> = redundancy === undefined ? {} : { 'x-dsom-redundancy': redundancy };
    const answer = await send(server.endpoint, 'PUT', pathOf('two', key), { body, headers });
    if (answer.status === 200) kept.set(key, body);
    return answer;
  };
  assert.equal((await send(server.endpoint, 'PUT', '/two')).status, 200);
  const before = await put('before', randomBytes(MiB));
  assert.deepEqual([before.status, told(before)], [200, 'copies=2']);
  assert.equal(told(await put('inline', randomBytes(100))), 'copies=1', 'metadata has one copy');
  assert.equal((await put('before-asked', randomBytes(1000), 'copies=2')).status, 200);
  await until('nothing lacks', () => whole(server.endpoint));
  assert.equal(await server.stop(), 0);

  renameSync(second, aside);
  server = await startServer([first]);
  let now = await health(server.endpoint);
  await until('ready', async () => (now = await health(server.endpoint)).ready);
  assert.match(now.degraded.join(), /device [0-9a-f-]{36} is missing/);
  // A server answers before all of its banner has arrived here.
  await until('the warning', async () => /WARNING.*is not among --data/.test(server.output()));
  for (const size of [1000, MiB]) {
    const refused = await put(`asked-${size}`, randomBytes(size), 'copies=2');
    assert.deepEqual([refused.status, refused.element('Code')], [503, 'ServiceUnavailable'], refused.text());
    const native = await fetch(`${server.endpoint}/-/v1/buckets/two/objects/asked-${size}`, {
      method: 'PUT',
      headers: { authorization: bearer, 'x-dsom-redundancy': '{"copies":2}' },
      body: randomBytes(size),
    });
    assert.equal(native.status, 503, await native.text());
    assert.equal((await send(server.endpoint, 'HEAD', pathOf('two', `asked-${size}`))).status, 404);
  }
  for (let i = 0; i < 12; i++) {
    const answer = await put(`during-${i}`, randomBytes(100_000 + i * 100_000));
    assert.deepEqual([answer.status, told(answer)], [200, 'copies=2; missing=1']);
  }
  const one = await put('one', randomBytes(MiB), 'copies=1');
  assert.deepEqual([one.status, told(one)], [200, 'copies=1']);
  const native = await fetch(`${server.endpoint}/-/v1/buckets/two/objects/during-native`, {
    method: 'PUT',
    headers: { authorization: bearer },
    body: kept.get('during-0') as Buffer<ArrayBuffer>,
  });
  assert.deepEqual([native.status, native.headers.get('x-dsom-redundancy')], [200, 'copies=2; missing=1']);
  await native.arrayBuffer();
  kept.set('during-native', kept.get('during-0') as Buffer);
  assert.equal(told(await send(server.endpoint, 'HEAD', pathOf('two', 'before'))), 'copies=2; missing=1');
  assert.ok((await metric(server.endpoint, 'dsom_degraded_stripe_writes_total')) >= 12);
  for (const [key, body] of kept)
    assert.ok((await send(server.endpoint, 'GET', pathOf('two', key))).body.equals(body), key);
  assert.equal(await server.stop('SIGKILL'), null);

  renameSync(aside, second);
  server = await startServer([first, second]);
  await until('mended', () => whole(server.endpoint));
  assert.equal(await metric(server.endpoint, 'dsom_mended_copies_total'), 13);
  assert.equal(await metric(server.endpoint, 'dsom_missing_copies'), 0);
  for (const key of ['before', 'during-0', 'during-native'])
    assert.equal(told(await send(server.endpoint, 'HEAD', pathOf('two', key))), 'copies=2', key);
  assert.deepEqual((await fsck(server.endpoint)).counts, {});
  assert.equal((await put('after-asked', randomBytes(MiB), 'copies=2')).status, 200);
  assert.equal(await server.stop(), 0);

  // The copies that were mended are good: the slabs of the first device go, and everything is read from the second.
  const slabs = path.join(first, 'device');
  rmSync(path.join(slabs, 'slab-000000'));
  server = await startServer([first, second]);
  for (const [key, body] of kept) {
    if (key === 'one') continue;
    assert.ok((await send(server.endpoint, 'GET', pathOf('two', key))).body.equals(body), key);
  }
  assert.equal(await server.stop('SIGKILL'), null);
});

test('a data directory whose device is removed under a running server counts for no copy any more, and for no failed start', {
  timeout: 600_000,
}, async (t) => {
  const folder = scratch(t, 'removed');
  const [first, second] = [path.join(folder, 'one'), path.join(folder, 'two')];
  const server = await startServer([first, second]);
  assert.equal((await send(server.endpoint, 'PUT', '/two')).status, 200);
  const put = (key: string) => send(server.endpoint, 'PUT', pathOf('two', key), { body: randomBytes(MiB) });
  assert.equal(told(await put('before')), 'copies=2');
  rmSync(path.join(second, 'device'), { recursive: true });
  await until('it is stopped', async () =>
    (await health(server.endpoint)).degraded.some((one) => /is stopped/.test(one)),
  );
  assert.equal(told(await put('after')), 'copies=2; missing=1');
  for (const key of ['before', 'after'])
    assert.equal((await send(server.endpoint, 'GET', pathOf('two', key))).status, 200);
  await server.stop();
  assert.doesNotMatch(server.output(), /could not start/);
});
