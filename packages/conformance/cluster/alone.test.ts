/* A store that ran alone becomes the first node of a cluster, also when its first start as one comes to no end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { type Server, startServer } from '../src/server.ts';
import { dsom, etcdMissing, portRow, signalMember, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
const begins = ['--cluster-name', 'main', '--etcd-any-version'];
const bodies = [Buffer.from('inline'), Buffer.alloc(300_000, 'in a stripe')];

/** A store with a bucket and two objects, that runs no more. */
async function store(t: TestContext, name: string) {
  const folder = scratchFolder(name);
  const data = path.join(folder, 'data');
  const port = await portRow();
  let running: Server | undefined;
  t.after(async () => {
    signalMember(data, 'SIGKILL');
    await running?.stop('SIGKILL');
  });
  const start = async (options: Parameters<typeof startServer>[1] = {}): Promise<Server> =>
    (running = await startServer([data], { port, ...options }));
  const alone = await start();
  assert.equal((await send(alone.endpoint, 'PUT', '/kept')).status, 200);
  for (const [at, body] of bodies.entries())
    assert.equal((await send(alone.endpoint, 'PUT', pathOf('kept', String(at)), { body })).status, 200);
  assert.equal(await alone.stop(), 0);
  const reads = async ({ endpoint }: Server): Promise<void> => {
    for (const [at, body] of bodies.entries())
      assert.ok((await send(endpoint, 'GET', pathOf('kept', String(at)))).body.equals(body));
  };
  return { folder, data, start, reads };
}

/** A PATH on which `etcd` is this script. */
function pathWith(folder: string, script: string): string {
  const programs = path.join(folder, 'programs');
  mkdirSync(programs);
  const file = path.join(programs, 'etcd');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  for (const program of ['sleep', 'ps', 'sh']) {
    const found = ['/bin', '/usr/bin'].map((one) => path.join(one, program)).find(existsSync);
    if (found !== undefined) symlinkSync(found, path.join(programs, program));
  }
  return programs;
}

test('what keeps a cluster from beginning leaves the store alone, as it was', { skip }, async (t) => {
  const { folder, data, start, reads } = await store(t, 'alone-refused');
  const old = pathWith(folder, 'echo etcd Version: 3.4.1');
  for (const [flags, env, refusal] of [
    [['--cluster-name', 'main'], { PATH: path.join(folder, 'nowhere') }, /etcd is not on the PATH\. Install etcd/],
    [['--cluster-name', 'main'], { PATH: old }, /is refused: it is version 3\.4\.1/],
    [[...begins, '--cluster-address', '0.0.0.0:1'], {}, /--cluster-address HOST:PORT/],
  ] as const) {
    await assert.rejects(start({ flags, env }), refusal);
    assert.ok(!existsSync(path.join(data, 'cluster')), 'nothing has begun');
  }
  const alone = await start();
  await reads(alone);
  assert.equal(await alone.stop(), 0);
});

test('a first start as a node that was broken off is gone on with by the next one', { skip }, async (t) => {
  const { folder, data, start, reads } = await store(t, 'alone-broken-off');
  // This etcd says its version and never serves: the start stands where the node has begun, and the log has not.
  const env = { PATH: pathWith(folder, '[ "$1" = --version ] && echo etcd Version: 3.5.30 && exit 0\nexec sleep 600') };
  const ids = { server: path.join(folder, 'pid'), etcd: path.join(data, 'cluster/etcd/pid') };
  const idIn = (file: string): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
  const launch = ['/bin/sh', '-c', `echo $$ > '${ids.server}'; exec "$@"`, 'sh'];
  const broken = assert.rejects(start({ flags: begins, env, launch }), /the server ended at start/);
  await until('the node has begun', 60_000, async () => idIn(ids.server) > 0 && idIn(ids.etcd) > 0);
  process.kill(idIn(ids.server), 'SIGKILL');
  signalMember(data, 'SIGKILL');
  await broken;

  const node = await start({ flags: begins });
  await reads(node);
  assert.equal((await send(node.endpoint, 'PUT', pathOf('kept', 'later'), { body: 'later' })).status, 200);
  assert.deepEqual(await dsom(node.endpoint, 'fsck').then((lines) => lines.at(-1)?.['counts']), {});
  assert.equal(await node.stop(), 0);
  const again = await start({ flags: ['--etcd-any-version'] });
  await reads(again);
  assert.equal((await send(again.endpoint, 'GET', pathOf('kept', 'later'))).text(), 'later');
});

test('a store does not begin a cluster whose name another store has in the same etcd', { skip }, async (t) => {
  const { folder, data, start, reads } = await store(t, 'alone-taken');
  const port = await portRow();
  const [clients, peers] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`];
  const settings = {
    name: 'own',
    'data-dir': path.join(folder, 'etcd'),
    'max-request-bytes': '8388608',
    'listen-client-urls': clients,
    'advertise-client-urls': clients,
    'listen-peer-urls': peers,
    'initial-advertise-peer-urls': peers,
    'initial-cluster': `own=${peers}`,
  };
  const etcd = spawn(
    'etcd',
    Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  );
  t.after(() => etcd.kill('SIGKILL'));
  const flags = [...begins, '--etcd', clients];
  const other = path.join(folder, 'other');
  const first = await startServer([other], { port: await portRow(), flags });
  t.after(() => first.stop('SIGKILL'));
  // Whoever has the log is away: nothing else keeps the second store from owning it.
  assert.equal(await first.stop(), 0);
  await assert.rejects(start({ flags }), /holds a cluster main already, of another store: give another --cluster-name/);
  assert.ok(!existsSync(path.join(data, 'cluster')));
  const named = await start({ flags: ['--cluster-name', 'second', '--etcd-any-version', '--etcd', clients] });
  await reads(named);
  assert.equal(await named.stop(), 0);
  const again = await startServer([other], { port: first.port, flags });
  assert.equal(await again.stop(), 0);
});
