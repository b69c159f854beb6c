import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { faultyVolume, type MemoryVolume, memoryVolume, type VolumeCall } from '../../device/index.ts';
import { manualHost } from '../../host/index.ts';
import { entries, payload, suiteLimits } from '../suite.ts';
import { life, live, Promised, turns } from './lives.support.ts';
import { openEmbeddedLog } from './open.ts';

it('keeps every acknowledged entry through any crashes, and never a wrong one', () =>
  fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 5 }), async (lives) => {
      const host = manualHost(7);
      let volume: MemoryVolume = memoryVolume();
      const promised = new Promised();
      let epoch = 0;
      for (const each of lives) {
        const log = await openEmbeddedLog({ volume, host, limits: suiteLimits });
        assert.ok(log.epoch >= epoch);
        await promised.check(log);
        const before = log.head;
        await live(log, each, promised);
        if (log.head > before) epoch = log.epoch + 1;
        volume = volume.crash(each.seed);
        await turns(200);
      }
      const log = await openEmbeddedLog({ volume, host, limits: suiteLimits });
      await promised.check(log);
      const entry = await log.append(payload(1));
      promised.acknowledged.set(entry.position, entry);
      await log.close();
      const again = await openEmbeddedLog({ volume, host, limits: suiteLimits });
      await promised.check(again);
      await again.close();
    }),
    { numRuns: 80 },
  ));

it('keeps what a start found and showed, when the power goes after the process did', async () => {
  let met = 0;
  for (let seed = 0; seed < 60; seed++) {
    const host = manualHost(seed);
    const volume = memoryVolume();
    let dying = false;
    const never = ({ call }: VolumeCall) =>
      dying && call === 'sync' ? ({ kind: 'slow', milliseconds: 1e9 } as const) : undefined;
    const first = await openEmbeddedLog({ volume: faultyVolume(volume, never, host), host, limits: suiteLimits });
    await first.append(payload(1, 500));
    // The process is killed before its sync has begun: what it wrote stays with the system.
    dying = true;
    first.append(payload(2, 600)).catch(() => {});
    await turns(20);
    const second = await openEmbeddedLog({ volume, host, limits: suiteLimits });
    const shown = await entries(second);
    if (shown.length === 2) met++;
    second.append(payload(3, 700)).catch(() => {});
    await turns(seed % 7);
    const third = await openEmbeddedLog({ volume: volume.crash(seed), host, limits: suiteLimits });
    assert.deepEqual((await entries(third)).slice(0, shown.length), shown);
  }
  assert.ok(met > 10, `an entry that was not synced was found ${met} times`);
});

it('opens after a crash at any step of its first open', async () => {
  for (let steps = 0; steps < 80; steps++) {
    const volume = memoryVolume();
    const host = manualHost(steps);
    const opening = openEmbeddedLog({ volume, host, limits: suiteLimits });
    opening.catch(() => {});
    await turns(steps);
    const log = await openEmbeddedLog({ volume: volume.crash(steps), host, limits: suiteLimits });
    assert.equal(log.head, 0);
    assert.equal((await log.append(payload(1))).position, 1);
    await log.close();
  }
});

it('takes no entry of a tail that was cut, even when the same is appended again in the same epoch', async () => {
  // The second life leaves later entries whole and its first one torn; the third appends the same first entry.
  let met = 0;
  for (let seed = 0; seed < 150; seed++) {
    const host = manualHost(seed);
    const first = memoryVolume();
    const log = await openEmbeddedLog({ volume: first, host, limits: suiteLimits });
    await log.append(payload(1, 500));
    await log.close();
    const second = await openEmbeddedLog({ volume: first, host, limits: suiteLimits });
    for (const size of [600, 20, 20, 20, 20, 20, 20]) second.append(payload(2, size)).catch(() => {});
    await turns(1);
    const volume = first.crash(seed);
    const third = await openEmbeddedLog({ volume, host, limits: suiteLimits });
    if (third.head !== 1) continue;
    met++;
    assert.equal(third.epoch, second.epoch);
    await third.append(payload(2, 600));
    const fourth = await openEmbeddedLog({ volume: volume.crash(seed), host, limits: suiteLimits });
    assert.equal(fourth.head, 2);
  }
  assert.ok(met > 20, `${met} tails were cut`);
});

it('opens after a crash at any step of a trim, without a hole between segments', async () => {
  for (let steps = 0; steps < 60; steps++) {
    const host = manualHost(steps);
    const volume = memoryVolume();
    const log = await openEmbeddedLog({ volume, host, limits: suiteLimits });
    for (let i = 1; i <= 100; i++) await log.append(payload(i, 1000));
    await turns(100);
    log.trim(log.head).catch(() => {});
    await turns(steps);
    const again = await openEmbeddedLog({ volume: volume.crash(steps * 31), host, limits: suiteLimits });
    assert.equal(again.head, 100);
    assert.equal((await entries(again)).length, 101 - again.tail);
    await again.close();
  }
});
