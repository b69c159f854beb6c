import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../limits.ts';
import type { GroupRecord } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import { deviceName, drive, group, type MemoryFragments, sameBytes, someBytes } from '../memory.fixture.ts';
import { devices, schemes, setUp } from './leftovers.fixture.ts';
import type { Leftovers } from './leftovers.ts';

const has = (store: MemoryFragments, id: Buffer): boolean => store.rows.has(id.toString('hex'));

describe('a fragment whose place was given to another device', () => {
  test('stays until that device has it, and goes then', async () => {
    for (const of of schemes) {
      const setting = setUp();
      setting.complete.value = false;
      const stripe = await setting.write(of);
      const id = fragmentId(stripe.id, 0);
      setting.move(of.id, 0, 4);
      await setting.run(0);
      assert.ok(has(setting.on(0), id));
      assert.deepEqual(setting.machines[0]?.totals().waiting, 1);
      assert.equal(setting.machines[0]?.totals().complete, false);
      assert.equal(await setting.give(stripe, 0), true);
      await setting.again(0);
      assert.ok(!has(setting.on(0), id));
      assert.ok(has(setting.on(4), id));
      assert.deepEqual(setting.machines[0]?.totals().removed, 1);
      assert.equal(setting.machines[0]?.totals().complete, true);
      sameBytes(await setting.store.read(stripe, 0, stripe.length), stripe.bytes);
      // The others of the stripe are where they were.
      for (const index of of.devices.keys())
        if (index > 0) assert.ok(has(setting.on(index), fragmentId(stripe.id, index)));
    }
  });

  test('is written from here when the machine of that device lacks nothing by its own account', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.run(0);
    assert.ok(has(setting.on(0), stripe.id) && has(setting.on(3), stripe.id));
    await setting.again(0);
    assert.ok(!has(setting.on(0), stripe.id) && has(setting.on(3), stripe.id));
  });

  test('stays while that device is away, or not in reach of this machine', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    setting.away.add(deviceName(3));
    await setting.run(0);
    setting.away.clear();
    setting.cut.add(deviceName(3));
    await setting.again(0);
    assert.ok(has(setting.on(0), stripe.id));
    const gone = setting.on(3);
    setting.cut.clear();
    setting.stores.delete(deviceName(3));
    await setting.again(0);
    assert.ok(has(setting.on(0), stripe.id));
    setting.stores.set(deviceName(3), gone);
    await setting.again(0);
    assert.ok(!has(setting.on(0), stripe.id));
  });

  test('stays, and cures the other, when that one is damaged', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    setting.on(3).flip(stripe.id, 7);
    await setting.run(0);
    assert.ok(has(setting.on(0), stripe.id));
    sameBytes(setting.on(3).bytesOf(stripe.id), stripe.bytes);
    await setting.again(0);
    assert.ok(!has(setting.on(0), stripe.id));
  });

  test('stays, and is told of, when the other has good bytes that differ', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    setting.on(3).forge(stripe.id, someBytes(setting.host, 3000));
    await setting.run(0);
    await setting.again(0);
    assert.ok(has(setting.on(0), stripe.id));
    assert.match(String(setting.errors[0]), /not the same/);
  });

  test('goes, when it is damaged and the other is good', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    setting.on(0).flip(stripe.id, 7);
    await setting.run(0);
    assert.ok(!has(setting.on(0), stripe.id));
  });

  test('stays until every node that may read has heard of the change', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    setting.settled.value = false;
    await setting.run(0);
    assert.ok(has(setting.on(0), stripe.id));
    assert.equal(setting.machines[0]?.totals().complete, false);
    setting.settled.value = true;
    await setting.run(0);
    assert.ok(!has(setting.on(0), stripe.id));
  });

  test('goes while others write all the time, so that no node is ever at the end of the log', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    for (let round = 0; round < 3; round++) {
      setting.applied.upTo = setting.replica.position - 1;
      await setting.run(0);
      setting.replica.position += 1;
    }
    assert.ok(!has(setting.on(0), stripe.id));
  });

  test('is found, when a writer who knew only the groups of before seals it after the device was looked through', async () => {
    const setting = setUp();
    const moved = setting.replica.groups;
    setting.move(1, 0, 3);
    const changed = setting.replica.groups;
    setting.replica.groups = moved;
    const stripe = await setting.write(group(1, 0));
    setting.replica.groups = changed;
    const rows = new Map(setting.on(0).rows);
    setting.on(0).rows.clear();
    await setting.run(0);
    assert.equal(setting.machines[0]?.totals().complete, true);
    for (const [id, row] of rows) setting.on(0).rows.set(id, row);
    setting.host.advance(limits.leftoverLateMs);
    await setting.run(0);
    await setting.again(0);
    assert.ok(!has(setting.on(0), stripe.id) && has(setting.on(3), stripe.id));
  });

  test('stays when its place comes back while it is looked at', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    const digest = setting.on(3).digest.bind(setting.on(3));
    setting.on(3).digest = async (id, at) => {
      const answer = await digest(id, at);
      if (setting.replica.groups[0]?.epoch === 2) setting.move(1, 0, 0);
      return answer;
    };
    await setting.run(0);
    assert.ok(has(setting.on(0), stripe.id));
    assert.equal(setting.machines[0]?.totals().removed, 0);
  });

  test('is not removed on two devices that each rely on the other', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    // The place goes back while this machine, which has not heard of it, is at the removal.
    setting.stale.set(0, setting.replica.groups);
    let other: Promise<void> | undefined;
    setting.on(0).before = (step) => {
      if (step !== 'remove') return;
      setting.on(0).before = () => undefined;
      setting.move(1, 0, 0);
      other = setting.machines[3]?.run();
    };
    const remove = setting.on(0).remove.bind(setting.on(0));
    setting.on(0).remove = async (ids) => {
      setting.on(0).before('remove');
      await setting.host.timers.sleep(60_000);
      await remove(ids);
    };
    await setting.run(0);
    await drive(setting.host, other as Promise<void>, 100);
    assert.ok(has(setting.on(0), stripe.id) || has(setting.on(3), stripe.id), 'one of them is left');
  });

  test('is the business of the collector, when nothing points to its stripe', async () => {
    const setting = setUp();
    const stripe = await setting.write(group(1, 0));
    setting.move(1, 0, 3);
    await setting.give(stripe, 0);
    setting.replica.stripeRows.clear();
    await setting.run(0);
    assert.ok(has(setting.on(0), stripe.id));
  });
});

test('nothing is looked for where no group has ever changed, and nothing is removed that is in its place', async () => {
  const setting = setUp();
  const stripe = await setting.write(group(2, 0, 1, 2));
  const ids = setting.on(0).ids.bind(setting.on(0));
  let asked = 0;
  setting.on(0).ids = (start, limit) => {
    asked += 1;
    return ids(start, limit);
  };
  await setting.run(0);
  assert.equal(asked, 0);
  setting.move(2, 2, 3);
  await setting.run(0);
  assert.ok(asked > 0);
  for (const index of [0, 1]) assert.ok(has(setting.on(index), fragmentId(stripe.id, index)));
});

test('a pass can be cancelled, and the next one does the rest', async () => {
  const setting = setUp();
  const stripe = await setting.write(group(1, 0));
  setting.move(1, 0, 3);
  await setting.give(stripe, 0);
  await assert.rejects(
    drive(setting.host, (setting.machines[0] as Leftovers).run(AbortSignal.abort(new Error('shutdown'))), 100),
    /shutdown/,
  );
  assert.ok(has(setting.on(0), stripe.id));
  await setting.again(0);
  assert.ok(!has(setting.on(0), stripe.id));
});

test('property: whatever moves, whoever is away and however jobs interleave, every stripe is read, and in the end lies just where it should', async () => {
  const step = fc.oneof(
    fc.record({
      what: fc.constant('move' as const),
      id: fc.integer({ min: 1, max: 4 }),
      at: fc.nat(2),
      to: fc.nat(devices - 1),
    }),
    fc.record({ what: fc.constant('mend' as const), most: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ what: fc.constant('hand over' as const), machine: fc.nat(devices - 1) }),
    fc.record({ what: fc.constant('away' as const), device: fc.nat(devices - 1) }),
    fc.record({ what: fc.constant('back' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.nat(1000), async (steps, seed) => {
      const setting = setUp(seed);
      const stripes: Awaited<ReturnType<typeof setting.write>>[] = [];
      for (const of of schemes) for (let i = 0; i < 2; i++) stripes.push(await setting.write(of));
      const mend = async (most: number): Promise<void> => {
        let left = most;
        for (const stripe of stripes)
          for (const [index, device] of (
            setting.replica.groups.find(({ id }) => id === stripe.group)?.devices ?? []
          ).entries()) {
            const target = setting.stores.get(device) as MemoryFragments;
            if (left === 0 || setting.away.has(device) || has(target, fragmentId(stripe.id, index))) continue;
            left -= 1;
            await setting.give(stripe, index);
          }
      };
      for (const one of steps) {
        if (one.what === 'move') {
          const target = setting.replica.groups.find(({ id }) => id === one.id) as GroupRecord;
          if (one.at < target.devices.length && !target.devices.includes(deviceName(one.to)))
            setting.move(one.id, one.at, one.to);
        } else if (one.what === 'mend') await mend(one.most);
        else if (one.what === 'hand over') await setting.again(one.machine);
        else if (one.what === 'away') {
          setting.away.clear();
          setting.away.add(deviceName(one.device));
        } else setting.away.clear();
        // Who is away is slow to read from, not gone: only the jobs know of it here.
        const before = new Set(setting.away);
        setting.away.clear();
        for (const stripe of stripes) sameBytes(await setting.store.read(stripe, 0, stripe.length), stripe.bytes);
        await setting.store.idle();
        for (const device of before) setting.away.add(device);
      }
      setting.away.clear();
      for (let round = 0; round < 4; round++) {
        await mend(1000);
        for (let machine = 0; machine < devices; machine++) await setting.again(machine);
      }
      for (const stripe of stripes) {
        const now = setting.replica.groups.find(({ id }) => id === stripe.group) as GroupRecord;
        for (const [device, store] of setting.stores)
          for (const index of now.devices.keys())
            assert.equal(has(store, fragmentId(stripe.id, index)), now.devices[index] === device, `${device} ${index}`);
      }
    }),
    { numRuns: 60 },
  );
});
