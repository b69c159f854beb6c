import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { faultyVolume, type MemoryVolume, memoryVolume, type Volume } from '../../device/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { describeLog, entries, payload, suiteLimits } from '../suite.ts';
import { life, live, Promised, turns } from './lives.support.ts';
import type { MirrorEvent } from './mirrored.ts';
import { LogsApart } from './newest.ts';
import { openEmbeddedLog } from './open.ts';
import { alone, appendAll, assertEqual, openSides, segmentsOf } from './sides.support.ts';

const host = manualHost(11);

describeLog('embedded, mirrored', async () => {
  const volumes = [memoryVolume(), memoryVolume()];
  return { open: async () => (await openSides(volumes)).log };
});

interface MirroredLife {
  readonly life: Parameters<typeof live>[1];
  /** Which sides are there: as far as one of them has everything. */
  readonly there: readonly [boolean, boolean];
  /** A side that is replaced by an empty one before this life. */
  readonly replaced: 0 | 1 | undefined;
  /** A side that fails for good after so many calls. */
  readonly failing: { readonly side: 0 | 1; readonly after: number } | undefined;
  readonly otherSeed: number;
}

const side = fc.constantFrom(0 as const, 1 as const);
const mirroredLife: fc.Arbitrary<MirroredLife> = fc.record({
  life,
  there: fc.oneof(
    { weight: 4, arbitrary: fc.constant([true, true] as const) },
    { weight: 1, arbitrary: fc.constantFrom([true, false] as const, [false, true] as const) },
  ),
  replaced: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: side }),
  failing: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.record({ side, after: fc.nat({ max: 120 }) }) },
  ),
  otherSeed: fc.nat(),
});

it('keeps every acknowledged entry while one side of two has everything, through crashes, failures and replacements', () =>
  fc.assert(
    fc.asyncProperty(fc.array(mirroredLife, { minLength: 1, maxLength: 6 }), async (lives) => {
      const volumes: [MemoryVolume, MemoryVolume] = [memoryVolume(), memoryVolume()];
      /** Whether a side has everything that was acknowledged. */
      const whole = [true, true];
      const promised = new Promised();
      for (const each of lives) {
        const { replaced } = each;
        if (replaced !== undefined && whole[1 - replaced]) {
          volumes[replaced] = memoryVolume();
          whole[replaced] = false;
        }
        const there = whole.some((one, at) => one && each.there[at]) ? each.there : [true, true];
        let calls = 0;
        let broken = false;
        const given = volumes.map((volume, at) => {
          if (!there[at]) return undefined;
          return faultyVolume(
            volume,
            ({ call }) => {
              if (at !== each.failing?.side || !there[1 - at]) return undefined;
              // A mirror that fails while it is opened stops the start: that is for the operator.
              broken ||= calls++ > each.failing.after && opened && call !== 'read';
              return broken ? { kind: 'error', code: 'EIO' } : undefined;
            },
            host,
          );
        });
        let opened = false;
        const { log, lost } = await openSides(given);
        opened = true;
        for (const at of [0, 1]) whole[at] = there[at] as boolean;
        await promised.check(log);
        await live(log, each.life, promised);
        const name = lost();
        if (name !== undefined) whole[Number(name.at(-1))] = false;
        else if (broken) whole[each.failing?.side as number] = false;
        for (const at of [0, 1] as const) volumes[at] = volumes[at].crash(at === 0 ? each.life.seed : each.otherSeed);
        await turns(300);
      }
      const { log } = await openSides(volumes);
      await promised.check(log);
      const entry = await log.append(payload(1));
      promised.acknowledged.set(entry.position, entry);
      await log.close();
      await assertEqual(...volumes);
      await promised.check(await openEmbeddedLog({ volume: volumes[1], host, limits: suiteLimits }));
    }),
    { numRuns: 150 },
  ));

it('opens after a crash at any step of making the sides equal', async () => {
  for (let steps = 0; steps < 600; steps += 2) {
    const volumes: [MemoryVolume, MemoryVolume] = [memoryVolume(), memoryVolume()];
    const both = await openSides(volumes);
    await appendAll(both.log, 1, 30);
    await both.log.close();
    const one = await openSides([volumes[0]]);
    await appendAll(one.log, 31, 60);
    if (steps % 2 === 0) await one.log.trim(50);
    await one.log.close();
    const opening = openSides(volumes);
    opening.catch(() => {});
    await turns(steps);
    const after = volumes.map((volume, at) => volume.crash(steps * 7 + at)) as [MemoryVolume, MemoryVolume];
    await turns(200);
    if (steps % 5 === 0) {
      // The copy by itself: what it was, all of it, or refused; never what a half made copy would be.
      const head = await openSides([undefined, after[1]]).then(
        ({ log }) => log.head,
        (error) => (error instanceof LogsApart ? 'refused' : error),
      );
      assert.ok([30, 60, 'refused'].includes(head), `${steps} steps: ${head}`);
      continue;
    }
    const again = await openSides(after);
    assert.equal(again.log.head, 60, `${steps} steps`);
    await again.log.close();
    await assertEqual(...after);
    assert.equal((await alone(after[1])).head, 60);
  }
});

for (const failing of [0, 1] as const) {
  for (const call of ['write', 'sync'] as const) {
    it(`goes on without side ${failing} when a ${call} of it fails, marks both, and is whole again at the next open`, async () => {
      const volumes = [memoryVolume(), memoryVolume()] as const;
      let broken = false;
      const given = volumes.map((volume, at) =>
        faultyVolume(
          volume,
          (one) => (broken && at === failing && one.call === call ? { kind: 'error', code: 'EIO' } : undefined),
          host,
        ),
      );
      const events: MirrorEvent[] = [];
      const { log, lost } = await openSides(given, (event) => events.push(event));
      await appendAll(log, 1, 5);
      assert.equal(lost(), undefined);
      broken = true;
      await appendAll(log, 6, 60);
      await log.trim(40);
      assert.equal(lost(), `side-${failing}`);
      assert.deepEqual(
        events.map(({ state }) => state),
        ['lost'],
      );
      await log.close();
      const other = volumes[1 - failing] as MemoryVolume;
      assert.ok((await other.list()).includes('alone'));
      assert.equal((await alone(other)).head, 60);
      if (call === 'sync') return;
      // The write of a mark failed too. Where it could be written, that side is not taken for the log.
      broken = false;
      const healed: string[] = [];
      const again = await openSides(volumes, ({ state }) => healed.push(state));
      assert.ok(healed.length > 0 && healed.every((state) => state === 'copying'));
      assert.equal(again.log.head, 60);
      await again.log.close();
      await assertEqual(...volumes);
    });
  }
}

it('never acknowledges on one side what is not marked there', async () => {
  const volumes = [memoryVolume(), memoryVolume()] as const;
  let broken = false;
  const given = volumes.map((volume, at) =>
    faultyVolume(
      volume,
      (call) => {
        if (!broken) return undefined;
        // The one that stays cannot take the mark.
        if (at === 0) return call.name === 'alone' ? { kind: 'error', code: 'EIO' } : undefined;
        return call.call === 'sync' ? { kind: 'error', code: 'EIO' } : undefined;
      },
      host,
    ),
  );
  const { log } = await openSides(given);
  await appendAll(log, 1, 3);
  broken = true;
  await assert.rejects(
    log.append(payload(4)),
    (error) => error instanceof StoreError && error.code === 'ServiceUnavailable',
  );
});

it('a side that was left behind is not the log by itself, and says what to do', async () => {
  const volumes = [memoryVolume(), memoryVolume()] as const;
  let broken = false;
  const second = faultyVolume(
    volumes[1],
    ({ call, name }) => (broken && call === 'sync' && name !== 'behind' ? { kind: 'error', code: 'EIO' } : undefined),
    host,
  );
  const { log } = await openSides([volumes[0], second]);
  await appendAll(log, 1, 3);
  broken = true;
  await appendAll(log, 4, 9);
  await turns(50);
  await log.close();
  await assert.rejects(
    openSides([undefined, volumes[1]]),
    (error) =>
      error instanceof LogsApart &&
      /side-1\/metadata\/log was left behind at position \d+.*Give that one among --data.*remove the file/.test(
        error.message,
      ),
  );
  await volumes[1].remove('behind');
  const given = await openSides([undefined, volumes[1]]);
  assert.ok(given.log.head >= 3);
  await given.log.close();
});

it('sides that both went on alone are refused, unless one is a beginning of the other', async () => {
  const volumes = [memoryVolume(), memoryVolume()] as const;
  const both = await openSides(volumes);
  await appendAll(both.log, 1, 5);
  await both.log.close();
  for (const at of [0, 1]) {
    const { log } = await openSides(volumes.map((volume, index) => (index === at ? volume : undefined)));
    if (at === 1) await appendAll(log, 6, 8);
    await log.close();
  }
  const joined = await openSides(volumes);
  assert.equal(joined.log.head, 8);
  await joined.log.close();
  await assertEqual(...volumes);

  const before = await Promise.all(volumes.map((volume) => segmentsOf(volume)));
  for (const at of [0, 1]) {
    const { log } = await openSides(volumes.map((volume, index) => (index === at ? volume : undefined)));
    await log.append(payload(100 + at));
    await log.close();
  }
  await assert.rejects(
    openSides(volumes),
    (error) =>
      error instanceof LogsApart &&
      /went separate ways: the entry at position 9 .*neither is overwritten/.test(error.message),
  );
  for (const at of [0, 1]) assert.equal((await alone(volumes[at] as Volume)).head, 9, 'nothing was changed');
  assert.deepEqual(await Promise.all(volumes.map((volume) => segmentsOf(volume))), before);

  // Also when what they had in common is trimmed.
  const first = await openSides([volumes[0]]);
  await appendAll(first.log, 10, 100);
  await first.log.trim(90);
  await first.log.close();
  await assert.rejects(openSides(volumes), LogsApart);
});

it('another log in one of the sides is refused', async () => {
  const volumes = [memoryVolume(), memoryVolume()] as const;
  for (const volume of volumes) {
    const { log } = await openSides([volume]);
    await appendAll(log, 1, 2);
    await log.close();
  }
  await assert.rejects(
    openSides(volumes),
    (error) => error instanceof LogsApart && /two different logs/.test(error.message),
  );
});

it('a group that was never acknowledged gives way to what the other side went on with', async () => {
  let met = 0;
  for (let seed = 0; seed < 60; seed++) {
    const volumes: [MemoryVolume, MemoryVolume] = [memoryVolume(), memoryVolume()];
    const both = await openSides(volumes);
    await appendAll(both.log, 1, 5);
    for (let i = 6; i <= 9; i++) both.log.append(payload(i, 300)).catch(() => {});
    await turns(seed % 12);
    volumes[0] = volumes[0].crash(seed);
    volumes[1] = volumes[1].crash(seed * 31 + 1);
    await turns(50);
    const second = await openSides([undefined, volumes[1]]);
    const from = second.log.head;
    await second.log.append(payload(1000));
    await second.log.close();
    if ((await alone(volumes[0])).head > from) met++;
    const { log } = await openSides(volumes);
    assert.equal(log.head, from + 1);
    assert.ok((await entries(log)).at(-1)?.payload.equals(payload(1000)));
    await log.close();
    await assertEqual(...volumes);
  }
  assert.ok(met > 3, `${met} sides had more than was acknowledged`);
});

it('a damaged side is made anew from a sound one, but not from an older one', async () => {
  const harm = async (volume: Volume) => {
    const [name] = await segmentsOf(volume);
    const file = await volume.open(name as string, 'existing');
    await file.write([Buffer.alloc(100, 1)], 4096 + 50);
    await file.close();
  };
  const given = [memoryVolume(), memoryVolume()] as const;
  const both = await openSides(given);
  await appendAll(both.log, 1, 8);
  // Not closed: a seal would let it open without a look at the damage.
  const volumes = given.map((volume, at) => volume.crash(at)) as [MemoryVolume, MemoryVolume];
  await harm(volumes[0]);
  const again = await openSides(volumes);
  assert.equal(again.log.head, 8);
  await again.log.close();
  await assertEqual(...volumes);

  const one = await openSides([volumes[0]]);
  await appendAll(one.log, 9, 12);
  const file = await volumes[0].open((await segmentsOf(volumes[0])).at(-1) as string, 'existing');
  await file.write([Buffer.alloc(4096 + 600 * 5, 1)], 4096);
  await file.close();
  await assert.rejects(
    openSides(volumes),
    (error) =>
      error instanceof CorruptionError && /side-1\/metadata\/log is older and cannot replace it/.test(error.message),
  );
});

it('what is full on one side is refused on both, and harms nothing', async () => {
  const volumes = [memoryVolume(), memoryVolume({ capacity: 5 * suiteLimits.segmentBytes })] as const;
  const { log, lost } = await openSides(volumes);
  const full = (error: unknown) => error instanceof StoreError && error.code === 'StorageFull';
  await assert.rejects(async () => {
    for (let i = 0; i < 500; i++) await log.append(payload(i, 1000));
  }, full);
  assert.equal(lost(), undefined);
  assert.equal(log.roomy, false);
  const { head } = log;
  await log.trim(head);
  await turns(100);
  await log.append(payload(1));
  await log.close();
  assert.deepEqual(await alone(volumes[0]), await alone(volumes[1]));
});
