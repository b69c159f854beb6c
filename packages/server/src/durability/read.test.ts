import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { DeviceUnreachable } from './access.ts';
import { checksumBytes, fragmentId, preferredCopy } from './address.ts';
import { deviceName, group, type MemoryFragments, someBytes } from './memory.fixture.ts';
import { openWriters, placed, setUp, write } from './stripes.fixture.ts';

/** Copy n lies on device n. */
const inOrder = [group(1, 0), group(2, 1), group(3, 0, 1)];

describe('reading', () => {
  const bad = {
    flipped: (store: MemoryFragments, id: Buffer) => store.flip(id, 70_000),
    missing: (store: MemoryFragments, id: Buffer) => void store.rows.delete(id.toString('hex')),
  } as const;

  for (const [name, spoil] of Object.entries(bad)) {
    for (const copy of [0, 1]) {
      test(`copy ${copy} ${name}: the read is right, the copy is written again and counted`, async () => {
        const setting = setUp(2, {}, inOrder);
        const { reports, store } = setting;
        const stripes = [await write(setting, 300_000), await write(setting, 300_000)];
        for (const stripe of stripes) {
          const device = setting.replica.groups.find(({ id }) => id === stripe.group)?.devices[copy] as string;
          const fragments = setting.stores.get(device) as MemoryFragments;
          const id = fragmentId(stripe.id, copy);
          spoil(fragments, id);
          const before = reports.length;
          assert.deepEqual(await store.read(stripe, 0, 300_000), stripe.bytes);
          await store.idle();
          if (preferredCopy(stripe.id, 2) !== copy) {
            assert.equal(reports.length, before);
            continue;
          }
          const reason = name === 'missing' ? 'missing' : 'damaged';
          assert.deepEqual(reports.at(-1), { stripe: stripe.id, device, reason, repaired: true });
          assert.deepEqual(fragments.bytesOf(id), stripe.bytes);
          assert.deepEqual(await fragments.read(id, 0, 300_000), stripe.bytes);
          assert.deepEqual(await store.read(stripe, 0, 300_000), stripe.bytes);
          assert.equal(reports.length, before + 1);
        }
        assert.equal(store.counts().repaired, 1);
        assert.equal(store.counts()[name === 'missing' ? 'missing' : 'damaged'], 1);
      });
    }
  }

  test('EIO: read from the other copy and rewritten in another place', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 1000);
    const device = setting.replica.groups.find(({ id }) => id === stripe.group)?.devices[
      preferredCopy(stripe.id, 2)
    ] as string;
    const fragments = setting.stores.get(device) as MemoryFragments;
    fragments.failing.set('read', Object.assign(new Error('i/o error'), { code: 'EIO' }));
    assert.deepEqual(await setting.store.read(stripe, 10, 20), stripe.bytes.subarray(10, 20));
    await setting.store.idle();
    assert.deepEqual(setting.reports, [{ stripe: stripe.id, device, reason: 'unreadable', repaired: true }]);
  });

  test('a device that takes no bytes keeps its bad row, and the damage is reported as it is', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 1000);
    const copy = preferredCopy(stripe.id, 2);
    const fragments = setting.on(copy);
    fragments.flip(fragmentId(stripe.id, copy), 0);
    fragments.failing.set('create', new StoreError('StorageFull'));
    assert.deepEqual(await setting.store.read(stripe, 0, 1000), stripe.bytes);
    await setting.store.idle();
    assert.equal(setting.reports[0]?.repaired, false);
    assert.equal(fragments.length(fragmentId(stripe.id, copy)), 1000);
    assert.equal(openWriters(setting), 0);
  });

  test('both copies bad: Damaged, naming the stripe', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 300_000);
    setting.on(0).flip(fragmentId(stripe.id, 0), 0);
    setting.on(1).flip(fragmentId(stripe.id, 1), 1);
    await assert.rejects(setting.store.read(stripe, 0, 300_000), (error: StoreError) => {
      assert.equal(error.code, 'Damaged');
      assert.ok(error.message.includes(stripe.id.toString('hex')));
      assert.equal(error.resource, stripe.id.toString('hex'));
      return true;
    });
    await setting.store.idle();
    assert.equal(setting.store.counts().lost, 1);
    assert.deepEqual(
      setting.reports.map((report) => report.repaired),
      [false, false],
    );
    // Blocks that are good are still served.
    assert.deepEqual(
      await setting.store.read(stripe, checksumBytes, 2 * checksumBytes),
      stripe.bytes.subarray(checksumBytes, 2 * checksumBytes),
    );
  });

  test('damage in different blocks of both copies: neither serves as a source of repair', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 300_000);
    setting.on(0).flip(fragmentId(stripe.id, 0), 0);
    setting.on(1).flip(fragmentId(stripe.id, 1), 299_999);
    assert.deepEqual(await setting.store.read(stripe, 0, 10), stripe.bytes.subarray(0, 10));
    assert.deepEqual(await setting.store.read(stripe, 299_990, 300_000), stripe.bytes.subarray(299_990));
    await setting.store.idle();
    assert.equal(setting.store.counts().repaired, 0);
  });

  test('one repair per stripe at a time, however many readers meet the damage', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 1000);
    const copy = preferredCopy(stripe.id, 2);
    setting.on(copy).flip(fragmentId(stripe.id, copy), 5);
    let created = 0;
    setting.on(copy).before = (step) => {
      if (step === 'create') created += 1;
    };
    const reads = await Promise.all(Array.from({ length: 20 }, () => setting.store.read(stripe, 0, 1000)));
    for (const bytes of reads) assert.deepEqual(bytes, stripe.bytes);
    await setting.store.idle();
    assert.equal(created, 1);
    assert.equal(setting.store.counts().repaired, 1);
  });

  test('the only copy bad: Damaged; its device away: try again', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 10, 1);
    const [device] = placed(setting, stripe.id) as [number];
    setting.on(device).flip(stripe.id, 3);
    await assert.rejects(setting.store.read(stripe, 0, 10), { code: 'Damaged' });
    await setting.store.idle();
    setting.stores.delete(deviceName(device));
    await assert.rejects(setting.store.read(stripe, 0, 10), { code: 'ServiceUnavailable' });
  });

  test('an absent or unhealthy device is gone around without a report', async () => {
    let sick = '';
    const setting = setUp(2, { condition: (device) => ({ healthy: device !== sick, free: 1 }) }, inOrder);
    const stripe = await write(setting, 10);
    const first = deviceName(preferredCopy(stripe.id, 2));
    sick = first;
    assert.deepEqual(await setting.store.read(stripe, 0, 10), stripe.bytes);
    assert.equal(setting.stores.get(first)?.reads, 0);
    sick = '';
    setting.stores.delete(first);
    assert.deepEqual(await setting.store.read(stripe, 0, 10), stripe.bytes);
    assert.deepEqual(setting.reports, []);
  });

  test('a device that cannot be reached is away: its copy is not taken for damaged', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 10);
    const copy = preferredCopy(stripe.id, 2);
    setting.on(copy).failing.set('read', new DeviceUnreachable(deviceName(copy)));
    assert.deepEqual(await setting.store.read(stripe, 0, 10), stripe.bytes);
    setting.on(1 - copy).rows.clear();
    await assert.rejects(setting.store.read(stripe, 0, 10), { code: 'ServiceUnavailable' });
    await setting.store.idle();
    assert.deepEqual(
      setting.reports.map(({ device, reason, repaired }) => ({ device, reason, repaired })),
      [{ device: deviceName(1 - copy), reason: 'missing', repaired: false }],
    );
  });

  test('a copy that does not open is replaced by one with other bytes', async () => {
    const setting = setUp(2, {}, inOrder);
    const stripe = await write(setting, 1000);
    const opens = (stored: Buffer): Buffer | undefined => (stored.equals(stripe.bytes) ? stored : undefined);
    const forged = someBytes(setting.host, 1000);
    setting.on(0).forge(fragmentId(stripe.id, 0), forged);
    assert.deepEqual(await setting.store.search(stripe, 0, 1000, opens), stripe.bytes);
    await setting.store.idle();
    assert.deepEqual(setting.on(0).bytesOf(fragmentId(stripe.id, 0)), stripe.bytes);
    assert.deepEqual(setting.reports, [
      { stripe: stripe.id, device: deviceName(0), reason: 'damaged', repaired: true },
    ]);
    for (const copy of [0, 1]) setting.on(copy).forge(fragmentId(stripe.id, copy), forged);
    await assert.rejects(setting.store.search(stripe, 0, 1000, opens), { code: 'Damaged' });
    await setting.store.idle();
    // Alike on all devices: there is nothing better to write, and nothing is told.
    assert.equal(setting.reports.length, 1);
    assert.equal(await setting.repair(stripe, 0, 'distrusted'), false);
  });

  test('a repair does not bring back a stripe that was collected meanwhile', async () => {
    let owned = true;
    const setting = setUp(2, { owned: () => owned }, inOrder);
    const stripe = await write(setting, 1000);
    const copy = preferredCopy(stripe.id, 2);
    setting.on(copy).flip(fragmentId(stripe.id, copy), 5);
    setting.on(copy).before = (step) => {
      if (step === 'seal') owned = false;
    };
    await setting.store.read(stripe, 0, 1000);
    await setting.store.idle();
    assert.equal(setting.on(copy).rows.size, 0);
    assert.equal(setting.reports[0]?.repaired, false);
  });

  test('a repair handed to another thread is asked for and reported', async () => {
    const asked: unknown[] = [];
    const setting = setUp(
      2,
      {
        repair: async (stripe, _group, copy, cause) => {
          asked.push([stripe, copy, cause]);
          return true;
        },
      },
      inOrder,
    );
    const stripe = await write(setting, 10);
    const copy = preferredCopy(stripe.id, 2);
    setting.on(copy).flip(fragmentId(stripe.id, copy), 5);
    await setting.store.read(stripe, 0, 10);
    await setting.store.idle();
    assert.deepEqual(asked, [[stripe.id, copy, 'unreadable']]);
    assert.equal(setting.reports[0]?.repaired, true);
  });

  test('no wrong byte is ever served, whatever is damaged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ device: fc.nat(2), byte: fc.nat(199_999), gone: fc.boolean() }), { maxLength: 6 }),
        fc.nat(199_999),
        fc.integer({ min: 1, max: 200_000 }),
        async (damages, start, length) => {
          const setting = setUp(3);
          const stripe = await write(setting, 200_000, 3);
          const group = setting.replica.groups.find(({ id }) => id === stripe.group) as GroupRecord;
          for (const { device, byte, gone } of damages) {
            const fragments = setting.on(device);
            const id = fragmentId(stripe.id, group.devices.indexOf(deviceName(device)));
            if (gone) fragments.rows.delete(id.toString('hex'));
            else if (fragments.rows.has(id.toString('hex'))) fragments.flip(id, byte);
          }
          const end = Math.min(200_000, start + length);
          const touched = new Set(damages.map(({ device }) => device)).size;
          const read = setting.store.read(stripe, start, end);
          if (touched < 3) assert.deepEqual(await read, stripe.bytes.subarray(start, end));
          else {
            const bytes = await read.catch((error: StoreError) => {
              assert.equal(error.code, 'Damaged');
              return undefined;
            });
            if (bytes) assert.deepEqual(bytes, stripe.bytes.subarray(start, end));
          }
          await setting.store.idle();
        },
      ),
      { numRuns: 60 },
    );
  });
});
