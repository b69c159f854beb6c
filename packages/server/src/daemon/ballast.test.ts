import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, it, mock } from 'node:test';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { dropBallast, takeBallast, tending } from './ballast.ts';

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

it('is looked after although nothing can be freed for a while: it may be what freeing waits for', async () => {
  const host = manualHost(1);
  let [tended, full] = [0, false];
  const free = async (): Promise<void> => {
    if (full) throw new StoreError('StorageFull');
  };
  const round = tending(free, async () => void tended++, host.clock);
  const { signal } = new AbortController();
  const fails = async (milliseconds: number): Promise<void> => {
    full = true;
    host.advance(milliseconds);
    await assert.rejects(round(signal), { code: 'StorageFull' });
    full = false;
  };
  await round(signal);
  assert.equal(tended, 1);
  for (let times = 0; times < 3; times++) await fails(limits.ballastWaitMs / 3);
  assert.equal(tended, 1);
  await round(signal);
  assert.equal(tended, 2);
  await fails(limits.ballastWaitMs);
  assert.equal(tended, 2);
  await fails(limits.ballastWaitMs);
  assert.equal(tended, 3);
});
