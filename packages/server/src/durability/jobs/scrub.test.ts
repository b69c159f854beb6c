import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryVolume } from '../../device/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { limits } from '../../limits.ts';
import { fragmentId } from '../address.ts';
import {
  createRepairer,
  createScrub,
  type DamageReport,
  fileScrubMemory,
  openStripeStore,
  processScrubMemory,
  type ScrubMemory,
} from '../index.ts';
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

function setUp(memory: ScrubMemory = processScrubMemory()) {
  const host = seededHost(3);
  const stores = memoryStores(2);
  const replica = new Replica([group(1, 0), group(2, 1), group(3, 0, 1)]);
  const reports: DamageReport[] = [];
  const sick = new Set<string>();
  const owned = (stripe: Buffer): boolean => replica.reader.stripeOwner(stripe) !== undefined;
  const options = {
    groups: () => replica.groups,
    access: stores,
    stores,
    host,
    owned,
    onDamage: (report: DamageReport) => void reports.push(report),
  };
  const store = openStripeStore({ ...options, proposer: replica.proposer });
  const scrub = (bytesPerSecond?: number) =>
    createScrub({
      ...options,
      reader: replica.reader,
      repair: createRepairer(options).repair,
      memory,
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      healthy: (device) => !sick.has(device),
    });
  const on = (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments;
  return { host, stores, replica, reports, sick, store, scrub, on };
}

type Setting = ReturnType<typeof setUp>;

async function put(setting: Setting, length: number, copies = 2) {
  const bytes = someBytes(setting.host, length);
  const writer = await setting.store.create({ copies }, length);
  await writer.append([bytes]);
  await writer.seal();
  const stripe = { id: writer.id, group: writer.group, length, frames: undefined };
  const version = setting.replica.put(`k${writer.id.toString('hex')}`, [setting.replica.piece([stripe])]);
  return { id: writer.id, bytes, version };
}

const summary = (report: object): object => ({ ...report, fragments: undefined, bytes: undefined });
const clean = {
  fragments: undefined,
  bytes: undefined,
  missing: 0,
  damaged: 0,
  unreadable: 0,
  repaired: 0,
  unrepaired: [],
  skipped: [],
  rows: 0,
  damagedMetadata: [],
};

test('a clean store: everything is read once, and the end is remembered', async () => {
  const setting = setUp();
  await put(setting, 200_000);
  await put(setting, 10, 1);
  const scrub = await setting.scrub();
  assert.equal(scrub.due(), true);
  assert.equal(scrub.lastFullMs(), undefined);
  const report = await drive(setting.host, scrub.run());
  assert.deepEqual(summary(report), clean);
  assert.deepEqual([report.fragments, report.bytes], [3, 400_010]);
  assert.ok(setting.host.clock.now() - (scrub.lastFullMs() as number) < 5);
  assert.equal(scrub.due(), false);
  setting.host.advance(limits.scrubPeriodMs);
  assert.equal(scrub.due(), true);
});

test('every flipped bit is found and repaired from the other copy', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(149_999), fc.nat(7), fc.nat(1), fc.nat(2), async (byte, bit, device, which) => {
      const setting = setUp();
      const stripes = [await put(setting, 150_000), await put(setting, 150_000), await put(setting, 150_000)];
      const { id, bytes } = stripes[which] as (typeof stripes)[number];
      setting.on(device).flip(fragmentId(id, device), byte, bit);
      const scrub = await setting.scrub();
      const report = await drive(setting.host, scrub.run());
      assert.deepEqual(summary(report), { ...clean, damaged: 1, repaired: 1 });
      assert.deepEqual(setting.on(device).bytesOf(fragmentId(id, device)), bytes);
      assert.deepEqual(setting.reports, [
        { stripe: id, device: deviceName(device), reason: 'damaged', repaired: true },
      ]);
      assert.deepEqual(summary(await drive(setting.host, scrub.run())), clean);
    }),
    { numRuns: 40 },
  );
});

test('a copy whose row of the index is damaged is written again with a new one, and the pass goes on', async () => {
  const setting = setUp();
  const { id, bytes } = await put(setting, 150_000);
  const other = await put(setting, 100);
  setting.on(0).damagedRows.add(fragmentId(id, 0).toString('hex'));
  setting.on(1).flip(fragmentId(other.id, 1), 1);
  const scrub = await setting.scrub();
  assert.deepEqual(summary(await drive(setting.host, scrub.run())), { ...clean, damaged: 2, repaired: 2 });
  assert.deepEqual(setting.on(0).bytesOf(fragmentId(id, 0)), bytes);
  assert.deepEqual(summary(await drive(setting.host, scrub.run())), clean);
});

test('missing and unreadable copies are written again; what has no good copy is listed', async () => {
  const setting = setUp();
  const missing = await put(setting, 100);
  const lost = await put(setting, 100);
  const single = await put(setting, 100, 1);
  setting.on(1).rows.delete(fragmentId(missing.id, 1).toString('hex'));
  setting.on(0).flip(fragmentId(lost.id, 0), 1);
  setting.on(1).rows.delete(fragmentId(lost.id, 1).toString('hex'));
  const [holder] = [...setting.stores.values()].filter(
    (store) => store.length(single.id) !== undefined && store.rows.size > 0,
  );
  const device = [0, 1].find((index) => setting.on(index).length(single.id) !== undefined) as number;
  assert.equal(holder, setting.on(device));
  setting.on(device).flip(single.id, 99);
  const report = await drive(setting.host, (await setting.scrub()).run());
  assert.deepEqual(summary(report), {
    ...clean,
    missing: 2,
    damaged: 2,
    repaired: 1,
    unrepaired: [
      ...[
        [lost.id, 0],
        [single.id, device],
      ]
        .map(([id, on]) => ({
          stripe: (id as Buffer).toString('hex'),
          device: deviceName(on as number),
          reason: 'damaged',
        }))
        .sort((a, b) => a.device.localeCompare(b.device) || a.stripe.localeCompare(b.stripe)),
      { stripe: lost.id.toString('hex'), device: deviceName(1), reason: 'missing' },
    ],
  });
  assert.deepEqual(setting.on(1).bytesOf(fragmentId(missing.id, 1)), missing.bytes);
});

test('garbage whose fragments are gone is not missed, and unpublished damage is left to the collector', async () => {
  const setting = setUp();
  const gone = await put(setting, 100);
  setting.replica.delete(gone.version);
  for (const store of setting.stores.values()) store.rows.clear();
  const writer = await setting.store.create({ copies: 2 }, 10);
  await writer.append([Buffer.alloc(10)]);
  await writer.seal();
  setting.on(0).flip(writer.id, 0);
  assert.deepEqual(summary(await drive(setting.host, (await setting.scrub()).run())), clean);
  assert.deepEqual(setting.reports, []);
});

test('a device that does not answer is named, and the pass does not count as full', async () => {
  const setting = setUp();
  await put(setting, 100);
  setting.sick.add(deviceName(1));
  const scrub = await setting.scrub();
  const report = await drive(setting.host, scrub.run());
  assert.deepEqual(report.skipped, [deviceName(1)]);
  assert.equal(scrub.lastFullMs(), undefined);
});

test('a scheduled pass keeps to its rate; a demanded one makes it hurry', async () => {
  const setting = setUp();
  const rate = 2_000_000;
  for (let i = 0; i < 15; i++) await put(setting, 200_000);
  const scrub = await setting.scrub(rate);
  const began = setting.host.clock.monotonic();
  const slow = scrub.run({ scheduled: true });
  await drive(setting.host, setting.host.timers.sleep(1000));
  const { phase, done, total, rate: shown, etaMs } = scrub.progress();
  assert.equal(phase, 'verifying');
  assert.ok(Math.abs(done - rate) < 500_000, String(done));
  assert.equal(total, 6_000_000);
  assert.ok(Math.abs(shown - rate) < rate / 4);
  assert.ok((etaMs as number) > 1000 && (etaMs as number) < 3000);
  const fast = scrub.run();
  const [a, b] = await drive(setting.host, Promise.all([slow, fast]));
  assert.equal(a, b);
  assert.equal(a.bytes, 6_000_000);
  assert.ok(setting.host.clock.monotonic() - began < 1500);
});

test('a scheduled pass goes on where it was after a restart', async () => {
  const setting = setUp(fileScrubMemory(memoryVolume()));
  for (let i = 0; i < 20; i++) await put(setting, 10_000);
  const stop = new AbortController();
  // 400 kB in 400 s: its place is saved several times before it is stopped.
  const first = await setting.scrub(1000);
  const pass = drive(setting.host, first.run({ scheduled: true, signal: stop.signal }), 200);
  setting.host.timers.after(4 * limits.scrubSaveMs, () => stop.abort(new Error('shutdown')));
  await assert.rejects(pass, /shutdown/);
  assert.equal(first.lastFullMs(), undefined);
  const second = await setting.scrub(1_000_000);
  assert.equal(second.due(), true);
  const report = await drive(setting.host, second.run({ scheduled: true }));
  assert.ok(report.bytes > 150_000 && report.bytes < 300_000, String(report.bytes));
  assert.ok(setting.host.clock.now() - (second.lastFullMs() as number) < 5);
  const third = await setting.scrub();
  assert.equal(third.lastFullMs(), second.lastFullMs());
  assert.equal(third.due(), false);
});

test('the memory survives a crash as it was or as it became, and nonsense counts as nothing', async () => {
  const before = { lastFullMs: 5, place: { device: 'd', next: Buffer.alloc(16, 7) } };
  const after = { lastFullMs: 6, place: undefined };
  const found = new Set<unknown>();
  for (let seed = 0; seed < 60; seed++) {
    const volume = memoryVolume();
    const memory = fileScrubMemory(volume);
    assert.deepEqual(await memory.load(), { lastFullMs: undefined, place: undefined });
    await memory.save(before);
    const saving = memory.save(after).catch(() => undefined);
    for (let turn = 0; turn < seed; turn++) await Promise.resolve();
    const state = await fileScrubMemory(volume.crash(seed)).load();
    await saving;
    assert.deepEqual(state, state.lastFullMs === 5 ? before : after);
    found.add(state.lastFullMs);
  }
  assert.deepEqual(found, new Set([5, 6]));
  const volume = memoryVolume();
  const file = await volume.open('scrub.json', 'create');
  for (const text of ['{"format":2}', 'not json', '', '{"format":1,"place":{"device":"d","next":"zz"}}']) {
    await file.truncate(0);
    await file.write([Buffer.from(text)], 0);
    assert.deepEqual(await fileScrubMemory(volume).load(), { lastFullMs: undefined, place: undefined });
  }
});

test('the metadata are looked through in each pass, and what is damaged stands in its report', async () => {
  const setting = setUp();
  const kv = memoryKv(setting.host);
  const heard: unknown[] = [];
  const scrub = await createScrub({
    ...setting,
    groups: () => setting.replica.groups,
    reader: setting.replica.reader,
    repair: async () => false,
    onDamage: () => {},
    memory: processScrubMemory(),
    states: { list: () => [{ kv, directory: 'd' }], found: (...what) => void heard.push(what) },
  });
  assert.deepEqual(summary(await drive(setting.host, scrub.run())), clean);
  const row = Buffer.from([7, 1]);
  kv.commit([[row, Buffer.from('x')]]);
  assert.deepEqual(summary(await drive(setting.host, scrub.run())), { ...clean, rows: 1, damagedMetadata: ['d'] });
  kv.commit([[row, undefined]]);
  assert.deepEqual(summary(await drive(setting.host, scrub.run({ scheduled: true }))), clean);
  assert.deepEqual(
    heard.map((what) => (what as [string, string?])[1] !== undefined),
    [false, true, false],
  );
});
