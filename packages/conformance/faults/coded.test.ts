/* Six devices and a code of 4+2: any two may be away or lose what they hold, and all of it is good again afterwards. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { credentials, patienceMs, startServer } from '../src/server.ts';
import { bearer, dsom, fsck, metric, scratch } from './process.support.ts';

const KiB = 1 << 10;
const MiB = 1 << 20;
const sizes = [10 * KiB, 64 * KiB, 65 * KiB, 300 * KiB, MiB, 5 * MiB + 12_345, 20 * MiB + 1];

test('six data directories and 4+2: two are lost, and nothing is', { timeout: 900_000 }, async (t) => {
  const folder = scratch(t, 'coded');
  const all = Array.from({ length: 6 }, (_, i) => path.join(folder, `d${i}`));
  const aside = (directory: string) => `${directory}.aside`;
  let server = await startServer(all);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const kept = new Map<string, Buffer>();
  const put = async (key: string, body: Buffer, headers: Record<string, string> = {}) => {
    const answer = await send(server.endpoint, 'PUT', pathOf('coded', key), { body, headers });
    if (answer.status === 200) kept.set(key, body);
    return answer;
  };
  const readAll = async (when: string) => {
    for (const [key, body] of kept) {
      const whole = await send(server.endpoint, 'GET', pathOf('coded', key));
      assert.equal(whole.status, 200, `${when}: ${key}: ${whole.text().slice(0, 300)}`);
      assert.ok(whole.body.equals(body), `${when}: ${key}`);
      const start = Math.floor(body.length / 3);
      const end = Math.min(body.length, start + 100_000);
      const part = await send(server.endpoint, 'GET', pathOf('coded', key), {
        headers: { range: `bytes=${start}-${end - 1}` },
      });
      assert.ok(part.body.equals(body.subarray(start, end)), `${when}: range of ${key}`);
    }
  };
  const degraded = async () =>
    (
      JSON.parse((await send(server.endpoint, 'GET', '/-/health/ready', { anonymous: true })).text()) as {
        degraded: readonly string[];
      }
    ).degraded;
  const whole = async () => {
    const deadline = performance.now() + patienceMs;
    while ((await degraded()).length > 0) {
      assert.ok(performance.now() < deadline, `still degraded: ${(await degraded()).join()}`);
      await sleep(200);
    }
  };

  /** Waits until what was deleted is gone from the devices. */
  const collected = async () => {
    const deadline = performance.now() + patienceMs;
    while ((await metric(server.endpoint, 'dsom_garbage_rows')) > 0) {
      assert.ok(performance.now() < deadline, 'garbage is still listed');
      await sleep(200);
    }
  };
  const remove = async (key: string) => {
    kept.delete(key);
    assert.equal((await send(server.endpoint, 'DELETE', pathOf('coded', key))).status, 204);
  };

  assert.equal((await send(server.endpoint, 'PUT', '/coded')).status, 200);
  const settings = (redundancy: unknown) =>
    fetch(`${server.endpoint}/-/v1/buckets/coded`, {
      method: 'PATCH',
      headers: { authorization: bearer, 'content-type': 'application/json' },
      body: JSON.stringify({ redundancy }),
    });
  const tooWide = await settings({ data: 8, parity: 3 });
  assert.equal(tooWide.status, 400);
  assert.match(await tooWide.text(), /8\+3 needs 11 storage devices, and this server has 6 storage devices/);
  const changed = await settings({ data: 4, parity: 2 });
  assert.deepEqual(((await changed.json()) as { redundancy: unknown }).redundancy, { data: 4, parity: 2 });

  for (const size of sizes) {
    const answer = await put(`size-${size}`, randomBytes(size));
    assert.equal(answer.status, 200, answer.text());
    const said = size <= 64 * KiB ? 'copies=3' : '4+2';
    assert.equal(answer.headers['x-dsom-redundancy'], said, `PUT of ${size}`);
    const head = await send(server.endpoint, 'HEAD', pathOf('coded', `size-${size}`));
    assert.equal(head.headers['x-dsom-redundancy'], said, `HEAD of ${size}`);
  }
  assert.equal((await put('packed', Buffer.alloc(6 * MiB, 'to be packed, '))).status, 200);
  const own = await put('own', randomBytes(2 * MiB), { 'x-dsom-redundancy': '3+1' });
  assert.equal(own.headers['x-dsom-redundancy'], '3+1');
  assert.equal(
    (await put('copied', randomBytes(MiB), { 'x-dsom-redundancy': '2' })).headers['x-dsom-redundancy'],
    'copies=2',
  );
  const refused = await put('wide', randomBytes(MiB), { 'x-dsom-redundancy': '8+3' });
  assert.deepEqual([refused.status, refused.element('Code')], [400, 'UnsupportedRedundancy']);
  await readAll('at first');
  await whole();
  const { counts, totals } = await fsck(server.endpoint);
  assert.deepEqual(counts, {});
  const ratio = (totals['fragmentBytes'] as number) / (totals['stripeBytes'] as number);
  assert.ok(ratio < 1.65, `${ratio} bytes are stored for each of the objects`);
  assert.equal(await server.stop(), 0);

  // One away: what may lose two is written with one lacking; what may lose one is not.
  renameSync(all[2] as string, aside(all[2] as string));
  server = await startServer(all.filter((_, i) => i !== 2));
  assert.equal((await put('during', randomBytes(3 * MiB))).status, 200);
  const narrow = await put('narrow', randomBytes(MiB), { 'x-dsom-redundancy': '5+1' });
  assert.equal(narrow.status, 503, narrow.text());
  await readAll('one away');
  // What it holds of them is told to nobody who could remove it.
  for (const size of [64 * KiB, MiB]) await remove(`size-${size}`);
  await collected();
  assert.equal(await server.stop('SIGKILL'), null);

  // Two away: everything that may lose two is read, nothing more is written that way.
  renameSync(all[4] as string, aside(all[4] as string));
  server = await startServer(all.filter((_, i) => i !== 2 && i !== 4));
  for (const key of ['own', 'copied']) kept.delete(key);
  await readAll('two away');
  const during = await put('more', randomBytes(MiB));
  assert.deepEqual([during.status, during.element('Code')], [503, 'ServiceUnavailable']);
  assert.equal(await server.stop(), 0);

  // Both back: what was written meanwhile gets its missing fragment, and what was deleted meanwhile is gone.
  for (const i of [2, 4]) renameSync(aside(all[i] as string), all[i] as string);
  server = await startServer(all);
  await whole();
  assert.ok((await metric(server.endpoint, 'dsom_mended_copies_total')) >= 1);
  assert.deepEqual((await fsck(server.endpoint)).counts, {});
  await readAll('both back');
  assert.equal(await server.stop(), 0);

  // Two lose all bytes, and a scrub rewrites them; then two others may lose theirs.
  const environment = {
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  for (const pair of [
    [1, 3],
    [0, 5],
  ]) {
    for (const i of pair) rmSync(path.join(all[i] as string, 'device', 'slab-000000'));
    server = await startServer(all);
    for (const key of ['own', 'copied']) await send(server.endpoint, 'DELETE', pathOf('coded', key));
    await collected();
    await readAll(`slabs of ${pair} gone`);
    const scrub = await dsom(['scrub', 'start', '--wait', '--json'], {
      ...environment,
      DSOM_ENDPOINT: server.endpoint,
    });
    assert.equal(scrub.code, 0, scrub.output);
    await whole();
    assert.deepEqual((await fsck(server.endpoint)).counts, {});
    assert.equal(await server.stop(), 0);
  }
});
