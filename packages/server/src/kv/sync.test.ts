import assert from 'node:assert/strict';
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, it, mock } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { openKv } from './owner.ts';
import { listed } from './suite.ts';

/* What a checkpoint asks of the operating system, and in which order. */

let directory: string;
const host = manualHost();
const key = Buffer.from('a');

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'dsom-kv-sync-'));
});
afterEach(() => {
  mock.restoreAll();
  syncBuiltinESMExports();
  fs.rmSync(directory, { recursive: true, force: true });
});

/** File behind a descriptor, by its last name. */
const nameOf = (fd: number): string => basename(fs.readlinkSync(`/proc/self/fd/${fd}`));

type Back = (error: Error | null) => void;

async function record(): Promise<string[]> {
  const calls: string[] = [];
  const { fdatasync } = fs;
  mock.method(fs, 'fdatasync', (fd: number, back: Back) => {
    calls.push(`sync ${nameOf(fd)}`);
    fdatasync(fd, back);
  });
  const { rename } = promises;
  mock.method(promises, 'rename', (from: string, to: string) => {
    calls.push(`rename ${basename(from)} ${basename(to)}`);
    return rename(from, to);
  });
  const handle = await promises.open(directory);
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const sync = Reflect.get(prototype, 'sync') as (this: typeof handle) => Promise<void>;
  mock.method(prototype, 'sync', function (this: typeof handle) {
    calls.push(`sync ${nameOf(this.fd)}`);
    return sync.call(this);
  });
  syncBuiltinESMExports();
  return calls;
}

it('lmdb: a checkpoint syncs the data, then the side file, and only then gives it its name', {
  skip: !fs.existsSync('/proc/self/fd'),
}, async () => {
  const calls = await record();
  const expected = [
    'sync data.mdb',
    'sync checkpoint.next',
    'rename checkpoint.next checkpoint',
    `sync ${basename(directory)}`,
  ];
  const kv = await openKv({ directory, host });
  assert.deepEqual(calls.splice(0), expected);
  kv.commit([[key, key]]);
  assert.deepEqual(calls, [], 'a commit syncs nothing');
  await kv.checkpoint();
  assert.deepEqual(calls.splice(0), expected);
  await kv.checkpoint();
  assert.deepEqual(calls, [], 'nothing new, nothing to do');
  kv.commit([[key, undefined]]);
  await kv.close();
  assert.deepEqual(calls, expected);
});

it('lmdb: after a failed sync it takes no more commits and keeps its old checkpoint', async () => {
  const kv = await openKv({ directory, host });
  kv.commit([[key, Buffer.from('1')]]);
  await kv.checkpoint();
  const side = fs.readFileSync(join(directory, 'checkpoint'));
  let syncs = 0;
  mock.method(fs, 'fdatasync', (_fd: number, back: Back) => {
    syncs++;
    queueMicrotask(() => back(Object.assign(new Error('EIO'), { code: 'EIO' })));
  });
  syncBuiltinESMExports();
  kv.commit([[key, Buffer.from('2')]]);
  const first = kv.checkpoint();
  const second = kv.checkpoint();
  await assert.rejects(first, /could not make a checkpoint/);
  await assert.rejects(second, /could not make a checkpoint/);
  assert.throws(() => kv.commit([[key, Buffer.from('3')]]), /could not make a checkpoint/);
  await assert.rejects(kv.checkpoint(), /could not make a checkpoint/);
  assert.equal(kv.get(key)?.toString(), '2', 'it still reads');
  await kv.close();
  assert.equal(syncs, 1, 'the sync is not tried again');
  assert.deepEqual(fs.readFileSync(join(directory, 'checkpoint')), side);
  mock.restoreAll();
  syncBuiltinESMExports();
  const again = await openKv({ directory, host });
  assert.deepEqual(listed(again), ['61=31']);
  await again.close();
});

it('lmdb: what is committed is synced ahead of the checkpoint, and a failure of that is one too', {
  skip: !fs.existsSync('/proc/self/fd'),
}, async () => {
  const calls = await record();
  const kv = await openKv({ directory, host });
  calls.splice(0);
  const part = Array.from({ length: 8 }, (_, i) => [Buffer.from([i]), Buffer.alloc(limits.kvAheadBytes / 8)] as const);
  kv.commit(part.slice(1));
  assert.deepEqual(calls, []);
  kv.commit(part.slice(0, 1));
  assert.deepEqual(calls.splice(0), ['sync data.mdb']);
  await kv.checkpoint();
  const side = fs.readFileSync(join(directory, 'checkpoint'));
  mock.method(fs, 'fdatasync', (_fd: number, back: Back) => {
    queueMicrotask(() => back(Object.assign(new Error('EIO'), { code: 'EIO' })));
  });
  syncBuiltinESMExports();
  kv.commit(part);
  // A checkpoint whose own sync succeeds says nothing of the pages that the other could not write.
  mock.method(fs, 'fdatasync', (_fd: number, back: Back) => queueMicrotask(() => back(null)));
  syncBuiltinESMExports();
  await assert.rejects(kv.checkpoint(), /could not/);
  assert.throws(() => kv.commit([[key, key]]), /could not be synced/);
  await kv.close();
  assert.deepEqual(fs.readFileSync(join(directory, 'checkpoint')), side);
});
