/* Six devices: the redundancy of a bucket changes again and again, and each time the server is killed in the middle of bringing it to what is there. */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { patienceMs, startServer } from '../src/server.ts';
import { bearer, fsck, metric, scratch } from './process.support.ts';

const MiB = 1 << 20;
const cycles = Number(process.env['DSOM_RECODE_CYCLES'] ?? 3);

test('copies become a code and a code copies, with kill -9 in the middle: nothing is lost, and all is as wanted in the end', {
  timeout: 900_000 + cycles * 60_000,
}, async (t) => {
  const folder = scratch(t, 'recode');
  const all = Array.from({ length: 6 }, (_, i) => path.join(folder, `d${i}`));
  let server = await startServer(all);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const kept = new Map<string, Buffer>();
  assert.equal((await send(server.endpoint, 'PUT', '/recode')).status, 200);
  for (let i = 0; i < 24; i++) {
    const body = randomBytes(i === 0 ? 40 * MiB : 100_000 + i * 200_000);
    const key = `k${i}`;
    assert.equal((await send(server.endpoint, 'PUT', pathOf('recode', key), { body })).status, 200);
    kept.set(key, body);
  }
  const change = async (redundancy: unknown) => {
    const answer = await fetch(`${server.endpoint}/-/v1/buckets/recode`, {
      method: 'PATCH',
      headers: { authorization: bearer, 'content-type': 'application/json' },
      body: JSON.stringify({ redundancy }),
    });
    assert.equal(answer.status, 200, await answer.text());
  };
  const said = async (key: string) =>
    String((await send(server.endpoint, 'HEAD', pathOf('recode', key))).headers['x-dsom-redundancy']);
  const readAll = async (when: string) => {
    for (const [key, body] of kept) {
      const got = await send(server.endpoint, 'GET', pathOf('recode', key));
      assert.equal(got.status, 200, `${when}: ${key}: ${got.text().slice(0, 300)}`);
      assert.ok(got.body.equals(body), `${when}: ${key} has other bytes`);
    }
  };
  const complete = async (): Promise<number> => {
    const began = performance.now();
    // Counted from a start on: it is complete only once a walk has ended.
    while ((await metric(server.endpoint, 'dsom_recode_complete')) !== 1) {
      assert.ok(performance.now() - began < patienceMs, 'it does not come to an end');
      await sleep(200);
    }
    return performance.now() - began;
  };

  const schemes: readonly (readonly [object, string])[] = [
    [{ data: 4, parity: 2 }, '4+2'],
    [{ copies: 3 }, 'copies=3'],
    [{ data: 2, parity: 1 }, '2+1'],
  ];
  for (let cycle = 0; cycle < cycles; cycle++) {
    const [redundancy, text] = schemes[cycle % schemes.length] as (typeof schemes)[number];
    await change(redundancy);
    const began = performance.now();
    while ((await metric(server.endpoint, 'dsom_recoded_stripes_total')) === 0 && performance.now() - began < 20_000)
      await sleep(20);
    await sleep(randomInt(200));
    const done = await metric(server.endpoint, 'dsom_recoded_stripes_total');
    assert.equal(await server.stop('SIGKILL'), null);
    server = await startServer(all);
    await readAll(`cycle ${cycle}, after the kill`);
    const took = await complete();
    const bytes = await metric(server.endpoint, 'dsom_recoded_bytes_total');
    t.diagnostic(
      `${text}: ${done} stripes before the kill, ${Math.round(bytes / MiB)} MiB in ${Math.round(took)} ms after it`,
    );
    for (const key of kept.keys()) assert.equal(await said(key), text, key);
    await readAll(`cycle ${cycle}, in the end`);
    assert.deepEqual((await fsck(server.endpoint)).counts, {});
  }
  assert.equal(await server.stop(), 0);
});
