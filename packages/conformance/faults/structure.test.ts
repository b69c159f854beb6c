/*
 * Databases whose pages change under a running server: what walks through all of them says so, and the server goes on.
 *
 * By command: LMDB trusts its pages, so whatever else of the server meets the damage before (a commit, a job) may end the process. The tests of `kv` and
 * `durability/check` show the same without a server.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { credentials, startServer } from '../src/server.ts';
import { dsom, fsck, metric, scratch } from './process.support.ts';

const pageBytes = 8192;
const keys = Array.from({ length: 400 }, (_, n) => `${String(n).padStart(4, '0')}-${'k'.repeat(20)}`);
const body = (n: number): Buffer => Buffer.alloc(n % 4 === 3 ? 5000 : 1200, n);

/** Spoils what LMDB finds rows by, in some leaves. */
function spoil(file: string, wanted: (page: Buffer) => boolean): number {
  const bytes = readFileSync(file);
  const open = openSync(file, 'r+');
  let spoiled = 0;
  for (let at = 2 * pageBytes; at < bytes.length; at += pageBytes) {
    const page = bytes.subarray(at, at + pageBytes);
    const isLeaf = page.readUInt16LE(18) === 2;
    if (!isLeaf || !wanted(page)) continue;
    // Where the nodes of the page are.
    for (let n = 24; n < page.readUInt16LE(20); n += 2) page.writeUInt16LE(0xfff0, n);
    writeSync(open, page, 0, pageBytes, at);
    spoiled++;
  }
  closeSync(open);
  return spoiled;
}

for (const { what, file, wanted, kind, degraded } of [
  {
    what: 'metadata',
    file: 'metadata/kv/data.mdb',
    // A range of keys, where they are in order: nothing that a request for others or a background job needs is on those pages.
    wanted: (page: Buffer) => {
      const there = keys.filter((key) => page.includes(key));
      return there.length > 0 && there.every((key) => key >= '0150' && key < '0250');
    },
    kind: 'metadata-structure',
    degraded: /the metadata in .* are damaged/,
  },
  {
    what: 'fragment index',
    file: 'device/index/data.mdb',
    wanted: () => true,
    kind: 'index-structure',
    degraded: /the fragment index in .* is damaged/,
  },
])
  test(`${what}: damaged pages under a server that runs are told by fsck and scrub, and made anew by a restart`, {
    timeout: 900_000,
  }, async (t) => {
    const data = path.join(scratch(t, 'structure'), 'a');
    let server = await startServer([data]);
    t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
    const { endpoint } = server;
    assert.equal((await send(endpoint, 'PUT', '/bucket')).status, 200);
    for (const [n, key] of keys.entries())
      assert.equal((await send(endpoint, 'PUT', pathOf('bucket', key), { body: body(n) })).status, 200);
    const environment = {
      DSOM_ENDPOINT: endpoint,
      DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
      DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    // What a start has to look at was looked at, and what was put is committed.
    assert.equal((await dsom(['repair', 'status', '--wait'], environment)).code, 0);
    assert.ok(spoil(path.join(data, file), wanted) > 0);

    assert.deepEqual(Object.keys((await fsck(endpoint)).counts), [kind], server.output());
    const scrubbed = await dsom(['scrub', 'start', '--wait'], environment);
    assert.equal(scrubbed.code, 1, scrubbed.output);
    assert.match(scrubbed.output, /the pass came to no end: page \d+ of .* is damaged.*dsom fsck/);
    const ready = (await (await fetch(`${endpoint}/-/health/ready`)).json()) as { degraded: string[] };
    assert.match(ready.degraded.join(), degraded);
    const counts = await Promise.all(
      ['dsom_damaged_metadata_shards', 'dsom_damaged_indexes'].map((name) => metric(endpoint, name)),
    );
    assert.deepEqual(counts, kind === 'metadata-structure' ? [1, 0] : [0, 1]);
    const first = await send(endpoint, 'GET', pathOf('bucket', keys[0] as string));
    assert.ok(first.body.equals(body(0)), 'what lies elsewhere is served');

    await server.stop();
    server = await startServer([data], { port: server.port });
    for (const [n, key] of keys.entries())
      assert.ok((await send(endpoint, 'GET', pathOf('bucket', key))).body.equals(body(n)), key);
    assert.deepEqual((await fsck(endpoint)).counts, {});
  });
