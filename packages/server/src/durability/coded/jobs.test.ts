/* The jobs that keep stripes, on coded ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Code, GroupRecord, ObjectVersion, Stripe } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import {
  createCollector,
  createMender,
  createRepairer,
  createScrub,
  crossCheck,
  type DamageReport,
  openStripeStore,
} from '../index.ts';
import { processScrubMemory } from '../jobs/scrub-memory.ts';
import {
  codedGroup,
  deviceName,
  drive,
  group,
  type MemoryFragments,
  memoryStores,
  sameBytes,
  seededHost,
  someBytes,
} from '../memory.fixture.ts';
import { Replica } from '../replica.fixture.ts';
import { unitBytes } from './striping.ts';

const code: Code = { data: 4, parity: 2 };
const devices = [0, 1, 2, 3, 4, 5];

interface Kept {
  readonly stripe: Stripe;
  readonly bytes: Buffer;
  readonly version: ObjectVersion;
}

function setUp(seed = 1) {
  const host = seededHost(seed);
  const stores = memoryStores(6);
  const replica = new Replica([
    codedGroup(1, code, ...devices),
    codedGroup(2, code, 3, 1, 5, 0, 4, 2),
    group(3, 0, 2, 4),
  ]);
  const reports: DamageReport[] = [];
  const owned = (stripe: Buffer): boolean => replica.reader.stripeOwner(stripe) !== undefined;
  const groups = () => replica.groups;
  const shared = { access: stores, stores, groups, host, reader: replica.reader, owned, proposer: replica.proposer };
  const onDamage = (report: DamageReport): void => void reports.push(report);
  const { repair } = createRepairer(shared);
  const newMender = () => createMender({ ...shared, repair });
  let mender = newMender();
  const open = () =>
    openStripeStore({ ...shared, onDamage, onMissed: (stripe, id, index) => mender.missed(stripe, id, index) });
  const setting = {
    host,
    stores,
    replica,
    reports,
    store: open(),
    on: (index: number): MemoryFragments => stores.get(deviceName(index)) as MemoryFragments,
    restart(): void {
      mender = newMender();
      setting.store = open();
    },
    async put(length: number): Promise<Kept> {
      const bytes = someBytes(host, length);
      const writer = await setting.store.create(code, length);
      await writer.append([bytes]);
      await writer.seal();
      const stripe = { id: writer.id, group: writer.group, length, frames: [length] };
      const version = replica.put(`k${writer.id.toString('hex')}`, [replica.piece([stripe])]);
      setting.store.settle([writer.id]);
      return { stripe, bytes, version };
    },
    /** The device and id of one fragment. */
    fragment({ stripe }: Kept, index: number) {
      const device = replica.groups.find(({ id }) => id === stripe.group)?.devices[index] as string;
      return { device, on: stores.get(device) as MemoryFragments, id: fragmentId(stripe.id, index) };
    },
    repair: (kept: Kept, index: number) =>
      repair(
        kept.stripe.id,
        replica.groups.find(({ id }) => id === kept.stripe.group) as GroupRecord,
        index,
        'unreadable',
      ),
    mend: () => drive(host, mender.run()),
    mended: () => mender.totals(),
    collect: () => drive(host, createCollector({ ...shared, oldestRead: async () => undefined }).run()),
    scrub: async () =>
      drive(host, (await createScrub({ ...shared, repair, onDamage, memory: processScrubMemory() })).run()),
    check: () => drive(host, crossCheck(shared).report),
    held: () => [...stores.values()].reduce((sum, { rows }) => sum + rows.size, 0),
  };
  return setting;
}

const long = 9 * unitBytes + 77;

test('what was sealed without a fragment gets it once it is published', async () => {
  const setting = setUp();
  setting.on(4).failing.set('seal', new Error('EIO'));
  const kept = await setting.put(long);
  assert.equal(setting.held(), 5);
  setting.on(4).failing.clear();
  await setting.mend();
  assert.equal(setting.mended().mended, 1);
  assert.equal(setting.held(), 6);
  assert.deepEqual((await setting.check()).counts, {});
  sameBytes(await setting.store.read(kept.stripe, 0, long), kept.bytes);
});

test('who finds a second bad fragment while the first is written has that one written too', async () => {
  const setting = setUp();
  const kept = await setting.put(long);
  for (const index of [0, 3]) {
    const { on, id } = setting.fragment(kept, index);
    on.rows.delete(id.toString('hex'));
  }
  assert.equal(setting.held(), 4);
  const both = Promise.all([setting.repair(kept, 0), setting.repair(kept, 3), setting.repair(kept, 0)]);
  assert.deepEqual(await drive(setting.host, both), [true, true, true]);
  assert.equal(setting.held(), 6);
  assert.deepEqual((await setting.check()).counts, {});
});

test('a device that comes back empty is filled again', async () => {
  const setting = setUp();
  const all = [await setting.put(long), await setting.put(2 * unitBytes), await setting.put(1000)];
  const before = [...setting.on(2).rows].map(([name, { bytes }]) => [name, bytes.toString('hex')]);
  setting.on(2).rows.clear();
  setting.restart();
  await setting.mend();
  sameBytes([...setting.on(2).rows].map(([name, { bytes }]) => [name, bytes.toString('hex')]).sort(), before.sort());
  for (const { stripe, bytes } of all) sameBytes(await setting.store.read(stripe, 0, bytes.length), bytes);
});

test('a scrub finds what is flipped and what is missing in data, parity and trailers, and rewrites it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: unitBytes + 1, max: 12 * unitBytes }),
      fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 2 }),
      fc.nat(),
      fc.boolean(),
      async (length, hurt, byte, gone) => {
        const setting = setUp();
        const kept = await setting.put(length);
        const before = devices.map((index) => {
          const { on, id } = setting.fragment(kept, index);
          return Buffer.from(on.bytesOf(id) as Buffer);
        });
        for (const index of hurt) {
          const { on, id } = setting.fragment(kept, index);
          if (gone) on.rows.delete(id.toString('hex'));
          else on.flip(id, byte % (before[index]?.length as number));
        }
        const report = await setting.scrub();
        assert.deepEqual([report.missing + report.damaged, report.repaired], [hurt.length, hurt.length]);
        for (const index of devices) {
          const { on, id } = setting.fragment(kept, index);
          sameBytes(on.bytesOf(id), before[index]);
        }
        assert.equal((await setting.scrub()).repaired, 0);
        assert.deepEqual((await setting.check()).counts, {});
      },
    ),
    { numRuns: 40 },
  );
});

test('the cross-check tells what is missing, of a wrong length, and lost', async () => {
  const setting = setUp();
  const kept = await setting.put(long);
  await setting.put(5 * unitBytes);
  const first = setting.fragment(kept, 0);
  first.on.rows.delete(first.id.toString('hex'));
  assert.deepEqual((await setting.check()).counts, { 'fragment-missing': 1 });
  const second = setting.fragment(kept, 1);
  second.on.forge(second.id, Buffer.alloc(100));
  assert.deepEqual((await setting.check()).counts, { 'fragment-missing': 1, 'fragment-length': 1 });
  const third = setting.fragment(kept, 5);
  third.on.rows.delete(third.id.toString('hex'));
  const { counts, findings } = await setting.check();
  assert.deepEqual(counts, { 'stripe-lost': 1 });
  assert.match(findings[0]?.what as string, /Only 3 good fragments .* 4 are needed/);
});

test('a fragment of a wrong length is no source of a repair', async () => {
  const setting = setUp();
  const kept = await setting.put(long);
  const short = setting.fragment(kept, 0);
  short.on.forge(short.id, Buffer.alloc(long));
  const lost = setting.fragment(kept, 1);
  const right = Buffer.from(lost.on.bytesOf(lost.id) as Buffer);
  lost.on.rows.delete(lost.id.toString('hex'));
  assert.equal((await setting.scrub()).repaired, 1);
  sameBytes(lost.on.bytesOf(lost.id), right);
});

test('a repair does not bring back a stripe that was collected meanwhile', async () => {
  const setting = setUp();
  const kept = await setting.put(long);
  const bad = setting.fragment(kept, 0);
  bad.on.flip(bad.id, 5);
  bad.on.before = (step) => {
    if (step === 'seal') setting.replica.stripeRows.delete(kept.stripe.id.toString('hex'));
  };
  await setting.store.read(kept.stripe, 0, 10);
  await setting.store.idle();
  assert.equal(bad.on.bytesOf(bad.id), undefined);
});

type Op =
  | { readonly op: 'put'; readonly units: number }
  | { readonly op: 'delete' | 'hurt' | 'lose'; readonly which: number; readonly index: number }
  | { readonly op: 'away' | 'orphan' | 'mend' | 'scrub' | 'collect' | 'crash' };

const opArbitrary: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('put' as const), units: fc.integer({ min: 1, max: 9 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constantFrom('delete', 'hurt', 'lose'), which: fc.nat(20), index: fc.nat(5) }),
  },
  { weight: 5, arbitrary: fc.record({ op: fc.constantFrom('away', 'orphan', 'mend', 'scrub', 'collect', 'crash') }) },
);

test('whatever is written, deleted, damaged and crashes: versions read right, and in the end nothing lacks and nothing is left over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(opArbitrary, { minLength: 5, maxLength: 25 }), fc.nat(), async (ops, seed) => {
      const setting = setUp(1 + (seed % 100));
      let kept: Kept[] = [];
      /** Fragments hurt of each stripe since the last scrub: never more than the code bears. */
      const hurt = new Map<Kept, Set<number>>();
      for (const step of ops) {
        const victim = 'which' in step ? kept[step.which % Math.max(1, kept.length)] : undefined;
        if (step.op === 'put') {
          // One byte less than whole units: the last of them is not full.
          kept.push(await setting.put(step.units * unitBytes - 1));
        } else if (step.op === 'away') {
          setting.on(5).failing.set('create', new Error('EIO'));
          kept.push(await setting.put(6 * unitBytes));
          setting.on(5).failing.clear();
          await setting.mend();
        } else if (step.op === 'orphan') {
          const writer = await setting.store.create(code, 3 * unitBytes);
          await writer.append([Buffer.alloc(2 * unitBytes)]);
          await writer.seal();
        } else if (step.op === 'mend') await setting.mend();
        else if (step.op === 'collect') await setting.collect();
        else if (step.op === 'scrub') {
          await setting.scrub();
          hurt.clear();
        } else if (step.op === 'crash') {
          for (const store of setting.stores.values()) store.crash();
          await setting.replica.proposer.propose({ type: 'intent.expire' });
          setting.restart();
        } else if (victim && step.op === 'delete') {
          setting.replica.delete(victim.version);
          kept = kept.filter((one) => one !== victim);
        } else if (victim) {
          const count = setting.replica.groups.find(({ id }) => id === victim.stripe.group)?.devices.length as number;
          const index = 'index' in step ? step.index % count : 0;
          const wounds = hurt.get(victim) ?? new Set();
          hurt.set(victim, wounds.add(index));
          if (wounds.size > code.parity) {
            wounds.delete(index);
            continue;
          }
          const { on, id } = setting.fragment(victim, index);
          const bytes = on.bytesOf(id);
          if (bytes && step.op === 'hurt') on.flip(id, (7 * index) % bytes.length);
          else on.rows.delete(id.toString('hex'));
        }
        for (const { stripe, bytes } of kept) {
          const read = await setting.store.read(stripe, 0, bytes.length);
          assert.ok(read.equals(bytes), 'a version reads right');
        }
        await setting.store.idle();
      }
      await setting.replica.proposer.propose({ type: 'intent.expire' });
      setting.restart();
      await setting.scrub();
      await setting.mend();
      await setting.collect();
      const report = await setting.check();
      assert.deepEqual(report.findings, []);
      const expected = kept.map(({ stripe }) => (stripe.group === 3 ? 3 : 6)).reduce((sum, one) => sum + one, 0);
      assert.equal(setting.held(), expected);
      assert.deepEqual((await setting.scrub()).repaired, 0);
    }),
    { numRuns: 40 },
  );
});
