import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GroupRecord } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import { createMender, createRepairer, openStripeStore, type RepairFragment } from '../index.ts';
import {
  codedGroup,
  deviceName,
  drive,
  group,
  type MemoryFragments,
  memoryStores,
  seededHost,
  someBytes,
} from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';
import { neededCount, redundancyOf } from '../scheme.ts';

const groups = [
  group(1, 0, 1, 2, 3),
  codedGroup(2, { data: 3, parity: 2 }, 4, 3, 2, 1, 0),
  group(3, 2, 4, 0),
  group(4, 1, 2, 3, 4),
];

interface Written {
  readonly id: Buffer;
  readonly group: GroupRecord;
}

/** Stripes on five devices, what is taken from them, and every repair in order. */
async function setUp(count: number) {
  const host = seededHost(23);
  const stores = memoryStores(5);
  const replica = new Replica(groups);
  const away = new Set<string>();
  const healthy = (device: string): boolean => !away.has(device);
  const owned = (stripe: Buffer): boolean => replica.reader.stripeOwner(stripe) !== undefined;
  const store = openStripeStore({
    groups: () => replica.groups,
    access: stores,
    host,
    owned,
    proposer: replica.proposer,
    onDamage: () => undefined,
  });
  const stripes: Written[] = [];
  for (let i = 0; i < count; i++) {
    const writer = await store.create(redundancyOf(groups[i % groups.length] as GroupRecord), 300_000);
    await writer.append([someBytes(host, 300_000)]);
    await writer.seal();
    const { id } = writer;
    replica.put(`k${i}`, [replica.piece([{ id, group: writer.group, length: 300_000, frames: undefined }])]);
    stripes.push({ id, group: groups.find((one) => one.id === writer.group) as GroupRecord });
  }
  const on = (device: string): MemoryFragments => stores.get(device) as MemoryFragments;
  const has = ({ id, group: { devices } }: Written, index: number): boolean =>
    on(devices[index] as string).rows.has(fragmentId(id, index).toString('hex'));
  const spare = (one: Written): number => {
    const there = one.group.devices.filter((device, index) => healthy(device) && has(one, index)).length;
    return there - neededCount(redundancyOf(one.group));
  };
  /** Stripes that lack a fragment on a device that is here. */
  const lacking = (): Written[] =>
    stripes.filter((one) => one.group.devices.some((device, index) => healthy(device) && !has(one, index)));
  const take = (stripe: number, index: number): void => {
    const one = stripes[stripe] as Written;
    const at = index % one.group.devices.length;
    on(one.group.devices[at] as string).rows.delete(fragmentId(one.id, at).toString('hex'));
  };
  const repairer = createRepairer({ access: stores, owned });
  const repaired: Written[] = [];
  let before: (one: Written) => void = () => undefined;
  const repair: RepairFragment = (stripe, of, index, cause) => {
    const one = stripes.find(({ id }) => id.equals(stripe)) as Written;
    before(one);
    repaired.push(one);
    return repairer.repair(stripe, of, index, cause);
  };
  const mender = createMender({
    reader: replica.reader,
    groups: () => replica.groups,
    access: stores,
    host,
    repair,
    healthy,
  });
  return {
    host,
    away,
    stripes,
    mender,
    repaired,
    spare,
    lacking,
    take,
    onRepair: (hear: typeof before) => (before = hear),
    run: () => drive(host, mender.run()),
  };
}

test('whatever is missing: what is written next belongs to a stripe that no other is more endangered than', async () => {
  const runs = Number(process.env['DSOM_RUNS'] ?? 15);
  const losses = fc.array(fc.tuple(fc.nat(11), fc.nat(4)), { minLength: 5, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(losses, async (taken) => {
      const setting = await setUp(12);
      for (const [stripe, index] of taken) setting.take(stripe, index);
      const lost = new Set(setting.stripes.filter((one) => setting.spare(one) < 0));
      setting.onRepair((one) => {
        if (lost.has(one)) {
          assert.ok(
            setting.lacking().every((other) => lost.has(other)),
            'what has too few fragments comes last',
          );
          return;
        }
        for (const other of setting.lacking())
          if (!lost.has(other)) assert.ok(setting.spare(one) <= setting.spare(other), 'another is more endangered');
      });
      await setting.run();
      assert.deepEqual(new Set(setting.lacking()), lost, 'all others are whole');
    }),
    { numRuns: runs },
  );
});

test('when a device goes while less urgent stripes are written, those that it makes urgent come first', async () => {
  const setting = await setUp(60);
  const [lost, going] = [deviceName(2), deviceName(4)];
  for (const [at, { group: of }] of setting.stripes.entries())
    if (of.id !== 2) setting.take(at, of.devices.indexOf(lost));
  let goneAt = 0;
  setting.onRepair((one) => {
    if (one.group.id === 3 || goneAt > 0) return;
    setting.away.add(going);
    goneAt = setting.repaired.length;
  });
  await setting.run();
  assert.equal(setting.lacking().length, 0, 'all that can be written is');
  assert.ok(goneAt > 10, 'all stripes of three copies came first');
  const after = setting.repaired.slice(goneAt + 1).map(({ group: of }) => of.id);
  assert.ok(after.includes(1) && after.includes(4), 'of both groups some were left');
  assert.deepEqual(after, [...after.filter((id) => id === 4), ...after.filter((id) => id === 1)]);
});

test('what a writer left out is written in the same order', async () => {
  const setting = await setUp(12);
  await setting.run();
  const [safe, endangered] = [setting.stripes[0] as Written, setting.stripes[2] as Written];
  setting.take(0, 3);
  for (const index of [1, 2]) setting.take(2, index);
  setting.mender.missed(safe.id, safe.group.id, 3);
  for (const index of [1, 2]) setting.mender.missed(endangered.id, 3, index);
  await setting.run();
  assert.deepEqual(
    setting.repaired.map(({ id }) => id),
    [endangered.id, endangered.id, safe.id],
  );
});
