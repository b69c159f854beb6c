import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GroupRecord, Redundancy } from '../metadata/index.ts';
import { DeviceUnreachable } from './access.ts';
import { fragmentId } from './address.ts';
import { codedGroup, deviceName, group, sameBytes } from './memory.fixture.ts';
import { setUp as setUpOn, write as writeTo } from './stripes.fixture.ts';

const KiB = 1024;

/** Groups of one copy, three copies and 2+1 on the first devices of five. */
const schemes: readonly (readonly [string, Redundancy, GroupRecord])[] = [
  ['one copy', { copies: 1 }, group(1, 0)],
  ['three copies', { copies: 3 }, group(1, 0, 1, 2)],
  ['2+1', { data: 2, parity: 1 }, codedGroup(1, { data: 2, parity: 1 }, 0, 1, 2)],
];
const code = codedGroup(2, { data: 2, parity: 1 }, 0, 1, 2);

type Setting = ReturnType<typeof setUpOn>;

const setUp = (of: GroupRecord): Setting => setUpOn(5, {}, of.code ? [of, group(3, 0, 1)] : [of, code]);
const write = (setting: Setting, scheme: Redundancy) => writeTo(setting, 600 * KiB, scheme);

/** Gives places of the group with id 1 to other devices, and lets every table of groups grow old. */
function move(setting: Setting, ...changes: readonly (readonly [number, number])[]): GroupRecord {
  const before = setting.replica.groups.find(({ id }) => id === 1) as GroupRecord;
  const devices = before.devices.map((device, index) => {
    const to = changes.find(([at]) => at === index)?.[1];
    return to === undefined ? device : deviceName(to);
  });
  const after = { ...before, epoch: before.epoch + 1, devices };
  setting.replica.groups = [after, ...setting.replica.groups.filter(({ id }) => id !== 1)];
  setting.host.advance(2000);
  return after;
}

describe('a stripe whose group got other devices is read', () => {
  for (const [name, scheme, of] of schemes) {
    test(`${name}, from those before, which this thread saw`, async () => {
      const setting = setUp(of);
      const stripe = await write(setting, scheme);
      sameBytes(await setting.store.read(stripe, 0, stripe.length), stripe.bytes);
      move(setting, [0, 3]);
      // It knows where they were: nobody is asked.
      for (const one of setting.stores.values()) one.lengths = () => assert.fail('a device is asked what it has');
      for (const how of ['read', 'fetch'] as const)
        sameBytes(await setting.store[how](stripe, 10, stripe.length), stripe.bytes.subarray(10));
    });

    test(`${name}, from those before, by a thread that did not see them`, async () => {
      const setting = setUp(of);
      const stripe = await write(setting, scheme);
      move(setting, [0, 3]);
      const fresh = setUpOn(5, {}, setting.replica.groups);
      for (const [device, { rows }] of setting.stores)
        for (const [id, row] of rows) fresh.stores.get(device)?.rows.set(id, row);
      sameBytes(await fresh.store.read(stripe, 0, stripe.length), stripe.bytes);
      sameBytes(await fresh.store.read(stripe, 5, 6), stripe.bytes.subarray(5, 6));
    });
  }

  test('with all places given away at once', async () => {
    for (const [, scheme, of] of schemes) {
      const setting = setUp(of);
      const stripe = await write(setting, scheme);
      move(setting, [0, 3], [1, 4]);
      sameBytes(await setting.store.read(stripe, 0, stripe.length), stripe.bytes);
    }
  });

  test('as away, not as lost, while the device before does not answer', async () => {
    const setting = setUp(group(1, 0));
    const stripe = await write(setting, { copies: 1 });
    await setting.store.read(stripe, 0, 1);
    move(setting, [0, 3]);
    setting.on(0).failing.set('read', new DeviceUnreachable(deviceName(0)));
    await assert.rejects(setting.store.read(stripe, 0, 1), { code: 'ServiceUnavailable' });
    setting.on(0).failing.clear();
    sameBytes(await setting.store.read(stripe, 0, stripe.length), stripe.bytes);
  });

  test('from the device before, when the copy on the new one is damaged', async () => {
    const setting = setUp(group(1, 0));
    const stripe = await write(setting, { copies: 1 });
    move(setting, [0, 3]);
    assert.equal(await setting.repair(stripe, 0, 'unreadable'), true);
    setting.on(3).flip(fragmentId(stripe.id, 0), 100);
    sameBytes(await setting.store.read(stripe, 0, stripe.length), stripe.bytes);
    await setting.store.idle();
    assert.deepEqual(setting.reports, [
      { stripe: stripe.id, device: deviceName(3), reason: 'damaged', repaired: true },
    ]);
  });

  test('as lost, when no device has it', async () => {
    const setting = setUp(group(1, 0));
    const stripe = await write(setting, { copies: 1 });
    move(setting, [0, 3]);
    setting.on(0).rows.clear();
    await assert.rejects(setting.store.read(stripe, 0, 1), { code: 'Damaged' });
  });
});

describe('a stripe that is moved while it is read is read, and nobody takes it for damaged', () => {
  const unharmed = async ({ store, reports }: Setting): Promise<void> => {
    await store.idle();
    assert.deepEqual(reports, []);
    assert.equal(store.counts().lost, 0);
  };
  /** What a mover does: the new device gets the fragment, the one before loses it. */
  const carry = (setting: Setting, stripe: Buffer, index: number, from: number, to: number): void => {
    const id = fragmentId(stripe, index).toString('hex');
    const row = setting.on(from).rows.get(id);
    if (!row) return;
    setting.on(to).rows.set(id, row);
    setting.on(from).rows.delete(id);
  };

  for (const [name, scheme, of] of schemes)
    for (const how of ['read', 'fetch'] as const) {
      test(`${name}, ${how}: by a thread that still knows the groups before`, async () => {
        const setting = setUp(of);
        const stripe = await write(setting, scheme);
        await setting.store.read(stripe, 0, 1);
        const { replica } = setting;
        // No time has passed: the thread does not ask for the groups again by itself.
        replica.groups = replica.groups.map((one) =>
          one.id === 1 ? { ...one, epoch: one.epoch + 1, devices: [deviceName(3), ...one.devices.slice(1)] } : one,
        );
        carry(setting, stripe.id, 0, 0, 3);
        if (of.code) setting.on(1).failing.set('read', new DeviceUnreachable(deviceName(1)));
        sameBytes(await setting.store[how](stripe, 0, stripe.length), stripe.bytes);
        await unharmed(setting);
      });

      test(`${name}, ${how}: between the question to the new device and the one to the old`, async () => {
        const setting = setUp(of);
        const stripe = await write(setting, scheme);
        await setting.store.read(stripe, 0, 1);
        move(setting, [0, 3]);
        if (of.code) setting.on(1).failing.set('read', new DeviceUnreachable(deviceName(1)));
        setting.on(0).before = (step) => {
          if (step === 'read') carry(setting, stripe.id, 0, 0, 3);
        };
        sameBytes(await setting.store[how](stripe, 0, stripe.length), stripe.bytes);
        await unharmed(setting);
      });
    }
});

describe('a fragment whose place was given away is written', () => {
  for (const [name, scheme, of] of schemes) {
    test(`${name}: from the device before`, async () => {
      const setting = setUp(of);
      const stripe = await write(setting, scheme);
      const id = fragmentId(stripe.id, 0);
      const before = setting.on(0).bytesOf(id);
      move(setting, [0, 3]);
      assert.equal(await setting.repair(stripe, 0, 'unreadable'), true);
      assert.deepEqual(setting.on(3).bytesOf(id), before);
      assert.deepEqual(setting.on(0).bytesOf(id), before, 'and stays there');
    });
  }

  test('not from a device whose bytes are damaged', async () => {
    const setting = setUp(group(1, 0));
    const stripe = await write(setting, { copies: 1 });
    move(setting, [0, 3]);
    setting.on(0).flip(fragmentId(stripe.id, 0), 100);
    assert.equal(await setting.repair(stripe, 0, 'unreadable'), false);
    assert.equal(setting.on(3).bytesOf(fragmentId(stripe.id, 0)), undefined);
    assert.equal(setting.on(3).open, 0);
  });

  test('once: what another node wrote meanwhile is left as it is, for somebody may rely on it', async () => {
    const setting = setUp(group(1, 0));
    const stripe = await write(setting, { copies: 1 });
    const id = fragmentId(stripe.id, 0);
    move(setting, [0, 3]);
    const row = setting.on(0).rows.get(id.toString('hex'));
    const target = setting.on(3);
    target.before = (step) => {
      if (step === 'append' && row) target.rows.set(id.toString('hex'), row);
      assert.notEqual(step, 'remove');
      assert.notEqual(step, 'seal');
    };
    assert.equal(await setting.repair(stripe, 0, 'unreadable'), true);
    assert.equal(target.rows.get(id.toString('hex')), row);
    assert.equal(target.open, 0);
  });
});
