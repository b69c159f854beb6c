import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { adoptDevice, fileVolume, openDevice } from '../device/index.ts';
import { realHost } from '../host/index.ts';
import { openKv } from '../kv/index.ts';
import { openFragmentOwner } from './owner.ts';
import { openFragmentStore } from './store.ts';
import { auditOf, contentOf, idOf } from './system.fixture.ts';

const store = '00000000-0000-4000-8000-000000000001';
const host = realHost();

/** Lets the child work for a while, kills it, and gives what it said. */
async function life(directory: string, first: number, milliseconds: number): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'kill.child.ts'), directory, String(first), store], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => {
    if (said === '') host.timers.after(milliseconds, () => child.kill('SIGKILL'));
    said += text.toString();
  });
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>();
  child.on('close', (_code, signal) => resolve(signal));
  assert.equal(await promise, 'SIGKILL');
  return said.split('\n').slice(0, -1);
}

it('fragments: kill -9 under load loses nothing that was sealed, on a real disk', { timeout: 240_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'dsom-fragments-'));
  try {
    const fates = new Map<number, { fate: string; length: number }>();
    for (let cycle = 0; cycle < 4; cycle++) {
      const lines = await life(directory, cycle * 1_000_000, 100 + cycle * 150);
      assert.ok(lines.length > 0);
      for (const line of lines) {
        const [fate, number, length] = line.split(' ') as [string, string, string];
        fates.set(Number(number), { fate, length: Number(length) });
      }
      const volume = fileVolume(join(directory, 'device'));
      const { identity, release } = await adoptDevice(volume, { store, create: false, host });
      const device = openDevice({ volume, identity, host });
      const kv = await openKv({ directory: join(directory, 'index'), host });
      const owner = await openFragmentOwner({ device, kv, host });
      assert.ok(owner.recovery.windows > 0);
      const fragments = openFragmentStore({ device, owner, index: kv, host });
      for (const [number, { fate, length }] of fates) {
        const found = fragments.length(idOf(number));
        if (fate === 'sealed') assert.equal(found, length, `sealed fragment ${number}`);
        if (fate === 'gone') assert.equal(found, undefined, `fragment ${number} that is gone`);
        if (found !== undefined)
          assert.deepEqual(await fragments.read(idOf(number), 0, length), contentOf(idOf(number), length));
        else fates.set(number, { fate: 'gone', length });
      }
      const { overlapping, damaged, leakedBytes, unprotectedBytes } = auditOf(kv, identity.slabBytes);
      assert.deepEqual([overlapping, damaged, leakedBytes, unprotectedBytes], [[], [], 0, 0]);
      assert.equal(owner.statistics().leasedBytes, 0);
      await owner.close();
      await kv.close();
      await device.close();
      await release();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
