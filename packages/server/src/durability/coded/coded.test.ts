import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../../errors.ts';
import type { Code, GroupRecord } from '../../metadata/index.ts';
import { DeviceUnreachable } from '../access.ts';
import { fragmentId } from '../address.ts';
import type { StripeStoreOptions } from '../index.ts';
import { codedGroup, deviceName, group, sameBytes } from '../memory.fixture.ts';
import { openWriters, setUp as setUpStripes, write } from '../stripes.fixture.ts';
import { fragmentBytes, unitBytes } from './striping.ts';
import { trailerBytes } from './trailer.ts';

const six: Code = { data: 4, parity: 2 };
const mib = 2 ** 20;

/** Devices in the order of the fragments, so that fragment i is on device i; copies for small stripes on the first ones. */
function setUp(code: Code = six, options: Partial<StripeStoreOptions> = {}) {
  const count = code.data + code.parity;
  const devices = Array.from({ length: count }, (_, i) => i);
  const groups = [codedGroup(1, code, ...devices), group(2, ...devices.slice(0, code.parity + 1))];
  return setUpStripes(count, options, groups);
}

type Setting = ReturnType<typeof setUp>;

const snapshot = (setting: Setting, id: Buffer): (Buffer | undefined)[] =>
  [...setting.stores.values()].map((store, index) => {
    const bytes = store.bytesOf(fragmentId(id, index));
    return bytes && Buffer.from(bytes);
  });

describe('writing', () => {
  test('a stripe is cut into data fragments with parity behind them', async () => {
    const setting = setUp();
    const length = 9 * unitBytes + 1000;
    const stripe = await write(setting, length, six);
    const fragments = snapshot(setting, stripe.id) as Buffer[];
    for (const [index, fragment] of fragments.entries())
      assert.equal(fragment.length, fragmentBytes(six, length, index) + trailerBytes);
    sameBytes(fragments[1]?.subarray(0, unitBytes), stripe.bytes.subarray(unitBytes, 2 * unitBytes));
    assert.equal(setting.store.redundancyOf(stripe.group), six);
    assert.equal(openWriters(setting), 0);
    const stored = fragments.reduce((sum, { length: bytes }) => sum + bytes, 0);
    assert.ok(stored < 1.75 * length, `${stored} bytes for ${length}`);
  });

  test('a stripe that fits one unit has a copy more than it may lose, and needs no code', async () => {
    const setting = setUp();
    const stripe = await write(setting, unitBytes, six);
    assert.deepEqual(setting.store.redundancyOf(stripe.group), { copies: 3 });
    const larger = await write(setting, unitBytes + 1, six);
    assert.equal(setting.store.redundancyOf(larger.group), six);
  });

  test('one device may fail where two may be lost, and what lacks is told', async () => {
    for (const step of ['create', 'append', 'seal'] as const) {
      const setting = setUp();
      setting.on(3).failing.set(step, new Error('EIO'));
      const stripe = await write(setting, 3 * mib, six);
      assert.deepEqual(setting.missed, [{ stripe: stripe.id, group: 1, copy: 3 }]);
      sameBytes(await setting.store.read(stripe, 0, 3 * mib), stripe.bytes);
      setting.on(5).failing.set(step, new Error('EIO'));
      await assert.rejects(write(setting, 3 * mib, six), { code: 'ServiceUnavailable' });
      assert.equal(openWriters(setting), 0);
      await setting.store.idle();
      const held = [...setting.stores.values()].reduce((sum, { rows }) => sum + rows.size, 0);
      assert.equal(held, 5, 'nothing is left of the stripe that failed');
    }
  });

  test('no device may fail where one may be lost', async () => {
    for (const step of ['create', 'append', 'seal'] as const) {
      const code = { data: 3, parity: 1 };
      const setting = setUp(code);
      setting.on(0).failing.set(step, new Error('EIO'));
      await assert.rejects(write(setting, mib, code), { code: 'ServiceUnavailable' });
      assert.equal(openWriters(setting), 0);
      for (const store of setting.stores.values()) assert.equal(store.rows.size, 0);
    }
  });

  test('a code that the layout cannot give is refused with what it would need', async () => {
    const setting = setUp();
    await assert.rejects(setting.store.create({ data: 8, parity: 3 }, mib), (error: StoreError) => {
      assert.equal(error.code, 'UnsupportedRedundancy');
      assert.match(error.message, /8\+3 needs 11 storage devices, and this server has 6 storage devices/);
      return true;
    });
    for (const code of [
      { data: 1, parity: 1 },
      { data: 33, parity: 1 },
      { data: 2, parity: 0 },
      { data: 2, parity: 9 },
      { data: 2.5, parity: 1 },
    ])
      await assert.rejects(setting.store.prepare(code), /2 to 32 data and 1 to 8 parity/);
  });

  test('groups for a code are laid out when it is first asked for', async () => {
    const asked: unknown[] = [];
    const setting = setUp(six, {
      layOut: async (redundancy) => {
        asked.push(redundancy);
        const code = redundancy as Code;
        const devices = Array.from({ length: code.data + code.parity }, (_, i) => i);
        setting.replica.groups = [...setting.replica.groups, codedGroup(9, code, ...devices)];
      },
    });
    const code = { data: 3, parity: 2 };
    await setting.store.prepare(code);
    const stripe = await write(setting, mib, code);
    assert.equal(stripe.group, 9);
    assert.deepEqual(asked, [code]);
  });
});

describe('reading', () => {
  test('a range reads the fragments that it touches, and no other', async () => {
    const setting = setUp();
    const stripe = await write(setting, 2 * mib, six);
    const touched = async (start: number, end: number): Promise<number[]> => {
      for (const store of setting.stores.values()) store.reads = 0;
      sameBytes(await setting.store.fetch(stripe, start, end), stripe.bytes.subarray(start, end));
      return [...setting.stores.values()].map(({ reads }) => reads);
    };
    assert.deepEqual(await touched(5 * unitBytes, 6 * unitBytes), [0, 1, 0, 0, 0, 0]);
    assert.deepEqual(await touched(7 * unitBytes + 10, 7 * unitBytes + 20), [0, 0, 0, 1, 0, 0]);
    assert.deepEqual(await touched(unitBytes - 1, unitBytes + 1), [1, 1, 0, 0, 0, 0]);
    assert.deepEqual(await touched(0, 2 * mib), [1, 1, 1, 1, 0, 0]);
  });

  test('whatever is lost or flipped within the parity, the bytes are right and all fragments are good again; beyond it none are wrong', async () => {
    let repaired = 0;
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.record({ data: fc.integer({ min: 2, max: 6 }), parity: fc.integer({ min: 1, max: 3 }) }),
        fc.integer({ min: unitBytes + 1, max: 20 * unitBytes }),
        fc.array(fc.record({ index: fc.nat(8), byte: fc.nat(), gone: fc.boolean() }), { maxLength: 5 }),
        fc.nat(),
        fc.integer({ min: 1, max: 3 * unitBytes }),
        async (code, length, damages, at, size) => {
          const setting = setUp(code);
          const stripe = await write(setting, length, code);
          const before = snapshot(setting, stripe.id);
          const hurt = new Set<number>();
          for (const { index, byte, gone } of damages) {
            const which = index % before.length;
            const fragments = setting.on(which);
            const id = fragmentId(stripe.id, which);
            const bytes = fragments.bytesOf(id);
            hurt.add(which);
            if (gone || !bytes) fragments.rows.delete(id.toString('hex'));
            else fragments.flip(id, byte % bytes.length);
          }
          const start = at % length;
          const end = Math.min(length, start + size);
          const read = setting.store.read(stripe, start, end);
          if (hurt.size <= code.parity) {
            sameBytes(await read, stripe.bytes.subarray(start, end));
            sameBytes(await setting.store.read(stripe, 0, length), stripe.bytes);
            await setting.store.idle();
            // What reads do not meet is found by the scrub: here by hand.
            for (const index of hurt) await setting.repair(stripe, index, 'unreadable');
            sameBytes(snapshot(setting, stripe.id), before);
            for (const [index, bytes] of before.entries())
              sameBytes(await setting.on(index).read(fragmentId(stripe.id, index), 0, (bytes as Buffer).length), bytes);
            repaired += hurt.size;
            return;
          }
          const bytes = await read.catch((error: StoreError) => {
            assert.equal(error.code, 'Damaged');
            assert.equal(error.resource, stripe.id.toString('hex'));
            lost += 1;
            return undefined;
          });
          if (bytes) sameBytes(bytes, stripe.bytes.subarray(start, end));
          await setting.store.idle();
        },
      ),
      { numRuns: 120, seed: 5 },
    );
    assert.ok(repaired > 50 && lost > 3, `${repaired} repaired, ${lost} lost`);
  });

  test('too many devices away: try again; one that cannot be reached is not taken for damaged', async () => {
    const setting = setUp();
    const stripe = await write(setting, mib, six);
    setting.on(0).failing.set('read', new DeviceUnreachable(deviceName(0)));
    setting.stores.delete(deviceName(1));
    sameBytes(await setting.store.read(stripe, 0, mib), stripe.bytes);
    setting.stores.delete(deviceName(5));
    await assert.rejects(setting.store.read(stripe, 0, mib), { code: 'ServiceUnavailable' });
    await setting.store.idle();
    assert.deepEqual(setting.reports, []);
  });

  test('a stopped device is gone around, and asked when too few others are left', async () => {
    let stopped = '';
    const setting = setUp(six, { condition: (device) => ({ healthy: device !== stopped, free: 1 }) });
    const stripe = await write(setting, mib, six);
    stopped = deviceName(2);
    sameBytes(await setting.store.read(stripe, 0, mib), stripe.bytes);
    assert.equal(setting.on(2).reads, 0);
    for (const device of [0, 1, 3]) setting.stores.delete(deviceName(device));
    await assert.rejects(setting.store.read(stripe, 0, mib), { code: 'ServiceUnavailable' });
    sameBytes(
      await setting.store.read(stripe, 2 * unitBytes, 3 * unitBytes),
      stripe.bytes.subarray(2 * unitBytes, 3 * unitBytes),
    );
  });
});

describe('a reader who cannot open what has good checksums', () => {
  const setUpForged = async (code: Code, ...forged: number[]) => {
    const setting = setUp(code);
    const stripe = await write(setting, 12 * unitBytes, code);
    const before = snapshot(setting, stripe.id);
    for (const index of forged) {
      const bytes = Buffer.from(before[index] as Buffer);
      bytes[10] = (bytes[10] as number) ^ 1;
      setting.on(index).forge(fragmentId(stripe.id, index), bytes);
    }
    const right = stripe.bytes.subarray(0, unitBytes);
    const search = () =>
      setting.store.search(stripe, 0, unitBytes, (stored) => (stored.equals(right) ? stored : undefined));
    return { setting, stripe, before, right, search };
  };

  for (const [code, forged] of [
    [{ data: 4, parity: 1 }, [0]],
    [{ data: 4, parity: 2 }, [0]],
    [{ data: 4, parity: 3 }, [0, 2]],
    [{ data: 4, parity: 3 }, [0, 5]],
  ] as const)
    test(`gets it without the fragments that are wrong: ${forged} of ${code.data}+${code.parity}`, async () => {
      const { setting, right, search } = await setUpForged(code, ...forged);
      sameBytes(await search(), right);
      await setting.store.idle();
      assert.deepEqual(setting.reports.map(({ device }) => device).sort(), forged.map(deviceName));
    });

  test('has the only wrong one rewritten', async () => {
    for (const code of [{ data: 4, parity: 1 }, six]) {
      const { setting, stripe, before, search } = await setUpForged(code, 0);
      await search();
      await setting.store.idle();
      sameBytes(snapshot(setting, stripe.id), before);
      assert.equal(setting.reports[0]?.repaired, true);
    }
  });

  test('has nothing rewritten from fragments that disagree', async () => {
    const { setting, stripe, search } = await setUpForged({ data: 4, parity: 3 }, 0, 2);
    const wrong = snapshot(setting, stripe.id);
    await search();
    await setting.store.idle();
    sameBytes(snapshot(setting, stripe.id), wrong);
    assert.ok(setting.reports.every(({ repaired }) => !repaired));
  });

  test('is told when nothing opens', async () => {
    const { search } = await setUpForged({ data: 4, parity: 1 }, 0, 1);
    await assert.rejects(search(), { code: 'Damaged' });
  });
});

test('a group that got another device is read where its fragments are now', async () => {
  const setting = setUp();
  const stripe = await write(setting, mib, six);
  const moved = { ...(setting.replica.groups[0] as GroupRecord), epoch: 2 };
  const spare = setting.on(0);
  setting.stores.delete(deviceName(0));
  setting.stores.set(deviceName(7), spare);
  setting.replica.groups = [{ ...moved, devices: [deviceName(7), ...moved.devices.slice(1)] }];
  sameBytes(await setting.store.read(stripe, 0, mib), stripe.bytes);
  assert.deepEqual(setting.reports, []);
});
