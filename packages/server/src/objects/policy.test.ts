import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policiesSetting } from './policy.ts';
import { openRecoding } from './recode.fixture.ts';

const KiB = 1024;

async function setUp(devices: number, usual?: number) {
  const setting = await openRecoding(devices, usual);
  await setting.objects.createBucket({ name: 'bbb', owner: 'owner', region: 'r' });
  const put = async (key: string, storageClass: string, size = 100 * KiB) => {
    const bytes = setting.host.entropy.bytes(size);
    await setting.put('bbb', key, bytes, { storageClass });
    assert.ok((await setting.get('bbb', key)).equals(bytes));
    return setting.kept(setting.version('bbb', key));
  };
  const define = (policies: Record<string, unknown>) =>
    setting.metadata.propose({ type: 'setting.write', name: policiesSetting, value: JSON.stringify(policies) });
  return { ...setting, putAs: put, define };
}

describe('a storage class', () => {
  const cold = new Map([
    [11, { data: 8, parity: 3 }],
    [10, { data: 6, parity: 3 }],
    [6, { data: 4, parity: 2 }],
    [5, { data: 3, parity: 2 }],
    [4, { data: 2, parity: 2 }],
    [3, { data: 2, parity: 1 }],
  ]);
  for (const [devices, code] of cold)
    it(`STANDARD_IA is the widest code that ${devices} devices carry: ${code.data}+${code.parity}`, async () => {
      const setting = await setUp(devices);
      assert.deepEqual(await setting.putAs('k', 'STANDARD_IA'), [code]);
      assert.equal(setting.version('bbb', 'k').storageClass, 'STANDARD_IA');
    });

  for (const devices of [1, 2])
    it(`STANDARD_IA is as STANDARD where no code can be: ${devices} devices`, async () => {
      const setting = await setUp(devices);
      assert.deepEqual(await setting.putAs('k', 'STANDARD_IA'), [{ copies: devices }]);
    });

  it('STANDARD_IA survives what the usual copies survive, or is as STANDARD', async () => {
    const three = await setUp(3, 3);
    assert.deepEqual(await three.putAs('k', 'STANDARD_IA'), [{ copies: 3 }]);
    assert.deepEqual(await three.putAs('less', 'REDUCED_REDUNDANCY'), [{ copies: 2 }]);
    assert.deepEqual(await (await setUp(5, 3)).putAs('k', 'STANDARD_IA'), [{ data: 3, parity: 2 }]);
  });

  it('REDUCED_REDUNDANCY is two copies, or one where there is one device', async () => {
    assert.deepEqual(await (await setUp(4)).putAs('k', 'REDUCED_REDUNDANCY'), [{ copies: 2 }]);
    assert.deepEqual(await (await setUp(1)).putAs('k', 'REDUCED_REDUNDANCY'), [{ copies: 1 }]);
  });

  it('is chosen over the bucket, and an object’s own redundancy over it', async () => {
    const setting = await setUp(6);
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 3 } }));
    assert.deepEqual(await setting.putAs('standard', 'STANDARD'), [{ copies: 3 }]);
    assert.deepEqual(await setting.putAs('cold', 'STANDARD_IA'), [{ data: 4, parity: 2 }]);
    await setting.put('bbb', 'own', setting.host.entropy.bytes(100 * KiB), {
      storageClass: 'STANDARD_IA',
      redundancy: { copies: 4 },
    });
    assert.deepEqual(setting.kept(setting.version('bbb', 'own')), [{ copies: 4 }]);
  });

  it('does not keep a small object out of the metadata, as a number of fragments does', async () => {
    const setting = await setUp(6);
    assert.deepEqual(await setting.putAs('k', 'STANDARD_IA', 100), []);
    await setting.put('bbb', 'own', setting.host.entropy.bytes(100), { redundancy: { data: 4, parity: 2 } });
    assert.equal(setting.stripesOf(setting.version('bbb', 'own')).length, 1);
  });

  it('that nobody has defined is refused, and says which there are', async () => {
    const setting = await setUp(3);
    for (const name of ['GLACIER', 'INTELLIGENT_TIERING', 'COOL', 'standard', ''])
      await assert.rejects(setting.putAs('k', name), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'InvalidStorageClass', name);
        assert.match(error.message, /STANDARD, STANDARD_IA, REDUCED_REDUNDANCY/);
        return true;
      });
  });

  it('of the operator’s own is kept as he says, also when he says something else later', async () => {
    const setting = await setUp(6);
    await setting.define({ COOL: { data: 3, parity: 2 } });
    assert.deepEqual(await setting.putAs('k', 'COOL'), [{ data: 3, parity: 2 }]);
    assert.ok(setting.objects.storageClasses().includes('COOL'));
    await setting.define({ COOL: { copies: 3 } });
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ copies: 3 }]);
    await setting.define({});
    await setting.run(setting.objects.updateBucket('bbb', { redundancy: { copies: 2 } }));
    await setting.walk();
    assert.deepEqual(
      setting.kept(setting.version('bbb', 'k')),
      [{ copies: 2 }],
      'as the bucket, when it is taken away',
    );
    await setting.settle();
  });

  it('is changed by a copy of the object onto itself, as S3 clients do, and by a patch', async () => {
    const setting = await setUp(6);
    await setting.putAs('k', 'STANDARD');
    const key = Buffer.from('k');
    await setting.run(
      setting.objects.copy({
        source: { bucket: 'bbb', key, versionId: undefined, guard: undefined },
        bucket: 'bbb',
        key,
        owner: 'owner',
        guard: undefined,
        storageClass: 'STANDARD_IA',
        checksumAlgorithm: undefined,
      }),
    );
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ data: 4, parity: 2 }]);
    const about = { bucket: 'bbb', key, owner: 'owner', versionId: undefined, guard: undefined };
    await setting.run(setting.objects.patch({ ...about, storageClass: 'REDUCED_REDUNDANCY' }));
    await setting.walk();
    assert.deepEqual(setting.kept(setting.version('bbb', 'k')), [{ copies: 2 }]);
    assert.equal(setting.version('bbb', 'k').storageClass, 'REDUCED_REDUNDANCY');
    await assert.rejects(setting.run(setting.objects.patch({ ...about, storageClass: 'NONE' })), {
      code: 'InvalidStorageClass',
    });
    await setting.settle();
  });
});

it('a copy that is to be kept in another way is made also where nothing can be brought to that yet', async () => {
  const setting = await setUp(4);
  await setting.putAs('k', 'STANDARD');
  setting.refuse('setting.write');
  const key = Buffer.from('k');
  const { version } = await setting.run(
    setting.objects.copy({
      source: { bucket: 'bbb', key, versionId: undefined, guard: undefined },
      bucket: 'bbb',
      key: Buffer.from('copy'),
      owner: 'owner',
      guard: undefined,
      storageClass: 'STANDARD_IA',
      checksumAlgorithm: undefined,
    }),
  );
  assert.equal(version.storageClass, 'STANDARD_IA');
});

describe('a hybrid redundancy', () => {
  it('needs a layout for both, and an idle time within bounds', async () => {
    const setting = await setUp(4);
    const change = (afterIdleMs: number, parity: number) =>
      setting.run(
        setting.objects.updateBucket('bbb', {
          redundancy: { hot: { copies: 2 }, cold: { data: 2, parity }, afterIdleMs },
        }),
      );
    await assert.rejects(change(1000, 3), { code: 'UnsupportedRedundancy' });
    await assert.rejects(change(999, 2), { code: 'InvalidArgument' });
    await assert.rejects(change(1e15, 2), { code: 'InvalidArgument' });
    assert.deepEqual((await change(1000, 2)).redundancy, {
      hot: { copies: 2 },
      cold: { data: 2, parity: 2 },
      afterIdleMs: 1000,
    });
  });
});
