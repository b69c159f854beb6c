import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { InvariantError } from '../invariant.ts';
import { openKv } from './owner.ts';
import { openKvReader } from './reader.ts';
import { describeKv, listed } from './suite.ts';

const root = await fs.mkdtemp(join(tmpdir(), 'dsom-kv-'));
after(() => fs.rm(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, String(count++));
const host = manualHost();

describeKv('lmdb', (its) => openKv({ directory: fresh(), host: its }));

const a = Buffer.from('a');
const b = Buffer.from('b');

/** A closed KV with one row in a checkpoint. */
async function filled(): Promise<string> {
  const directory = fresh();
  const kv = await openKv({ directory, host });
  kv.commit([[a, Buffer.from('1')]]);
  await kv.close();
  return directory;
}

it('lmdb: has its first checkpoint before anybody writes', async () => {
  const directory = fresh();
  const kv = await openKv({ directory, host });
  assert.ok(existsSync(join(directory, 'checkpoint')));
  kv.commit([[a, Buffer.from('1')]]);
  const copy = fresh();
  await fs.cp(directory, copy, { recursive: true });
  await kv.close();
  const crashed = await openKv({ directory: copy, host });
  assert.deepEqual(listed(crashed), []);
  await crashed.close();
});

it('lmdb: opens where it was closed', async () => {
  const directory = await filled();
  const kv = await openKv({ directory, host });
  assert.deepEqual(listed(kv), ['61=31']);
  await kv.close();
});

it('lmdb: begins anew when its first open was cut short', async () => {
  for (const leftover of [Buffer.alloc(0), Buffer.alloc(5000), Buffer.alloc(16384)]) {
    const directory = fresh();
    await fs.mkdir(directory);
    await fs.writeFile(join(directory, 'data.mdb'), leftover);
    const kv = await openKv({ directory, host });
    kv.commit([[a, Buffer.from('1')]]);
    await kv.close();
  }
});

it('lmdb: says what is wrong with a checkpoint, whichever byte is damaged', async () => {
  const directory = await filled();
  const path = join(directory, 'checkpoint');
  const good = await fs.readFile(path);
  const sites = [0, 7, 8, 12, 16, 23, 24, 48, 180, 8216, 8300, good.length - 4, good.length - 1];
  for (const site of sites) {
    const bad = Buffer.from(good);
    bad[site] = (bad[site] as number) ^ 0x10;
    await fs.writeFile(path, bad);
    await assert.rejects(openKv({ directory, host }), (error) => {
      assert.ok(error instanceof CorruptionError);
      assert.match(error.message, /the checkpoint of the key-value store in .* cannot be used: /);
      return true;
    });
  }
  for (const bad of [
    good.subarray(0, 100),
    good.subarray(0, good.length - 1),
    Buffer.concat([good, a]),
    Buffer.alloc(0),
  ]) {
    await fs.writeFile(path, bad);
    await assert.rejects(openKv({ directory, host }), CorruptionError);
  }
  await fs.rm(path);
  await assert.rejects(openKv({ directory, host }), /holds data, but its checkpoint file is missing/);
  await fs.writeFile(path, good);
  await fs.truncate(join(directory, 'data.mdb'), 16384);
  await assert.rejects(openKv({ directory, host }), /has 16384 bytes, its checkpoint needs/);
  await fs.rm(join(directory, 'data.mdb'));
  await assert.rejects(openKv({ directory, host }), /is missing, though a checkpoint of it exists/);
});

it('lmdb: has one owner at a time', async () => {
  const directory = fresh();
  const kv = await openKv({ directory, host });
  await assert.rejects(openKv({ directory: join(directory, '.'), host }), InvariantError);
  await kv.close();
  await (await openKv({ directory, host })).close();
});

it('lmdb: a reader needs an owner that came first', () => {
  assert.throws(() => openKvReader({ directory: fresh(), host }), InvariantError);
});

it('lmdb: uses the space of old states again', async () => {
  const kv = await openKv({ directory: fresh(), host });
  const value = Buffer.alloc(3000, 1);
  const keys = Array.from({ length: 200 }, (_, i) => Buffer.from(String(i)));
  const turn = async (): Promise<number> => {
    for (let i = 0; i < 20; i++) kv.commit(keys.slice(i * 10, i * 10 + 10).map((key) => [key, value] as const));
    await kv.checkpoint();
    return kv.statistics().fileBytes;
  };
  for (let i = 0; i < 5; i++) await turn();
  const settled = await turn();
  for (let i = 0; i < 30; i++) await turn();
  assert.ok((await turn()) <= settled * 1.2, 'the file stops growing');
  kv.commit([[b, value]]);
  await kv.close();
});
