import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../limits.ts';
import type { Policy } from '../metadata/index.ts';
import { audit } from '../metadata/ledger.support.ts';
import { openRecoding } from './recode.fixture.ts';

const MiB = 1024 * 1024;
const code: Policy = { data: 8, parity: 3 };
const bucket = (name: string) => ({ name, owner: 'owner', region: 'r' });

async function setUp(versioning: 'off' | 'enabled' = 'off', devices = 11) {
  const setting = await openRecoding(devices);
  await setting.objects.createBucket({ ...bucket('bbb'), versioning });
  const bytes = (length: number): Buffer => setting.host.entropy.bytes(length);
  return { ...setting, bytes };
}

describe('after the redundancy of a bucket has changed', () => {
  it('every version is kept so, reads the same, and nothing is left over', async () => {
    const setting = await setUp('enabled');
    const objects = new Map<string, Buffer>();
    for (const [key, size] of [
      ['inline', 100],
      ['small', 70_000],
      ['medium', 3 * MiB],
      ['large', 34 * MiB],
    ] as const)
      objects.set(key, setting.bytes(size));
    for (const [key, bytes] of objects) await setting.put('bbb', key, bytes);
    await setting.put('bbb', 'medium', setting.bytes(2 * MiB));
    objects.set('medium', setting.bytes(MiB));
    const older = await setting.put('bbb', 'medium', objects.get('medium') as Buffer);
    assert.deepEqual(setting.kept(setting.version('bbb', 'large')), [{ copies: 2 }]);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    assert.equal(setting.recoder.totals().complete, false);
    await setting.walk();
    assert.deepEqual(setting.errors, []);
    assert.equal(setting.recoder.totals().complete, true);
    for (const [key, bytes] of objects) assert.ok((await setting.get('bbb', key)).equals(bytes), key);
    assert.deepEqual(setting.kept(setting.version('bbb', 'large')), [code]);
    assert.deepEqual(setting.kept(older.version.kind === 'object' ? setting.version('bbb', 'medium') : older.version), [
      code,
    ]);
    assert.deepEqual(setting.kept(setting.version('bbb', 'small')), [code]);
    await setting.settle();
    audit(setting.kv);
    const before = setting.recoder.totals().stripes;
    await setting.walk(2);
    assert.equal(setting.recoder.totals().stripes, before, 'what is done is left alone');
  });

  it('and back to copies again, with the space of one of the two in the end', async () => {
    const setting = await setUp();
    const bytes = setting.bytes(20 * MiB);
    await setting.put('bbb', 'k', bytes);
    const copies = setting.bytesOnDevices();
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    await setting.walk();
    await setting.settle();
    const coded = setting.bytesOnDevices();
    assert.ok(coded < 0.72 * copies, `${coded} of ${copies} bytes`);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 2 } }));
    await setting.walk();
    await setting.settle();
    assert.equal(setting.bytesOnDevices(), copies);
    assert.ok((await setting.get('bbb', 'k')).equals(bytes));
  });

  it('a version has at every moment as many fragments as the weaker of the two asks for', async () => {
    const setting = await setUp();
    const bytes = setting.bytes(9 * MiB);
    await setting.put('bbb', 'k', bytes);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    let looks = 0;
    const check = (): void => {
      looks += 1;
      for (const { id, group } of setting.stripesOf(setting.version('bbb', 'k'))) {
        const there = [...setting.stores.values()].filter(({ rows }) =>
          [...rows.keys()].some((name) => name.startsWith(id.toString('hex', 0, 15))),
        ).length;
        const kept = setting.stripes.redundancyOf(group);
        assert.ok(
          kept && there >= ('copies' in kept ? kept.copies : kept.data + kept.parity - 1),
          `${there} fragments`,
        );
      }
    };
    for (const store of setting.stores.values()) store.before = check;
    await setting.walk();
    await setting.settle();
    assert.ok(looks > 100);
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [code]);
  });

  it('a read that began before goes on with what it found, and a look at cached places finds the new ones', async () => {
    const setting = await setUp();
    const bytes = setting.bytes(34 * MiB);
    await setting.put('bbb', 'k', bytes);
    const found = await setting.reading('bbb', 'k');
    const stream = found.open({ start: 0, end: bytes.length })[Symbol.asyncIterator]();
    const first = await setting.run(stream.next());
    assert.ok(first.value?.equals(bytes.subarray(0, first.value.length)));
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    await setting.walk();
    await setting.run(setting.collector.run());
    assert.ok(setting.reader.garbage(10).length > 0, 'the old stripes wait for the read');
    const rest: Buffer[] = [first.value as Buffer];
    for (let next = await setting.run(stream.next()); !next.done; next = await setting.run(stream.next()))
      rest.push(Buffer.from(next.value));
    assert.ok(Buffer.concat(rest).equals(bytes));
    await setting.settle();
    assert.ok((await setting.get('bbb', 'k')).equals(bytes));
  });

  it('what is replaced or deleted while it moves is left alone, and what was written for it goes', async () => {
    const setting = await setUp();
    await setting.put('bbb', 'k', setting.bytes(10 * MiB));
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    let replaced: Promise<unknown> | undefined;
    const store = [...setting.stores.values()][0];
    assert.ok(store);
    store.before = (step) => {
      if (step !== 'seal' || replaced) return;
      replaced = setting.objects.delete('bbb', 'owner', [
        { key: Buffer.from('k'), versionId: undefined, guard: undefined },
      ]);
    };
    await setting.walk();
    await replaced;
    await setting.settle();
    assert.equal(setting.bytesOnDevices(), 0);
    assert.equal(setting.recoder.totals().stripes, 0);
  });

  it('what is replaced or deleted before its turn comes is not read any more', async () => {
    const setting = await setUp();
    await setting.put('bbb', 'first', setting.bytes(MiB));
    await setting.put('bbb', 'second', setting.bytes(8 * MiB));
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    let deleted: Promise<unknown> | undefined;
    for (const store of setting.stores.values())
      store.before = (step) => {
        if (step !== 'create' || deleted) return;
        deleted = setting.objects.delete('bbb', 'owner', [
          { key: Buffer.from('second'), versionId: undefined, guard: undefined },
        ]);
      };
    const reads = (): number => [...setting.stores.values()].reduce((sum, store) => sum + store.reads, 0);
    const before = reads();
    await setting.walk();
    await deleted;
    assert.ok(reads() - before < 10, 'of the first one only');
    await setting.settle();
    assert.equal(setting.recoder.totals().stripes, 1);
    assert.deepEqual(setting.kept(setting.version('bbb', 'first')), [code]);
  });

  it('a device that fails meanwhile stops nothing, and what could not be moved is moved later', async () => {
    const setting = await setUp();
    const bytes = setting.bytes(10 * MiB);
    await setting.put('bbb', 'k', bytes);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    const [one, other] = [...setting.stores.values()];
    one?.failing.set('seal', new Error('EIO'));
    other?.failing.set('create', new Error('EIO'));
    await setting.walk();
    assert.equal(setting.recoder.totals().complete, false);
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ copies: 2 }]);
    one?.failing.clear();
    other?.failing.clear();
    await setting.walk();
    assert.equal(setting.recoder.totals().complete, true);
    await setting.settle();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [code]);
    assert.ok((await setting.get('bbb', 'k')).equals(bytes));
  });

  it('versions of many pages are all found, and who does not lead any more leaves the rest', async () => {
    const setting = await setUp('enabled');
    const count = limits.jobPage + 20;
    const body = setting.bytes(5000);
    for (let i = 0; i < count; i++) await setting.put('bbb', `k${i % 200}`, body);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 3 } }));
    setting.lead(false);
    await setting.walk();
    assert.deepEqual([setting.recoder.totals().stripes, setting.recoder.totals().complete], [0, false]);
    setting.lead(true);
    await setting.walk();
    assert.deepEqual([setting.recoder.totals().stripes, setting.recoder.totals().complete], [count, true]);
    await setting.settle();
  });

  it('null leaves what is there as it is', async () => {
    const setting = await setUp();
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    await setting.put('bbb', 'k', setting.bytes(MiB));
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: null }));
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [code]);
  });
});

describe('an object’s own redundancy', () => {
  it('wins over its bucket, whatever that becomes', async () => {
    const setting = await setUp();
    await setting.put('bbb', 'k', setting.bytes(MiB), { redundancy: { copies: 3 } });
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: code }));
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ copies: 3 }]);
  });

  it('is changed by a patch, and given up with null', async () => {
    const setting = await setUp();
    const bytes = setting.bytes(MiB);
    await setting.put('bbb', 'k', bytes);
    const patch = (policy: Policy | null) =>
      setting.run(
        setting.objects.patch({
          bucket: 'bbb',
          key: Buffer.from('k'),
          owner: 'owner',
          versionId: undefined,
          guard: undefined,
          policy,
        }),
      );
    await patch({ data: 4, parity: 2 });
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ data: 4, parity: 2 }]);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 3 } }));
    await patch(null);
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ copies: 3 }]);
    assert.ok((await setting.get('bbb', 'k')).equals(bytes));
    await setting.settle();
    await assert.rejects(patch({ data: 30, parity: 8 }), { code: 'UnsupportedRedundancy' });
  });
});

describe('bytes that versions share', () => {
  const copy = (setting: Awaited<ReturnType<typeof setUp>>, to: string, redundancy?: Policy) =>
    setting.run(
      setting.objects.copy({
        source: { bucket: 'bbb', key: Buffer.from('k'), versionId: undefined, guard: undefined },
        bucket: to,
        key: Buffer.from('k'),
        owner: 'owner',
        guard: undefined,
        storageClass: 'STANDARD',
        checksumAlgorithm: undefined,
        ...(redundancy && { redundancy }),
      }),
    );

  for (const size of [MiB, 34 * MiB])
    it(`only become safer, and the work comes to an end: ${size / MiB} MiB`, async () => {
      const setting = await setUp();
      await setting.run(setting.objects.createBucket(bucket('ccc')));
      const bytes = setting.bytes(size);
      await setting.put('bbb', 'k', bytes);
      await copy(setting, 'ccc');
      await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 3 } }));
      await setting.run(setting.objects.updateBucket('ccc', { redundancy: { data: 4, parity: 2 } }));
      await setting.walk(3);
      const { stripes } = setting.recoder.totals();
      await setting.walk(3);
      assert.equal(setting.recoder.totals().stripes, stripes, 'nothing goes back and forth');
      for (const one of ['bbb', 'ccc']) {
        assert.ok((await setting.get(one, 'k')).equals(bytes));
        for (const kept of setting.kept(setting.version(one, 'k')))
          assert.notDeepEqual(kept, { copies: 2 }, 'nothing is kept with less than both ask for');
      }
      await setting.settle();
      audit(setting.kv);
      await setting.run(
        setting.objects.delete('bbb', 'owner', [{ key: Buffer.from('k'), versionId: undefined, guard: undefined }]),
      );
      await setting.walk();
      assert.deepEqual(
        setting.kept(setting.version('ccc', 'k')),
        [{ data: 4, parity: 2 }],
        'alone it is kept as it wants',
      );
      await setting.settle();
    });

  it('of all versions of one object move together, and are shared afterwards', async () => {
    const setting = await setUp('enabled');
    const bytes = setting.bytes(MiB);
    await setting.put('bbb', 'k', bytes);
    for (let i = 0; i < 3; i++) {
      const change = { metadata: { clear: false, set: [['n', String(i)]] as const } };
      const where = { bucket: 'bbb', key: Buffer.from('k'), owner: 'owner', versionId: undefined, guard: undefined };
      await setting.run(setting.objects.patch({ ...where, ...change }));
    }
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 3 } }));
    await setting.walk();
    await setting.settle();
    assert.equal(setting.recoder.totals().stripes, 1);
    assert.equal(setting.bytesOnDevices(), 3 * (MiB + 16 * 16));
    audit(setting.kv);
  });
});
