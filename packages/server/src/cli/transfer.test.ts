import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { exitCode } from './exit.ts';
import { type Stub, startStub } from './stub.fixture.ts';

let stub: Stub;
let folder: string;
before(async () => {
  stub = await startStub();
});
after(() => stub.close());
beforeEach((context) => {
  stub.store.intercept = undefined;
  stub.store.buckets.get('b')?.objects.clear();
  stub.store.requests.length = 0;
  folder = path.join(stub.folder, context.name.replace(/\W+/g, '-').slice(0, 40));
  mkdirSync(folder);
});

const MiB = 1024 * 1024;
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const text = (value: string) => new TextEncoder().encode(value);
const keys = () => [...(stub.store.buckets.get('b')?.objects.keys() ?? [])].sort();

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

test('one file goes up and comes back, to the names one expects', async () => {
  const file = write('a.json', '{"x":1}');
  assert.equal((await stub.run(['cp', file, 's3://b/name', '--metadata', 'm=ü', '--preserve'])).code, 0);
  assert.equal((await stub.run(['cp', file, 's3://b/folder/'])).code, 0);
  assert.equal((await stub.run(['cp', file, 's3://b'])).code, 0);
  assert.deepEqual(keys(), ['a.json', 'folder/a.json', 'name']);
  const { headers } = stub.store.buckets.get('b')!.objects.get('name')![0]!;
  assert.deepEqual([headers['content-type'], headers['x-amz-meta-m']], ['application/json', '=?UTF-8?B?w7w=?=']);
  const out = path.join(folder, 'out');
  assert.equal((await stub.run(['cp', 's3://b/name', `${out}/`, '--preserve'])).code, 0);
  assert.equal((await stub.run(['cp', 's3://b/a.json', `${out}/other`])).code, 0);
  assert.deepEqual(readdirSync(out).sort(), ['name', 'other']);
  assert.equal(readFileSync(`${out}/name`, 'utf8'), '{"x":1}');
  assert.ok(Math.abs(statSync(`${out}/name`).mtimeMs - statSync(file).mtimeMs) < 2);
  assert.equal((await stub.run(['cp', 's3://b/name', '-'])).stdout, '{"x":1}');
  assert.equal((await stub.run(['cp', '-', 's3://b/piped'], { input: 'through a pipe' })).code, 0);
  assert.equal(new TextDecoder().decode(stub.store.bytes('b', 'piped')), 'through a pipe');
  assert.equal((await stub.run(['cp', path.join(folder, 'missing'), 's3://b'])).code, exitCode.notFound);
});

test('folders go up, across and down, filtered', async () => {
  for (const name of ['t/1.txt', 't/d/2.txt', 't/d/3.tmp', 't/d e/ü.txt']) write(name, name);
  symlinkSync('1.txt', path.join(folder, 't/link.txt'));
  symlinkSync('.', path.join(folder, 't/loop'));
  const source = path.join(folder, 't');
  assert.equal((await stub.run(['cp', source, 's3://b/x'])).code, exitCode.usage);
  const up = await stub.run(['cp', '-r', source, 's3://b/x', '--exclude', '*.tmp', '--json']);
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stderr, /loop/);
  assert.deepEqual(keys(), ['x/1.txt', 'x/d e/ü.txt', 'x/d/2.txt', 'x/link.txt']);
  assert.equal(up.rows.length, 4);
  assert.equal((await stub.run(['cp', '-r', 's3://b/x/', 's3://b/x/copy'])).code, 0);
  assert.deepEqual(keys().filter((key) => key.startsWith('x/copy/')).length, 4);
  const out = path.join(folder, 'out');
  assert.equal((await stub.run(['cp', '-r', 's3://b/x/copy', out])).code, 0);
  assert.equal(readFileSync(`${out}/d e/ü.txt`, 'utf8'), 't/d e/ü.txt');
  const some = path.join(folder, 'some');
  assert.equal((await stub.run(['cp', 's3://b/x/d*/*', some])).code, 0);
  assert.deepEqual(readdirSync(some).sort(), ['d', 'd e']);
  const planned = await stub.run(['cp', '-r', '--dry-run', 's3://b/x', path.join(folder, 'none')]);
  assert.equal(planned.stdout.trim().split('\n').length, 8);
  assert.ok(!existsSync(path.join(folder, 'none')));
});

test('keys that would leave the folder are refused, and the others come', async () => {
  for (const key of ['p/../../evil', 'p//x', 'p/good']) stub.store.store('b', key, text(key));
  const out = path.join(folder, 'deep/out');
  const ran = await stub.run(['cp', '-r', 's3://b/p', out]);
  assert.equal(ran.code, exitCode.failed);
  assert.equal(ran.stderr.match(/cannot be a file name/g)?.length, 2);
  assert.deepEqual(readdirSync(out), ['good']);
  assert.ok(!existsSync(path.join(folder, 'evil')));
});

test('moving removes the source only when the copy is there', async () => {
  const file = write('m', 'content');
  assert.equal((await stub.run(['mv', file, 's3://b/m'])).code, 0);
  assert.ok(!existsSync(file));
  assert.equal((await stub.run(['mv', 's3://b/m', 's3://b/n'])).code, 0);
  assert.deepEqual(keys(), ['n']);
  assert.equal((await stub.run(['mv', 's3://b/n', 's3://b/n'])).code, exitCode.usage);
  assert.deepEqual(keys(), ['n']);
  stub.store.intercept = ({ method, query }) =>
    method === 'GET' && !query.has('tagging') ? new Response('', { status: 403 }) : undefined;
  assert.equal((await stub.run(['mv', 's3://b/n', file])).code, exitCode.accessDenied);
  assert.deepEqual(keys(), ['n']);
  stub.store.intercept = undefined;
  write('x', 'new');
  assert.equal((await stub.run(['cp', '-n', path.join(folder, 'x'), 's3://b/n'])).code, 0);
  assert.equal(new TextDecoder().decode(stub.store.bytes('b', 'n')), 'content');
});

test('an upload that was killed goes on where it was', async () => {
  const bytes = randomBytes(40 * MiB);
  const file = write('large', bytes);
  const sent: string[] = [];
  let kill: (signal: NodeJS.Signals) => void = () => {};
  stub.store.intercept = ({ query }) => {
    if (!query.has('partNumber')) return undefined;
    sent.push(query.get('partNumber')!);
    if (sent.length < 4) return undefined;
    kill('SIGKILL');
    throw new Error('too late');
  };
  const killed = await stub.spawn(['cp', file, 's3://b/large'], { onStart: (given) => (kill = given) });
  assert.equal(killed.code, null);
  assert.equal(stub.store.uploads.size, 1);
  const there = [...stub.store.uploads.values()][0]!.parts.size;
  assert.ok(there > 0);
  stub.store.intercept = ({ query }) =>
    query.has('partNumber') ? new Response('<Error><Code>StorageFull</Code></Error>', { status: 507 }) : undefined;
  const full = await stub.run(['cp', file, 's3://b/large']);
  assert.match(
    full.stderr,
    /large is kept: the same command goes on with it; `dsom rm --uploads s3:\/\/b\/large` gives/,
  );
  assert.equal(full.code, exitCode.storageFull);
  assert.doesNotMatch((await stub.run(['cp', file, 's3://b/other', '--no-resume'])).stderr, /is kept/);
  sent.length = 0;
  stub.store.intercept = ({ query }) => {
    if (query.has('partNumber')) sent.push(query.get('partNumber')!);
    return undefined;
  };
  assert.equal((await stub.run(['cp', file, 's3://b/large'])).code, 0);
  assert.equal(sent.length, 5 - there);
  assert.equal(md5(stub.store.bytes('b', 'large')!), md5(bytes));
  assert.equal(stub.store.uploads.size, 0);
});

test('an upload of other content is left alone', async () => {
  stub.store.uploads.set('foreign', {
    bucket: 'b',
    key: 'large',
    headers: {},
    tags: {},
    parts: new Map([[1, { bytes: new Uint8Array(8 * MiB), etag: md5(new Uint8Array(8 * MiB)) }]]),
  });
  const file = write('large', randomBytes(17 * MiB));
  assert.equal((await stub.run(['cp', file, 's3://b/large'])).code, 0);
  assert.deepEqual([...stub.store.uploads.keys()], ['foreign']);
  assert.match((await stub.run(['ls', '--uploads', 'b'])).stdout, /foreign {2}large/);
  assert.equal((await stub.run(['rm', '--uploads', 's3://b/large'])).code, 0);
  assert.equal(stub.store.uploads.size, 0);
});

test('an interrupted upload is kept, and says how to go on', async () => {
  const file = write('large', randomBytes(40 * MiB));
  let interrupt: (signal: NodeJS.Signals) => void = () => {};
  stub.store.intercept = ({ query }) => {
    if (query.get('partNumber') === '3') interrupt('SIGINT');
    return undefined;
  };
  const ran = await stub.spawn(['cp', file, 's3://b/large', '-P', '1'], { onStart: (given) => (interrupt = given) });
  assert.deepEqual([ran.code, /run the same command again/.test(ran.stderr)], [exitCode.interrupted, true]);
  assert.equal(stub.store.uploads.size, 1);
  stub.store.uploads.clear();
});

test('a download that broke goes on with the missing bytes', async () => {
  const bytes = randomBytes(3 * MiB);
  stub.store.store('b', 'k', bytes);
  const out = path.join(folder, 'k');
  // Gives a beginning, and then only errors.
  let first = true;
  stub.store.intercept = ({ method, headers }) => {
    if (method !== 'GET') return undefined;
    if (!first) return new Response('', { status: 403 });
    first = false;
    assert.equal(headers.get('range'), null);
    const answer = new Response(bytes.subarray(0, MiB), {
      status: 200,
      headers: { etag: `"${md5(bytes)}"`, 'content-range': `bytes 0-${MiB - 1}/${3 * MiB}` },
    });
    return answer;
  };
  const broken = await stub.run(['cp', 's3://b/k', out]);
  assert.notEqual(broken.code, 0);
  assert.ok(!existsSync(out));
  stub.store.intercept = undefined;
  stub.store.requests.length = 0;
  const ran = await stub.run(['cp', 's3://b/k', out]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(md5(readFileSync(out)), md5(bytes));
  const get = stub.store.requests.find((one) => one.method === 'GET')!;
  assert.deepEqual(
    [get.headers.get('range'), get.headers.get('if-match')],
    [`bytes=${MiB}-${3 * MiB - 1}`, `"${md5(bytes)}"`],
  );
  assert.deepEqual(readdirSync(folder), ['k']);
});

test('bytes that are not those of the object never reach the target', async () => {
  stub.store.store('b', 'k', text('right'));
  stub.store.intercept = ({ method }) =>
    method === 'GET' ? new Response('wrong', { headers: { etag: `"${md5(text('right'))}"` } }) : undefined;
  const ran = await stub.run(['cp', 's3://b/k', path.join(folder, 'k')]);
  assert.equal(ran.code, exitCode.damaged, ran.stderr);
  assert.deepEqual(readdirSync(folder), []);
});

test('sync sends what differs, in both directions, and deletes when told', async () => {
  for (const name of ['s/a', 's/d/b', 's/d.x', 's/skip.tmp']) write(name, name);
  const source = path.join(folder, 's');
  const actions = async (...parameters: string[]) => {
    const ran = await stub.run(['sync', '--json', ...parameters]);
    assert.equal(ran.code, 0, ran.stderr);
    return ran.rows.map((row) => `${String(row['action'])} ${path.basename(String(row['target']))}`).sort();
  };
  const up = (...more: string[]) => actions(source, 's3://b/p', '--exclude', '*.tmp', ...more);
  assert.deepEqual(await up(), ['upload a', 'upload b', 'upload d.x']);
  assert.deepEqual(await up(), []);
  write('s/a', 'S/a');
  utimesSync(`${source}/a`, new Date(Date.now() + 60_000), new Date(Date.now() + 60_000));
  utimesSync(`${source}/d.x`, new Date(Date.now() + 60_000), new Date(Date.now() + 60_000));
  stub.store.store('b', 'p/extra', text('1'));
  assert.deepEqual(await up('--dry-run', '--delete'), ['delete extra', 'upload a']);
  assert.deepEqual(await up('--delete'), ['delete extra', 'upload a']);

  const target = path.join(folder, 't');
  const down = (...more: string[]) => actions('s3://b/p', target, ...more);
  assert.deepEqual(await down(), ['download a', 'download b', 'download d.x']);
  assert.deepEqual(await down(), []);
  writeFileSync(`${target}/a`, 'xxx');
  utimesSync(`${target}/d.x`, new Date(0), new Date(0));
  writeFileSync(`${target}/more`, 'x');
  assert.deepEqual(await down('--delete'), ['delete more', 'download a']);
  assert.equal(readFileSync(`${target}/a`, 'utf8'), 'S/a');
  assert.deepEqual(await actions('s3://b/p', 's3://b/q'), ['copy a', 'copy b', 'copy d.x']);
  assert.deepEqual(await actions('s3://b/p', 's3://b/q'), []);
  assert.equal((await stub.run(['sync', 's3://b/p', 's3://b/p/x'])).code, exitCode.usage);
});

test('with --checksum a file with an old time and other bytes is noticed', async () => {
  write('s/a', 'one');
  const source = path.join(folder, 's');
  await stub.run(['sync', source, 's3://b/p']);
  write('s/a', 'two');
  utimesSync(`${source}/a`, new Date(0), new Date(0));
  assert.equal((await stub.run(['sync', '--json', source, 's3://b/p'])).rows.length, 0);
  assert.equal((await stub.run(['sync', '--json', '--checksum', source, 's3://b/p'])).rows.length, 1);
});
