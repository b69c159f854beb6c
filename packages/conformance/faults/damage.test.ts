/* Bytes damaged behind the server's back: with a second copy everything reads back right, without one nothing wrong is ever sent. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { credentials, type Server, startServer } from '../src/server.ts';
import { bearer, dsom, fsck, metric, scratch } from './process.support.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const sizes = [0, 100, 4 * KiB, 4 * KiB + 1, 70_000, MiB, 9 * MiB, 17 * MiB];

type Contents = Map<string, Buffer>;

async function fillBucket(endpoint: string, copies = 2): Promise<Contents> {
  const contents: Contents = new Map();
  assert.equal((await send(endpoint, 'PUT', '/damage')).status, 200);
  for (let round = 0; round < copies; round++)
    for (const size of sizes) {
      const key = `${round}/${size}`;
      const body = randomBytes(size);
      assert.equal((await send(endpoint, 'PUT', pathOf('damage', key), { body })).status, 200);
      contents.set(key, body);
    }
  return contents;
}

const slabs = (data: string) =>
  readdirSync(path.join(data, 'device'))
    .filter((name) => name.startsWith('slab-'))
    .map((name) => path.join(data, 'device', name));

/** Flips a byte every `every` bytes behind the first `from`, in each slab. */
function damage(data: string, every: number, from = 4096): number {
  let flipped = 0;
  for (const slab of slabs(data)) {
    const fd = openSync(slab, 'r+');
    const byte = Buffer.alloc(1);
    const { size } = fstatSync(fd);
    for (let at = from; at < size; at += every) {
      readSync(fd, byte, 0, 1, at);
      byte[0] = (byte[0] as number) ^ 0x5a;
      writeSync(fd, byte, 0, 1, at);
      flipped++;
    }
    closeSync(fd);
  }
  return flipped;
}

async function allRight(endpoint: string, contents: Contents, what: string): Promise<void> {
  for (const [key, body] of contents) {
    const answer = await send(endpoint, 'GET', pathOf('damage', key));
    assert.equal(answer.status, 200, `${what}: ${key}: ${answer.text().slice(0, 300)}`);
    assert.ok(answer.complete && answer.body.equals(body), `${what}: ${key} reads back wrong`);
  }
}

async function scrub(endpoint: string): Promise<{ readonly lastReport: Record<string, unknown> }> {
  const url = `${endpoint}/-/admin/v1/scrub`;
  const headers = { authorization: bearer, 'content-type': 'application/json' };
  const started = await fetch(url, { method: 'POST', headers, body: '{"action":"start"}' });
  assert.equal(started.status, 200, await started.text());
  for (;;) {
    const status = (await (await fetch(url, { headers })).json()) as {
      running: boolean;
      lastReport: Record<string, unknown>;
    };
    if (!status.running) return status;
    await sleep(100);
  }
}

test('two devices: damage of one never shows, is counted, and is repaired; then the other may fail', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'damage');
  const data = [path.join(folder, 'a'), path.join(folder, 'b')];
  const [a, b] = data as [string, string];
  let server: Server = await startServer(data);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const contents = await fillBucket(server.endpoint);
  const lay = async (what: string, harm: () => void) => {
    assert.equal(await server.stop(), 0);
    harm();
    server = await startServer(data);
    await allRight(server.endpoint, contents, what);
  };
  const heal = async (what: string) => {
    const { lastReport } = await scrub(server.endpoint);
    assert.deepEqual(lastReport['unrepaired'], [], `${what}: ${JSON.stringify(lastReport)}`);
    assert.deepEqual((await fsck(server.endpoint)).counts, {}, what);
    const again = await scrub(server.endpoint);
    assert.deepEqual([again.lastReport['damaged'], again.lastReport['missing']], [0, 0], `${what}: a second scrub`);
  };

  await lay('flipped bytes', () => assert.ok(damage(b, 50_000) > 100));
  assert.ok((await metric(server.endpoint, 'dsom_bad_copies_total')) > 0, 'bad copies are counted');
  await heal('flipped bytes');
  assert.ok((await metric(server.endpoint, 'dsom_repaired_copies_total')) > 0, 'repaired copies are counted');

  await lay('the other device, every 20,000 bytes', () => assert.ok(damage(a, 20_000) > 100));
  await heal('the other device');

  await lay('a truncated slab', () => {
    const [slab] = slabs(b);
    truncateSync(slab as string, 10 * MiB);
  });
  await heal('a truncated slab');

  await lay('a slab that is gone', () => rmSync(slabs(a).at(-1) as string));
  await heal('a slab that is gone');
  await lay('an index that is gone', () => rmSync(path.join(b, 'device/index'), { recursive: true }));
  await server.says(/WARNING +the index of device .* was lost and has been made anew from its slabs/);
  await heal('an index that is gone');
  await lay('nothing more', () => {});
  assert.equal(await metric(server.endpoint, 'dsom_bad_copies_total'), 0);
  assert.equal(await server.stop(), 0);
});

test('one device: its index is lost; everything reads back, nothing is overwritten, and the doctor tells', {
  timeout: 900_000,
}, async (t) => {
  const data = path.join(scratch(t, 'damage-index'), 'only');
  let server: Server = await startServer([data]);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const contents = await fillBucket(server.endpoint);
  for (const [key] of [...contents].filter((_, i) => i % 3 === 0)) {
    assert.equal((await send(server.endpoint, 'DELETE', pathOf('damage', key))).status, 204);
    contents.delete(key);
  }
  await server.stop('SIGKILL');
  rmSync(path.join(data, 'device/index'), { recursive: true });
  const before = await dsom(['doctor', '--data', data]);
  assert.equal(before.code, 0, before.output);
  assert.match(before.output, /! index .*data\.mdb and checkpoint missing/);

  server = await startServer([data]);
  const environment = {
    DSOM_ENDPOINT: server.endpoint,
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  assert.match((await dsom(['doctor'], environment)).output, /the index of 1 was lost and made anew at the last start/);
  await allRight(server.endpoint, contents, 'index lost');
  for (const size of sizes) {
    const body = randomBytes(size);
    assert.equal((await send(server.endpoint, 'PUT', pathOf('damage', `new/${size}`), { body })).status, 200);
    contents.set(`new/${size}`, body);
  }
  await allRight(server.endpoint, contents, 'index lost, then written to');
  assert.deepEqual((await fsck(server.endpoint)).counts, {});
  assert.equal(await server.stop(), 0);
  assert.match((await dsom(['doctor', '--data', data])).output, /✓ index/);
});

test('one device: a damaged object is an error or a broken connection, never wrong bytes; the others are fine', {
  timeout: 900_000,
}, async (t) => {
  const data = path.join(scratch(t, 'damage-one'), 'only');
  let server: Server = await startServer([data]);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const contents = await fillBucket(server.endpoint, 1);
  assert.equal(await server.stop(), 0);
  // Far apart: the small objects lie between.
  damage(data, 5 * MiB, 3 * MiB);
  server = await startServer([data]);
  let broken = 0;
  for (const [key, body] of contents) {
    const answer = await send(server.endpoint, 'GET', pathOf('damage', key)).catch(() => undefined);
    if (!answer?.complete || answer.status !== 200) {
      assert.ok(body.length > 4 * KiB, `${key} has no bytes on the device`);
      if (answer && answer.status !== 200) assert.equal(answer.element('Code'), 'Damaged', answer.text());
      else if (answer)
        assert.ok(body.subarray(0, answer.body.length).equals(answer.body), `${key}: what came is wrong`);
      broken++;
    } else assert.ok(answer.body.equals(body), `${key} reads back wrong`);
  }
  assert.ok(broken > 0 && broken < contents.size, `${broken} of ${contents.size} are broken`);
  assert.ok((await metric(server.endpoint, 'dsom_lost_reads_total')) > 0);
  const { lastReport } = await scrub(server.endpoint);
  assert.ok((lastReport['unrepaired'] as unknown[]).length > 0, 'the scrub names what it cannot repair');
  // A new object takes the place of a damaged one.
  for (const [key, body] of contents)
    assert.equal((await send(server.endpoint, 'PUT', pathOf('damage', key), { body })).status, 200);
  await allRight(server.endpoint, contents, 'written anew');
  assert.equal(await server.stop(), 0);
});

test('without the second directory: the server says so, reads work, writes of one copy only', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'damage-missing');
  const data = [path.join(folder, 'a'), path.join(folder, 'b')];
  const [a, b] = data as [string, string];
  let server: Pick<Server, 'endpoint' | 'stop' | 'says'> = await startServer(data);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const contents = await fillBucket(server.endpoint, 1);
  assert.equal(await server.stop(), 0);
  renameSync(b, `${b}-away`);

  server = await startServer([a], { until: 'live' });
  await server.says(/not among --data/);
  await allRight(server.endpoint, contents, 'one directory');
  const inline = await send(server.endpoint, 'PUT', pathOf('damage', 'inline'), { body: 'small' });
  assert.equal(inline.status, 200, inline.text());
  const large = await send(server.endpoint, 'PUT', pathOf('damage', 'large'), { body: randomBytes(MiB) });
  t.diagnostic(`a PUT without the second device: ${large.status} ${large.element('Code') ?? ''}`);
  assert.equal(large.status, 200, large.text());
  assert.ok(((await fsck(server.endpoint)).counts['device-absent'] ?? 0) > 0, 'fsck names the device');
  assert.equal(await server.stop(), 0);

  renameSync(`${b}-away`, b);
  server = await startServer(data);
  await allRight(server.endpoint, contents, 'both again');
  await scrub(server.endpoint);
  assert.deepEqual((await fsck(server.endpoint)).counts, {});
  assert.equal(await server.stop(), 0);
});
