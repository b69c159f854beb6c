import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, it, mock } from 'node:test';
import { dropBallast, takeBallast } from './ballast.ts';

const MiB = 1024 * 1024;
const directory = fs.mkdtempSync(path.join(tmpdir(), 'dsom-ballast-'));
const ballast = path.join(directory, 'ballast');
after(() => fs.rmSync(directory, { recursive: true, force: true }));
afterEach(() => {
  mock.restoreAll();
  syncBuiltinESMExports();
});

function disk(freeMiB: number): void {
  mock.restoreAll();
  // 320 MiB: the reserve is 20 MiB, the ballast 5.
  mock.method(fs, 'statfsSync', () => ({ blocks: 320, bavail: freeMiB, bsize: MiB }));
  syncBuiltinESMExports();
}

it('is taken in when there is room, and given up when there is hardly any', async () => {
  disk(24);
  await takeBallast(directory);
  assert.equal(fs.existsSync(ballast), false);
  disk(25);
  await takeBallast(directory);
  assert.equal(fs.statSync(ballast).size, 5 * MiB);
  disk(3);
  assert.equal(dropBallast(directory), false);
  assert.equal(fs.existsSync(ballast), true);
  disk(2);
  assert.equal(dropBallast(directory), true);
  assert.deepEqual(fs.readdirSync(directory), []);
  assert.equal(dropBallast(directory), false);
});
