import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CorruptionError, StoreError } from '../../errors.ts';
import type { IndexProblem } from '../../fragments/index.ts';
import { manualHost } from '../../host/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { limits } from '../../limits.ts';
import type { ObjectVersion } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import { crossCheck, type FindingKind } from '../index.ts';
import { deviceName, drive } from '../memory.fixture.ts';
import { bucket } from '../replica.fixture.ts';
import {
  check,
  firstStripe,
  type Known,
  known,
  put,
  type Setting,
  setUp,
  stripe,
  tornFile,
  upload,
} from './check.fixture.ts';
import { findingKinds } from './findings.ts';

import { stripesOf } from './walk.ts';

/** A store with a bit of everything, and nothing wrong. */
async function sound(nulls = false): Promise<Setting & { readonly a: ObjectVersion; readonly b: ObjectVersion }> {
  const setting = setUp();
  const { replica } = setting;
  replica.nulls = nulls;
  const a = await put(setting, 'a', 3);
  const b = await put(setting, 'b');
  await put(setting, 'b', 2);
  replica.share('copy of a', a);
  replica.share('copy of a', a);
  replica.put('inline', [{ ...replica.piece([]), size: 5, body: { inline: Buffer.alloc(21) } }]);
  replica.put(
    'small pieces',
    [1, 2].map((size) => ({ ...replica.piece([]), size, body: { inline: Buffer.alloc(size) } })),
  );
  replica.put('compressed', [replica.piece([await stripe(setting, 100_000, [40, 50])])]);
  replica.put('frames', [replica.piece([await stripe(setting, limits.frameBytes * 2 + 1)])]);
  await upload(setting, 'growing', 2);
  replica.delete(await put(setting, 'gone', 2));
  await stripe(setting);
  return { ...setting, a, b };
}

test('a sound store has no findings, and everything is counted', async () => {
  const setting = await sound();
  const report = await check(setting);
  assert.deepEqual(report.findings, []);
  assert.deepEqual(report.counts, {});
  assert.deepEqual(report.unchecked, []);
  const { fragmentBytes, stripeBytes, ...totals } = report.totals;
  assert.deepEqual(totals, {
    buckets: 1,
    versions: 9,
    uploads: 1,
    parts: 2,
    stripes: 10,
    fragments: 26,
    unpublished: 2,
    garbageStripes: 2,
  });
  assert.equal(fragmentBytes, 2 * stripeBytes + 2 * 3 * 116);
});

test('checking changes nothing', async () => {
  const setting = await sound();
  for (const store of setting.stores.values())
    for (const step of ['create', 'remove', 'flush'] as const) store.failing.set(step, new Error('changed'));
  setting.replica.refuse = new Error('changed');
  assert.deepEqual((await check(setting)).findings, []);
});

type Plant = (setting: Awaited<ReturnType<typeof sound>> & Known) => string | Promise<string>;

function problem({ on }: Pick<Setting, 'on'>, kind: IndexProblem['kind']): string {
  on(0).problems.push({ kind, where: 'slab 7', what: 'Something is wrong with it.' });
  return `slab 7 on device ${deviceName(0)}`;
}

test('a copy that is known to be damaged is a finding, and none that is good names the object', async () => {
  const setting = await sound();
  const { a } = setting;
  const name = firstStripe(setting, a).id.toString('hex');
  const one = await check({ ...setting, damaged: known(setting, a, [1]) });
  assert.deepEqual(one.counts, { 'fragment-damaged': 1 });
  assert.match(one.findings[0]?.what ?? '', new RegExp(`Copy 1 of stripe ${name} was found damaged.*photos/a version`));
  const both = await check({ ...setting, damaged: known(setting, a, [0, 1]) });
  assert.deepEqual(both.counts, { 'stripe-lost': 1 });
  assert.match(both.findings[0]?.where ?? '', /^photos\/a version/);
});

/** A state of which one row is not what its digest says. */
function rotten(): Known['states'] {
  const kv = memoryKv(manualHost());
  kv.commit([[Buffer.from([7, 1]), Buffer.from('a row')]]);
  return { list: () => [{ kv, directory: 'd/metadata/kv' }] };
}

/** What to break for each kind of finding; answers what `where` must name. */
const planted: Record<FindingKind, Plant> = {
  'metadata-structure': (setting) => {
    setting.files = tornFile('d/metadata/kv');
    return 'd/metadata/kv';
  },
  'index-structure': (setting) => {
    setting.files = tornFile('d/device/index', deviceName(0));
    return 'd/device/index';
  },
  'metadata-rows': (setting) => {
    setting.states = rotten();
    return 'the metadata in d/metadata/kv';
  },
  'inline-damaged': (setting) => {
    setting.states = rotten();
    setting.opensInline = async (_, key) => key.toString() !== 'inline';
    return 'photos/inline version';
  },
  'stripe-lost': ({ on, a, replica }) => {
    const { id } = firstStripe({ replica }, a);
    for (const copy of [0, 1]) on(copy).rows.delete(fragmentId(id, copy).toString('hex'));
    return 'photos/a version';
  },
  'stripe-condemned': (setting) => {
    const { id, group } = firstStripe(setting, setting.b);
    setting.replica.position += 1;
    setting.replica.garbage.push({
      position: setting.replica.position,
      ordinal: 0,
      piece: 0,
      stripes: [{ id, group }],
    });
    return id.toString('hex');
  },
  'stripe-unowned': (setting) => {
    setting.replica.stripeRows.delete(firstStripe(setting, setting.b).id.toString('hex'));
    return 'photos/b version';
  },
  'stripe-unreachable': (setting) => {
    const row = setting.replica.stripeRows.get(firstStripe(setting, setting.a).id.toString('hex'));
    const ghost = Buffer.from(row?.stripe as Buffer);
    ghost.writeUInt32BE(77_777, 11);
    setting.replica.stripeRows.set(ghost.toString('hex'), { ...row, stripe: ghost } as never);
    return ghost.toString('hex');
  },
  'group-undefined': (setting) => {
    (firstStripe(setting, setting.b) as { group: number }).group = 99;
    return 'photos/b version';
  },
  'device-absent': ({ stores }) => {
    stores.delete(deviceName(1));
    return deviceName(1);
  },
  'fragment-missing': (setting) => {
    setting.on(1).rows.delete(fragmentId(firstStripe(setting, setting.a).id, 1).toString('hex'));
    return deviceName(1);
  },
  'fragment-length': (setting) => {
    setting.on(0).forge(firstStripe(setting, setting.a).id, Buffer.alloc(115));
    return deviceName(0);
  },
  'fragment-damaged': (setting) => {
    setting.damaged = known(setting, setting.a, [1]);
    return deviceName(1);
  },
  'fragment-orphan': async (setting) => {
    const id = Buffer.alloc(16, 1);
    const writer = await setting.on(2).create(id, 10, 10);
    await writer.seal();
    return id.toString('hex');
  },
  'fragment-misplaced': async (setting) => {
    const { id } = firstStripe(setting, setting.a);
    const writer = await setting.on(2).create(id, 10, 10);
    await writer.seal();
    return id.toString('hex');
  },
  'index-row': (setting) => {
    const id = fragmentId(firstStripe(setting, setting.a).id, 1);
    setting.on(1).damagedRows.add(id.toString('hex'));
    // Its space is in use, and no row says by what: explained, so no finding of its own.
    setting.on(1).problems.push({ kind: 'row', where: `fragment ${id.toString('hex')}`, what: 'It is damaged.' });
    setting.on(1).problems.push({ kind: 'leak', where: 'slab 0', what: '4096 bytes are in use.', bytes: 4096 });
    return `${id.toString('hex')} on device ${deviceName(1)}`;
  },
  'index-space': (setting) => problem(setting, 'space'),
  'index-overlap': (setting) => problem(setting, 'overlap'),
  'index-unprotected': (setting) => problem(setting, 'unprotected'),
  'index-leak': (setting) => problem(setting, 'leak'),
  'pieces-missing': ({ replica }) => {
    const version = replica.versions.find(({ key }) => key.toString() === 'small pieces')?.record;
    replica.manifests.get(version?.manifest.id.toString('hex') ?? '')?.pop();
    return 'photos/small pieces version';
  },
  'size-mismatch': (setting) => {
    (setting.b as { size: number }).size += 1;
    setting.replica.counts.bytes += 1;
    return 'photos/b version';
  },
  'reference-count': (setting) => {
    setting.replica.referenceRows.set(setting.a.manifest.id.toString('hex'), 2);
    return setting.a.manifest.id.toString('hex');
  },
  'bucket-counts': (setting) => {
    setting.replica.counts.versions += 1;
    return bucket.name;
  },
  'usage-counts': ({ replica }) => replica.miscount(),
};
describe('finds what is planted', () => {
  const kinds = Object.keys(findingKinds) as FindingKind[];
  for (const [kind, nulls] of kinds.flatMap((one) => [[one, false] as const, [one, true] as const])) {
    test(`${kind}${nulls ? ', in a bucket without versions' : ''}`, async () => {
      const setting = await sound(nulls);
      const where = await planted[kind](setting);
      const report = await check(setting);
      // Objects within rows are looked at only where the rows are not good.
      const first = kind === 'inline-damaged' ? { 'metadata-rows': 1 } : {};
      assert.deepEqual(report.counts, { ...first, [kind]: 1 }, JSON.stringify(report.findings, undefined, 1));
      const finding = report.findings.find((one) => one.kind === kind);
      assert.ok(finding?.where.includes(where), finding?.where ?? 'no finding');
      assert.ok((finding?.what.length as number) > 10 && finding?.remedy === findingKinds[kind]);
    });
  }

  test('in the parts of uploads too', async () => {
    const setting = setUp();
    const id = await upload(setting, 'growing', 3);
    const [lost] = (setting.replica.parts.get(id.toString('hex')) ?? [])
      .slice(1)
      .flatMap(({ piece }) => stripesOf(piece));
    for (const copy of [0, 1]) setting.on(copy).rows.delete(fragmentId(lost?.id as Buffer, copy).toString('hex'));
    const report = await check(setting);
    assert.deepEqual(report.counts, { 'stripe-lost': 1 });
    assert.equal(report.findings[0]?.where, `photos/growing part 2 of upload ${id.toString('hex')}`);
  });

  test('links hold their target as long as something holds them', async () => {
    const setting = setUp();
    const { replica } = setting;
    const a = await put(setting, 'a');
    const b = await put(setting, 'b');
    replica.linkRows.push({ manifest: b.manifest.id, target: a.manifest.id, pieces: 1 });
    replica.linkRows.push({ manifest: Buffer.alloc(16, 0xee), target: a.manifest.id, pieces: 1 });
    assert.deepEqual((await check(setting)).counts, { 'reference-count': 1 });
    replica.referenceRows.set(a.manifest.id.toString('hex'), 2);
    assert.deepEqual((await check(setting)).counts, {});
  });
});

test('a stripe whose only good copy has a damaged row is lost, and named with its object', async () => {
  const setting = await sound();
  const { id } = firstStripe(setting, setting.a);
  for (const copy of [0, 1]) setting.on(copy).damagedRows.add(fragmentId(id, copy).toString('hex'));
  const report = await check(setting);
  assert.deepEqual(report.counts, { 'stripe-lost': 1, 'index-row': 2 });
  assert.ok(report.findings.some(({ kind, where }) => kind === 'stripe-lost' && where.includes('photos/a version')));
});

test('an index that is too large for one snapshot is said to be unchecked; other failures end the check', async () => {
  const setting = await sound();
  setting.on(2).auditFails = new StoreError('ServiceUnavailable');
  const { counts, unchecked } = await check(setting);
  assert.deepEqual(counts, {});
  assert.equal(unchecked.length, 1);
  assert.match(unchecked[0] as string, new RegExp(`${deviceName(2)}.*dsom fsck --data`));
  setting.on(2).auditFails = new Error('a broken assumption');
  await assert.rejects(check(setting), /broken assumption/);
});

test('many findings are counted and the list is cut', async () => {
  const setting = setUp();
  const extra = 20;
  for (let i = 0; i < limits.reportedFindings + extra; i++) {
    const id = Buffer.alloc(16);
    id.writeUInt32BE(i + 1, 0);
    setting.on(0).rows.set(id.toString('hex'), { bytes: Buffer.alloc(0), checksums: [], checksumBytes: 1 });
  }
  const report = await check(setting);
  assert.equal(report.findings.length, limits.reportedFindings);
  assert.deepEqual(report.counts, { 'fragment-orphan': limits.reportedFindings + extra });
});

test('a sliced check finds the same as a whole one', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.uniqueArray(fc.nat(19), { maxLength: 4 }),
      async (slice, victims) => {
        const setting = setUp();
        const versions = [];
        for (let i = 0; i < 20; i++) versions.push(await put(setting, `k${String(i).padStart(2, '0')}`));
        for (const victim of victims) {
          const version = versions[victim] as ObjectVersion;
          if (victim % 2) setting.on(0).rows.delete(firstStripe(setting, version).id.toString('hex'));
          else setting.replica.share('shared', version);
          if (victim % 2 === 0) setting.replica.referenceRows.delete(version.manifest.id.toString('hex'));
        }
        const whole = await check(setting);
        const sliced = await check(setting, slice);
        assert.deepEqual(sliced.counts, whole.counts);
        assert.deepEqual(sliced.totals, whole.totals);
        const odd = victims.filter((victim) => victim % 2).length;
        assert.equal(whole.counts['fragment-missing'] ?? 0, odd);
        assert.equal(whole.counts['reference-count'] ?? 0, victims.length - odd);
      },
    ),
    { numRuns: 25 },
  );
});

type Work = 'put' | 'delete' | 'share' | 'collect' | 'move';
/** A holder comes behind the walk that counts again, another goes before it gets there. */
const oneComesAndOneGoes: [Work, number, number][] = [
  ['share', 0, 31],
  ['collect', 0, 2],
  ['share', 7, 24],
  ['share', 7, 3],
  ['delete', 7, 0],
];

test('a store that works meanwhile gives no findings', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom<Work[]>('put', 'delete', 'share', 'collect', 'move'), fc.nat(9), fc.nat(40)), {
        minLength: 10,
        maxLength: 60,
      }),
      async (ops) => {
        const setting = setUp();
        const { host, replica, stores } = setting;
        for (let i = 0; i < 8; i++) await put(setting, `k${i}`, 1 + (i % 3));
        const running = crossCheck({ reader: replica.reader, groups: () => replica.groups, stores, host });
        let over = false;
        void running.report.then(() => {
          over = true;
        });
        for (const [op, which, turns] of ops) {
          const victim = replica.versions[which % Math.max(1, replica.versions.length)]?.record;
          if (op === 'put') await put(setting, `k${which}`, 1 + (which % 2));
          else if (op === 'collect') {
            for (const { stripes } of replica.garbage) {
              for (const { id } of stripes)
                for (const copy of [0, 1]) setting.on(copy).rows.delete(fragmentId(id, copy).toString('hex'));
            }
            const rows = [...replica.garbage];
            await replica.proposer.propose({ type: 'garbage.collected', rows });
          } else if (victim) {
            if (op !== 'delete') replica.share(`s${which}`, victim);
            if (op !== 'share') replica.delete(victim);
          }
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          // The check rests now and then, as it would beside requests.
          host.advance(limits.jobSliceMs);
          if (over) break;
        }
        const report = await drive(host, running.report);
        assert.deepEqual(report.findings, []);
      },
    ),
    { numRuns: 100, examples: [[oneComesAndOneGoes]] },
  );
});

test('a check can be cancelled and shows its progress', async () => {
  const setting = await sound();
  const stop = new AbortController();
  const running = crossCheck({
    reader: setting.replica.reader,
    groups: () => [],
    stores: setting.stores,
    host: setting.host,
    signal: stop.signal,
  });
  assert.equal(running.progress().phase, 'counting stripes');
  stop.abort(new Error('enough'));
  await assert.rejects(drive(setting.host, running.report), /enough/);
  assert.equal(running.progress().phase, 'idle');
});

test('what is found before rows of the metadata that cannot be read is told', async () => {
  const setting = await sound();
  const { replica } = setting;
  replica.reader.listUploads = () => {
    throw new CorruptionError('a row cannot be read');
  };
  await assert.rejects(check(setting), /a row cannot be read/);
  const report = await check({ ...setting, states: rotten() });
  assert.deepEqual(report.counts, { 'metadata-rows': 1 });
  assert.match(report.unchecked.join(), /after damage in the metadata: a row cannot be read/);
});
