import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../limits.ts';
import { fragmentId } from '../address.ts';
import { createMender, createRepairer, openStripeStore } from '../index.ts';
import {
  deviceName,
  drive,
  group,
  type MemoryFragments,
  memoryStores,
  seededHost,
  someBytes,
} from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';
import { writingPhase } from './mend.ts';

/** Two devices, the second of which may be away. */
function setUp() {
  const host = seededHost(11);
  const stores = memoryStores(2);
  const replica = new Replica([group(1, 0), group(2, 1), group(3, 0, 1)]);
  const away = new Set<string>();
  const owned = (stripe: Buffer): boolean => replica.reader.stripeOwner(stripe) !== undefined;
  const healthy = (device: string): boolean => !away.has(device);
  const groups = () => replica.groups;
  const { repair } = createRepairer({ access: stores, owned });
  const mender = () => createMender({ reader: replica.reader, groups, access: stores, host, repair, healthy });
  let current = mender();
  const store = openStripeStore({
    groups,
    access: stores,
    host,
    owned,
    proposer: replica.proposer,
    onDamage: () => assert.fail('nothing is damaged'),
    condition: (device) => ({ healthy: healthy(device), free: 1 }),
    onMissed: (stripe, id, copy) => current.missed(stripe, id, copy),
  });
  const on = (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments;
  const write = async (length = 1000) => {
    const bytes = someBytes(host, length);
    const writer = await store.create(undefined, length);
    await writer.append([bytes]);
    await writer.seal();
    const { id } = writer;
    const publish = () =>
      replica.put(`k${id.toString('hex')}`, [replica.piece([{ id, group: writer.group, length, frames: undefined }])]);
    return { id, bytes, publish };
  };
  const second = (id: Buffer): Buffer | undefined => on(1).bytesOf(fragmentId(id, 1));
  return {
    host,
    stores,
    replica,
    away,
    on,
    write,
    second,
    repair,
    mender: () => current,
    /** As a start would: what waited is forgotten. */
    restart: () => (current = mender()),
    run: () => drive(host, current.run()),
  };
}

test('copies left out while a device was away are written after it is back, and all others are left alone', async () => {
  const setting = setUp();
  const before = await setting.write();
  before.publish();
  setting.away.add(deviceName(1));
  const stripes = [];
  for (let i = 0; i < 30; i++) {
    const stripe = await setting.write();
    stripe.publish();
    stripes.push(stripe);
  }
  assert.equal(setting.mender().totals().waiting, 30);
  setting.away.clear();
  setting.restart();
  assert.equal(setting.mender().totals().complete, false);
  await setting.run();
  for (const { id, bytes } of stripes) assert.deepEqual(setting.second(id), bytes);
  assert.deepEqual(setting.mender().totals(), { mended: 30, waiting: 0, lost: 0, complete: true });
  await setting.run();
  assert.equal(setting.mender().totals().mended, 30);
});

test('a copy that failed while it was written is written as soon as its version is published', async () => {
  const setting = setUp();
  await setting.run();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  setting.away.clear();
  await setting.run();
  assert.equal(setting.second(stripe.id), undefined, 'nothing points to it yet');
  stripe.publish();
  await setting.run();
  assert.deepEqual(setting.second(stripe.id), stripe.bytes);
  assert.deepEqual(setting.mender().totals(), { mended: 1, waiting: 0, lost: 0, complete: true });
});

test('what nobody publishes leaves the queue and is not missing, and what is published late is written then', async () => {
  const setting = setUp();
  await setting.run();
  setting.away.add(deviceName(1));
  const [never, late] = [await setting.write(), await setting.write()];
  setting.away.clear();
  for (let i = 0; i < limits.mendTries; i++) await setting.run();
  assert.deepEqual(setting.mender().totals(), { mended: 0, waiting: 0, lost: 0, complete: true });
  setting.host.advance(2 * limits.mendAgainMs);
  await setting.run();
  assert.equal(setting.second(late.id), undefined);
  late.publish();
  await setting.run();
  assert.deepEqual(setting.second(late.id), late.bytes);
  assert.equal(setting.second(never.id), undefined);
  assert.deepEqual(setting.mender().totals(), { mended: 1, waiting: 0, lost: 0, complete: true });
});

test('a version that was deleted before its copies were all there does not hold up who waits until nothing is missing', async () => {
  const setting = setUp();
  await setting.run();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  const version = stripe.publish();
  setting.on(1).failing.set('create', new Error('EIO'));
  setting.away.clear();
  await setting.run();
  assert.equal(setting.mender().totals().waiting, 1);
  setting.replica.delete(version);
  const rows = setting.replica.reader.garbage(10).map(({ position, ordinal, piece }) => ({ position, ordinal, piece }));
  await setting.replica.proposer.propose({ type: 'garbage.collected', rows });
  for (let i = 0; i < limits.mendTries; i++) await setting.run();
  assert.deepEqual(setting.mender().totals(), { mended: 0, waiting: 0, lost: 0, complete: true });
});

/** Gives the mender so many copies of stripes that nobody publishes, and lets it give them up. */
async function abandon({ mender, run }: ReturnType<typeof setUp>, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const id = Buffer.alloc(16);
    id.writeUInt32BE(i + 1, 8);
    mender().missed(id, 3, 1);
  }
  for (let i = 0; i < limits.mendTries; i++) await run();
}

test('what may still be published and is forgotten because there is more is found by a look', async () => {
  const setting = setUp();
  await setting.run();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  setting.away.clear();
  await abandon(setting, 0, limits.mendUnpublished - 1);
  assert.equal(setting.mender().totals().complete, true);
  await abandon(setting, limits.mendUnpublished, 1);
  assert.equal(setting.mender().totals().complete, false);
  stripe.publish();
  await setting.run();
  assert.equal(setting.second(stripe.id), undefined, 'not at once');
  setting.host.advance(limits.mendAgainMs);
  await setting.run();
  assert.deepEqual(setting.second(stripe.id), stripe.bytes);
  assert.equal(setting.mender().totals().complete, true);
  await abandon(setting, limits.mendUnpublished + 1, 1);
  assert.equal(setting.mender().totals().complete, true, 'what it is forgotten for was here for long enough');
});

test('a queue that runs over loses nothing', async () => {
  const setting = setUp();
  await setting.run();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  stripe.publish();
  const mender = setting.restart();
  await setting.run();
  for (let i = 0; i < limits.mendQueue; i++) {
    const id = Buffer.alloc(16);
    id.writeUInt32BE(i + 1, 8);
    mender.missed(id, 3, 1);
  }
  assert.equal(mender.totals().complete, true);
  mender.missed(stripe.id, 3, 1);
  assert.equal(mender.totals().waiting, limits.mendQueue);
  assert.equal(mender.totals().complete, false);
  setting.away.clear();
  setting.host.advance(limits.mendAgainMs);
  await setting.run();
  assert.deepEqual(setting.second(stripe.id), stripe.bytes);
});

test('a copy that still cannot be written is counted, and tried again later', async () => {
  const setting = setUp();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  stripe.publish();
  setting.away.clear();
  setting.on(1).failing.set('create', new Error('EIO'));
  setting.restart();
  await setting.run();
  assert.deepEqual(setting.mender().totals(), { mended: 0, waiting: 1, lost: 0, complete: true });
  for (let i = 0; i < limits.mendTries; i++) await setting.run();
  assert.deepEqual(setting.mender().totals(), { mended: 0, waiting: 1, lost: 0, complete: false });
  setting.on(1).failing.clear();
  await setting.run();
  assert.equal(setting.second(stripe.id), undefined, 'not at once');
  setting.host.advance(limits.mendAgainMs);
  await setting.run();
  assert.deepEqual(setting.second(stripe.id), stripe.bytes);
  assert.deepEqual(setting.mender().totals(), { mended: 1, waiting: 0, lost: 0, complete: true });
});

test('a copy that could not be written for a moment is written by the next run', async () => {
  const setting = setUp();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  stripe.publish();
  setting.away.clear();
  setting.on(1).failing.set('create', new Error('EIO'));
  setting.restart();
  await setting.run();
  setting.on(1).failing.clear();
  await setting.run();
  assert.deepEqual(setting.second(stripe.id), stripe.bytes);
  assert.deepEqual(setting.mender().totals(), { mended: 1, waiting: 0, lost: 0, complete: true });
});

test('a copy that a read is writing just then counts as mended, not as one that could not be written', async () => {
  const setting = setUp();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  stripe.publish();
  setting.away.clear();
  setting.restart();
  let others: Promise<boolean> | undefined;
  let created = 0;
  setting.on(1).before = (step) => {
    if (step === 'create') created += 1;
  };
  const { stripes: rows } = setting.replica.reader;
  setting.replica.reader.stripes = (start, limit) => {
    if (setting.mender().progress().phase === writingPhase)
      others ??= setting.repair(stripe.id, group(3, 0, 1), 1, 'unreadable');
    return rows.call(setting.replica.reader, start, limit);
  };
  await setting.run();
  assert.equal(await others, true);
  assert.equal(created, 1);
  assert.deepEqual(setting.second(stripe.id), stripe.bytes);
  assert.deepEqual(setting.mender().totals(), { mended: 1, waiting: 0, lost: 0, complete: true });
});

test('garbage is not mended, and a run can be cancelled', async () => {
  const setting = setUp();
  setting.away.add(deviceName(1));
  const stripe = await setting.write();
  const version = stripe.publish();
  setting.replica.delete(version);
  setting.away.clear();
  setting.restart();
  await assert.rejects(setting.mender().run(AbortSignal.abort(new Error('shutdown'))), /shutdown/);
  assert.equal(setting.mender().totals().complete, false);
  setting.host.advance(limits.mendAgainMs);
  await setting.run();
  assert.equal(setting.second(stripe.id), undefined);
});

test('what is missing counts as unknown until the look after a start has ended, not only until it began', async () => {
  const setting = setUp();
  setting.away.add(deviceName(1));
  const stripes = [await setting.write(), await setting.write()];
  for (const { publish } of stripes) publish();
  setting.away.clear();
  const { stripes: rows } = setting.replica.reader;
  const seen: boolean[] = [];
  setting.replica.reader.stripes = (start, limit) => {
    seen.push(setting.mender().totals().complete);
    return rows.call(setting.replica.reader, start, limit);
  };
  setting.restart();
  await setting.run();
  assert.ok(seen.length > 0 && seen.every((complete) => !complete), 'while it looks');
  assert.deepEqual(setting.mender().totals(), { mended: 2, waiting: 0, lost: 0, complete: true });
});

test('a copy that nothing is left to be written from is told apart from one that waits, and not while a device is away', async () => {
  const setting = setUp();
  const stripe = await setting.write();
  stripe.publish();
  const healthy = await setting.write();
  healthy.publish();
  for (const copy of [0, 1]) await setting.on(copy).remove([fragmentId(stripe.id, copy)]);
  setting.away.add(deviceName(0));
  setting.restart();
  for (let i = 0; i <= limits.mendTries; i++) await setting.run();
  assert.deepEqual(
    setting.mender().totals(),
    { mended: 0, waiting: 1, lost: 0, complete: false },
    'the device has it, perhaps',
  );
  setting.away.clear();
  setting.restart();
  for (let i = 0; i <= limits.mendTries; i++) await setting.run();
  assert.deepEqual(setting.mender().totals(), { mended: 0, waiting: 2, lost: 2, complete: false });
});
