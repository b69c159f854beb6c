import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { afterEach, it, mock } from 'node:test';
import { reserveOf } from '../device/index.ts';
import { manualHost } from '../host/index.ts';
import type { Command, Proposer } from '../metadata/index.ts';
import { MetadataSpace, pendingBytesOf } from './space.ts';

const MiB = 1024 * 1024;

afterEach(() => {
  mock.restoreAll();
  syncBuiltinESMExports();
});

function disk(totalMiB: number): { freeMiB: number } {
  const state = { freeMiB: totalMiB };
  mock.method(fs, 'statfsSync', () => ({ blocks: totalMiB, bavail: state.freeMiB, bsize: MiB }));
  syncBuiltinESMExports();
  return state;
}

const put = (body: object) => ({ type: 'object.put', pieces: [{ body }] }) as unknown as Command;
const inline = put({ inline: Buffer.alloc(1) });
const large = put({ stripes: [] });
const remove = { type: 'object.delete' } as unknown as Command;

it('refuses bytes first, then rows, and never what removes; space that the KV has free counts', async () => {
  const state = disk(320); // Reserve 20 MiB; the log may need 4.25 more.
  const kv = { freeBytes: 0, fileBytes: 0, rows: 0, pendingBytes: 0 };
  const log = { roomy: true, provided: false };
  const { clock, advance } = manualHost();
  const taken: Proposer = { propose: () => Promise.resolve({ reply: { type: 'done' }, position: 1 }) };
  const guarded = new MetadataSpace('/', { statistics: () => kv }, log, clock);
  const proposer = guarded.guard(taken);
  const outcomes = async () => {
    advance(20);
    await Promise.resolve();
    const all = await Promise.allSettled([inline, large, remove].map((command) => proposer.propose(command)));
    return all.map((one) => (one.status === 'fulfilled' ? 'taken' : (one.reason as { code: string }).code));
  };
  assert.deepEqual(await outcomes(), ['taken', 'taken', 'taken']);
  state.freeMiB = 14;
  assert.deepEqual(await outcomes(), ['StorageFull', 'taken', 'taken']);
  kv.freeBytes = MiB;
  assert.deepEqual(await outcomes(), ['taken', 'taken', 'taken']);
  kv.freeBytes = 0;
  state.freeMiB = 8;
  assert.deepEqual(await outcomes(), ['StorageFull', 'StorageFull', 'taken']);
  kv.freeBytes = 100 * MiB;
  state.freeMiB = 6;
  assert.deepEqual(await outcomes(), ['StorageFull', 'StorageFull', 'taken'], 'the log needs space of the disk');
  state.freeMiB = 15;
  assert.deepEqual(guarded.room, { rows: false, bytes: false }, 'the answer of a moment ago');
  assert.deepEqual(await outcomes(), ['taken', 'taken', 'taken']);
  log.provided = true;
  state.freeMiB = 10;
  assert.deepEqual(await outcomes(), ['taken', 'taken', 'taken'], 'the next segment is there');
  state.freeMiB = 15;
  log.roomy = false;
  assert.deepEqual(
    await outcomes(),
    ['StorageFull', 'StorageFull', 'taken'],
    'the rest of the segment is for removals',
  );
});

it('a small disk keeps what a log and a KV need at least, a large one a part of it, with a bound', () => {
  assert.equal(reserveOf(64 * MiB), 20 * MiB);
  assert.equal(reserveOf(1600 * MiB), 100 * MiB);
  assert.equal(reserveOf(1024 * 1024 * MiB), 512 * MiB);
});

it('a small disk bounds what is pending between two checkpoints', () => {
  disk(320);
  assert.equal(pendingBytesOf(tmpdir()), 2.5 * MiB);
  mock.restoreAll();
  disk(1024 * 1024);
  assert.equal(pendingBytesOf(tmpdir()), 64 * MiB);
});

it('refuses what adds where no file can be made, and says which of the two is lacking', () => {
  let ffree = 5000;
  let bavail = 300;
  mock.method(fs, 'statfsSync', () => ({ blocks: 320, bavail, bsize: MiB, files: 20_000, ffree }));
  syncBuiltinESMExports();
  const kv = { freeBytes: 0, fileBytes: 0, rows: 0, pendingBytes: 0 };
  const { clock, advance } = manualHost();
  const space = new MetadataSpace('/', { statistics: () => kv }, { roomy: true, provided: true }, clock);
  assert.deepEqual([space.room, space.lack], [{ rows: true, bytes: true }, undefined]);
  ffree = 3;
  advance(20);
  assert.deepEqual(space.room, { rows: false, bytes: false });
  assert.match(`${space.lack}`, /inode/);
  ffree = 5000;
  bavail = 1;
  advance(20);
  assert.equal(space.lack, 'the disk is full');
});
