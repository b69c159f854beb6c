import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../limits.ts';
import type { ObjectVersion, Stripe } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import { createCollector, openStripeStore } from '../index.ts';
import { deviceName, drive, group, type MemoryFragments, memoryStores, seededHost } from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';

function setUp(seed = 1) {
  const host = seededHost(seed);
  const stores = memoryStores(2);
  const replica = new Replica([group(1, 0), group(2, 1), group(3, 0, 1)]);
  const reads = new Set<{ readonly position: number; readonly stripes: readonly Stripe[] }>();
  const open = () =>
    openStripeStore({
      groups: () => replica.groups,
      access: stores,
      proposer: replica.proposer,
      host,
      owned: (stripe) => replica.reader.stripeOwner(stripe) !== undefined,
      onDamage: () => undefined,
    });
  const collector = createCollector({
    reader: replica.reader,
    proposer: replica.proposer,
    access: stores,
    stores,
    host,
    oldestRead: async () => {
      await Promise.resolve();
      return reads.size === 0 ? undefined : Math.min(...[...reads].map(({ position }) => position));
    },
  });
  const on = (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments;
  return { host, stores, replica, reads, store: open(), reopen: open, collector, on };
}

type Setting = ReturnType<typeof setUp>;

async function stripe({ store }: Setting, copies?: number): Promise<Stripe> {
  const writer = await store.create(copies === undefined ? undefined : { copies }, 10);
  await writer.append([Buffer.alloc(10, writer.id[14])]);
  await writer.seal();
  return { id: writer.id, group: writer.group, length: 10, frames: undefined };
}

async function put(setting: Setting, key: string, stripes = 1): Promise<ObjectVersion> {
  const written: Stripe[] = [];
  for (let i = 0; i < stripes; i++) written.push(await stripe(setting));
  const version = setting.replica.put(
    key,
    written.map((one) => setting.replica.piece([one])),
  );
  setting.store.settle(written.map(({ id }) => id));
  return version;
}

const stripesIn = (setting: Setting, version: ObjectVersion): Stripe[] =>
  setting.replica.reader
    .pieces(version.manifest, 0, 100)
    .flatMap(({ body }) => ('stripes' in body ? [...body.stripes] : []));

const stored = ({ stores }: Setting): number => [...stores.values()].reduce((sum, { rows }) => sum + rows.size, 0);

test('deleted versions are freed on every device, and only they', async () => {
  const setting = setUp();
  const kept = await put(setting, 'kept', 2);
  const gone = await put(setting, 'gone', 3);
  setting.replica.delete(gone);
  const report = await drive(setting.host, setting.collector.run());
  assert.deepEqual(report, { rows: 3, intents: 0, fragments: 6, bytes: 60, waiting: false });
  assert.equal(stored(setting), 4);
  for (const { id } of stripesIn(setting, kept)) {
    assert.deepEqual(
      [0, 1].map((copy) => setting.on(copy).length(fragmentId(id, copy))),
      [10, 10],
    );
  }
  assert.equal(setting.replica.garbage.length, 0);
  assert.equal(setting.replica.stripeRows.size, 2);
  assert.deepEqual(setting.collector.totals(), { rows: 3, intents: 0, fragments: 6, bytes: 60 });
  assert.equal(setting.collector.progress().phase, 'idle');
});

test('garbage whose row of the index is damaged is freed like any other', async () => {
  const setting = setUp();
  const gone = await put(setting, 'gone', 2);
  const [first] = stripesIn(setting, gone);
  setting.on(0).damagedRows.add(fragmentId(first?.id as Buffer, 0).toString('hex'));
  setting.replica.delete(gone);
  const report = await drive(setting.host, setting.collector.run());
  assert.deepEqual(report, { rows: 2, intents: 0, fragments: 4, bytes: 30, waiting: false });
  assert.equal(stored(setting), 0);
});

test('garbage waits for reads that are older, and not for younger ones', async () => {
  const setting = setUp();
  const version = await put(setting, 'a');
  const read = { position: setting.replica.position, stripes: stripesIn(setting, version) };
  setting.reads.add(read);
  setting.replica.delete(version);
  assert.equal((await drive(setting.host, setting.collector.run())).waiting, true);
  assert.equal(stored(setting), 2);
  setting.reads.delete(read);
  setting.reads.add({ position: setting.replica.position, stripes: [] });
  assert.equal((await drive(setting.host, setting.collector.run())).waiting, false);
  assert.equal(stored(setting), 0);
});

test('a row without stripes is reported too', async () => {
  const setting = setUp();
  setting.replica.position = 5;
  setting.replica.garbage.push({ position: 5, ordinal: 0, piece: 0, stripes: [] });
  assert.equal((await drive(setting.host, setting.collector.run())).rows, 1);
  assert.deepEqual(setting.replica.garbage, []);
});

test('the removal is durable before the log says so', async () => {
  const setting = setUp();
  setting.replica.delete(await put(setting, 'a'));
  const { proposer } = setting.replica;
  const propose = proposer.propose.bind(proposer);
  let proposed = 0;
  (proposer as { propose: typeof propose }).propose = (command) => {
    proposed += 1;
    for (const store of setting.stores.values()) assert.deepEqual(store.unflushed, [], command.type);
    return propose(command);
  };
  const collector = createCollector({
    ...setting,
    access: setting.stores,
    reader: setting.replica.reader,
    proposer: setting.replica.proposer,
    oldestRead: async () => undefined,
  });
  await drive(setting.host, collector.run());
  assert.equal(proposed, 1);
});

for (const step of ['remove', 'flush'] as const) {
  test(`a device that fails to ${step} keeps its garbage listed; the other is freed`, async () => {
    const setting = setUp();
    for (const key of ['a', 'b', 'c']) setting.replica.delete(await put(setting, key));
    setting.on(0).failing.set(step, new Error('EIO'));
    const report = await drive(setting.host, setting.collector.run());
    assert.equal(report.waiting, true);
    assert.equal(setting.replica.garbage.length, 3);
    assert.equal(setting.on(1).rows.size, 0);
    setting.on(0).failing.clear();
    assert.equal((await drive(setting.host, setting.collector.run())).waiting, false);
    assert.equal(stored(setting), 0);
    assert.equal(setting.replica.garbage.length, 0);
  });
}

test('a device that fails once is left alone for the whole pass: no piece of a version is skipped', async () => {
  const setting = setUp();
  setting.replica.delete(await put(setting, 'large', limits.jobPage * 2));
  const device = setting.on(0);
  device.failing.set('remove', new Error('EIO'));
  device.before = (step) => {
    // Heals after the first refusal.
    if (step === 'remove') queueMicrotask(() => queueMicrotask(() => device.failing.clear()));
  };
  const report = await drive(setting.host, setting.collector.run());
  assert.equal(report.rows, 0);
  assert.equal(setting.on(1).rows.size, 0);
  assert.equal((await drive(setting.host, setting.collector.run())).rows, limits.jobPage * 2);
  assert.equal(stored(setting), 0);
});

test('what a closed intent left unpublished is freed, and what it published stays', async () => {
  const setting = setUp();
  const kept = await put(setting, 'kept');
  const late = await put(setting, 'deleted later');
  await stripe(setting);
  await stripe(setting, 1);
  assert.deepEqual(await drive(setting.host, setting.collector.run()), {
    rows: 0,
    intents: 0,
    fragments: 0,
    bytes: 0,
    waiting: false,
  });
  await setting.replica.proposer.propose({ type: 'intent.expire' });
  const read = { position: setting.replica.position, stripes: stripesIn(setting, late) };
  setting.reads.add(read);
  setting.replica.delete(late);
  // The read still needs the stripe of the deleted version, though its intent is closed.
  assert.equal((await drive(setting.host, setting.collector.run())).fragments, 3);
  assert.equal(setting.replica.intents.size, 0);
  for (const { id } of [...read.stripes, ...stripesIn(setting, kept)]) {
    assert.deepEqual(
      [0, 1].map((copy) => setting.on(copy).length(fragmentId(id, copy))),
      [10, 10],
    );
  }
  setting.reads.delete(read);
  await drive(setting.host, setting.collector.run());
  assert.equal(stored(setting), 2);
});

test('a repair that ran between the removal and the report leaves nothing behind', async () => {
  const setting = setUp();
  const version = await put(setting, 'a');
  const [{ id }] = stripesIn(setting, version) as [Stripe];
  setting.replica.delete(version);
  let repaired = false;
  setting.on(1).before = (step) => {
    if (step !== 'flush' || repaired) return;
    repaired = true;
    setting.on(0).rows.set(id.toString('hex'), { bytes: Buffer.alloc(10), checksums: [], checksumBytes: 10 });
  };
  await drive(setting.host, setting.collector.run());
  assert.equal(repaired, true);
  assert.equal(stored(setting), 0);
});

test('a cancelled pass stops', async () => {
  const setting = setUp();
  setting.replica.delete(await put(setting, 'a'));
  const stop = new AbortController();
  stop.abort(new Error('stopping'));
  await assert.rejects(drive(setting.host, setting.collector.run(stop.signal)), /stopping/);
  assert.equal((await drive(setting.host, setting.collector.run())).rows, 1);
});

type Op =
  | { readonly op: 'put' | 'orphan' | 'replace'; readonly key: number; readonly stripes: number }
  | { readonly op: 'delete' | 'share' | 'read' | 'unread'; readonly key: number }
  | { readonly op: 'collect' | 'fail' | 'heal' | 'restart' | 'crash' };

const opArbitrary: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom('put', 'orphan', 'replace'),
      key: fc.nat(5),
      stripes: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ op: fc.constantFrom('delete', 'share', 'read', 'unread'), key: fc.nat(5) }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constantFrom('collect', 'fail', 'heal', 'restart', 'crash') }) },
);

test('never removes a stripe that a version or an open read reaches, and in the end removes all others', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(opArbitrary, fc.nat(60)), { minLength: 5, maxLength: 40 }), async (ops) => {
      const setting = setUp();
      const { collector, host, on, reads, replica } = setting;
      let passes: Promise<unknown>[] = [];
      const check = (): void => {
        const needed = [
          ...replica.versions.flatMap(({ record }) => stripesIn(setting, record)),
          ...[...reads].flatMap(({ stripes }) => stripes),
        ];
        for (const { id } of needed) {
          for (const copy of [0, 1])
            assert.equal(on(copy).length(fragmentId(id, copy)), 10, 'a needed stripe was removed');
        }
      };
      const pick = (key: number) => replica.versions[key % Math.max(1, replica.versions.length)];
      const settle = async (): Promise<void> => {
        await drive(host, Promise.all(passes));
        passes = [];
      };
      for (const [step, turns] of ops) {
        switch (step.op) {
          case 'put':
          case 'replace': {
            const old = replica.versions.find(({ key }) => key.toString() === `k${step.key}`);
            await put(setting, `k${step.key}`, step.stripes);
            if (step.op === 'replace' && old) replica.delete(old.record);
            break;
          }
          case 'orphan':
            for (let i = 0; i < step.stripes; i++) await stripe(setting);
            break;
          case 'delete': {
            const victim = pick(step.key);
            if (victim) replica.delete(victim.record);
            break;
          }
          case 'share': {
            const source = pick(step.key);
            if (source) replica.share(`c${step.key}`, source.record);
            break;
          }
          case 'read': {
            const version = pick(step.key);
            if (version) reads.add({ position: replica.position, stripes: stripesIn(setting, version.record) });
            break;
          }
          case 'unread':
            for (const read of [...reads].slice(0, 1)) reads.delete(read);
            break;
          case 'collect':
            passes.push(collector.run());
            break;
          case 'fail':
            on(1).failing.set('remove', new Error('EIO'));
            break;
          case 'heal':
            on(1).failing.clear();
            break;
          case 'restart':
          case 'crash':
            await settle();
            reads.clear();
            if (step.op === 'crash') for (const store of setting.stores.values()) store.crash();
            await replica.proposer.propose({ type: 'intent.expire' });
            setting.store = setting.reopen();
            break;
        }
        // Lets the pass under way go on for some turns, so that the next operation falls anywhere into it.
        for (let turn = 0; turn < turns; turn++) {
          await Promise.resolve();
          check();
        }
      }
      await settle();
      check();
      reads.clear();
      on(1).failing.clear();
      await replica.proposer.propose({ type: 'intent.expire' });
      const last = await drive(host, collector.run());
      assert.equal(last.waiting, false);
      const reachable = new Set(
        replica.versions.flatMap(({ record }) => stripesIn(setting, record).map(({ id }) => id.toString('hex'))),
      );
      assert.equal(stored(setting), reachable.size * 2);
      assert.equal(replica.stripeRows.size, reachable.size);
      assert.deepEqual([replica.garbage, replica.intents.size], [[], 0]);
      check();
    }),
    { numRuns: 80 },
  );
});
