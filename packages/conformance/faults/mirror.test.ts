/*
 * Two data directories, one of which is lost with everything in it after a kill -9 under load: all that was acknowledged is there at the next
 * start, with the same command. First the directory that the metadata is served from, then the other one.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { patienceMs, type Server, startServer } from '../src/server.ts';
import { metric, scratch } from './process.support.ts';

const writers = 8;
const sizes = [100, 3000, 4096, 6000, 70_000];
const sizeOf = (number: number, writer: number) => sizes[(number + writer) % sizes.length] as number;
/** Whether an object is too large to lie in metadata. */
function largeOf(key: string): boolean {
  const [, writer, number] = key.split('/').map(Number) as [number, number, number];
  return sizeOf(number, writer) > 4096;
}
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

interface Health {
  readonly ready: boolean;
  readonly degraded: readonly string[];
}

const health = async (server: Server) => (await (await fetch(`${server.endpoint}/-/health/ready`)).json()) as Health;

/** A device that is gone for good stays named: its placement groups are not its successor's. */
async function untilWhole(server: Server): Promise<void> {
  for (let tries = 0; ; tries++) {
    const degraded = (await health(server)).degraded.filter((one) => !one.endsWith('is missing'));
    if (degraded.length === 0) return;
    assert.ok(tries < patienceMs / 100, `still degraded: ${degraded.join('; ')}`);
    await sleep(100);
  }
}

/** What the server prints when it is ready, which is a moment after it answers. */
async function banner(server: Server): Promise<string> {
  await server.says(/Try:/);
  return server.output();
}

/** Writes until some hundred are acknowledged, and kills the server meanwhile. @returns what was acknowledged, added to `kept` */
async function loadAndKill(server: Server, kept: Map<string, string>, round: number): Promise<void> {
  let going = true;
  const work = Array.from({ length: writers }, async (_, writer) => {
    for (let number = 0; going; number++) {
      const key = `${round}/${writer}/${number}`;
      const body = randomBytes(sizeOf(number, writer));
      try {
        if ((await send(server.endpoint, 'PUT', pathOf('pair', key), { body })).status !== 200) return;
      } catch {
        return;
      }
      kept.set(key, md5(body));
    }
  });
  const enough = kept.size + randomInt(50, 300);
  for (const end = performance.now() + patienceMs; kept.size < enough && performance.now() < end; ) await sleep(5);
  const killed = server.stop('SIGKILL');
  going = false;
  await killed;
  await Promise.all(work);
}

async function check(server: Server, kept: ReadonlyMap<string, string>): Promise<void> {
  for (const [key, digest] of kept) {
    const answer = await send(server.endpoint, 'GET', pathOf('pair', key));
    assert.equal(answer.status, 200, `${key}: ${answer.text().slice(0, 300)}`);
    assert.equal(md5(answer.body), digest, key);
  }
}

test('either of two directories is lost: everything acknowledged is there', { timeout: 900_000 }, async (t) => {
  const folder = scratch(t, 'pair');
  const data = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  const kept = new Map<string, string>();
  let server = await startServer(data);
  t.after(() => server.stop('SIGKILL'));
  assert.match(
    await banner(server),
    /any one device may die\n +metadata is in \S+\/a, and can be made anew from \S+\/b/,
  );
  assert.equal((await send(server.endpoint, 'PUT', '/pair')).status, 200);

  for (const [round, lost, primary] of [
    [1, 0, 1],
    [2, 1, 0],
    [3, 1, 0],
  ] as const) {
    await untilWhole(server);
    assert.equal(await metric(server.endpoint, 'dsom_metadata_mirrored'), 1);
    const before = kept.size;
    await loadAndKill(server, kept, round);
    assert.ok(kept.size > before + 20, `only ${kept.size - before} writes were acknowledged`);
    rmSync(data[lost], { recursive: true });
    server = await startServer(data);
    const said = await banner(server);
    const promoted = said.includes(
      `WARNING   the directory that held the metadata is not here: ${data[primary]} has taken its place`,
    );
    assert.equal(promoted, round < 3, said);
    assert.ok(said.includes(`metadata is in ${data[primary]}, and can be made anew from ${data[lost]}`), said);
    // What lies in stripes had its copies on the two directories of its time.
    for (const key of kept.keys()) if (!key.startsWith(`${round}/`) && largeOf(key)) kept.delete(key);
    await check(server, kept);
    assert.ok(existsSync(path.join(data[lost], 'keys/keyring')));
  }
  await untilWhole(server);
  assert.equal(await server.stop(), 0);
});

test('the second directory alone is the store, warns, and the first one catches up', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'pair');
  const [a, b] = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  let server = await startServer([a, b]);
  t.after(() => server.stop('SIGKILL'));
  assert.equal((await send(server.endpoint, 'PUT', '/pair')).status, 200);
  const put = async (key: string) =>
    assert.equal((await send(server.endpoint, 'PUT', pathOf('pair', key), { body: Buffer.from(key) })).status, 200);
  await put('both');
  await server.stop('SIGKILL');
  server = await startServer([b]);
  assert.match(await banner(server), /WARNING {3}the metadata, the log and the keys have no second copy/);
  assert.ok((await health(server)).degraded.includes('the log, the metadata and the keys have no second copy'));
  assert.equal(await metric(server.endpoint, 'dsom_metadata_mirrored'), 0);
  await put('alone');
  await server.stop('SIGKILL');
  server = await startServer([a, b]);
  for (const key of ['both', 'alone'])
    assert.equal((await send(server.endpoint, 'GET', pathOf('pair', key))).text(), key);
  await untilWhole(server);
  await server.stop('SIGKILL');
  server = await startServer([a]);
  assert.equal((await send(server.endpoint, 'GET', pathOf('pair', 'alone'))).text(), 'alone');
  assert.equal(await server.stop(), 0);
});
