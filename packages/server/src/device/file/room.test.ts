import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../limits.ts';
import { roomIn } from './room.ts';

const stats = (files: number, ffree: number) => ({ bsize: 4096, blocks: 1000, bavail: 800, files, ffree }) as const;

test('a file system without inodes has no room, however many bytes it has', () => {
  assert.deepEqual(roomIn(stats(64, limits.leastFreeFiles)), { total: 4_096_000, free: 3_276_800, lacksFiles: false });
  assert.deepEqual(roomIn(stats(64, limits.leastFreeFiles - 1)), { total: 4_096_000, free: 0, lacksFiles: true });
});

test('one that makes inodes as it needs them tells none, and lacks none', () => {
  assert.deepEqual(roomIn(stats(0, 0)), { total: 4_096_000, free: 3_276_800, lacksFiles: false });
});
