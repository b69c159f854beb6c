/* Whatever is written, copied, patched, appended to and deleted while redundancies change and devices fail: every byte is read, and in the end nothing is left over. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { lookingFor } from '../host/patience.support.ts';
import type { Policy } from '../metadata/index.ts';
import { audit } from '../metadata/ledger.support.ts';
import { openRecoding } from './recode.fixture.ts';
import { bodyOf, plain } from './service.fixture.ts';

const buckets = ['aaa', 'bbb'] as const;
const keys = ['k', 'l', 'm'];
const sizes = [100, 5000, 70_000, 300_000];
const policies: readonly (Policy | null)[] = [
  { copies: 2 },
  { copies: 3 },
  { data: 2, parity: 1 },
  { data: 3, parity: 2 },
  { hot: { copies: 2 }, cold: { data: 2, parity: 2 }, afterIdleMs: 60_000 },
  null,
];
const kinds = [
  'put',
  'put',
  'append',
  'copy',
  'patch',
  'keep',
  'delete',
  'bucket',
  'walk',
  'collect',
  'break',
  'read',
  'wait',
] as const;

const operation = fc.record({
  kind: fc.constantFrom(...kinds),
  bucket: fc.nat(1),
  key: fc.nat(keys.length - 1),
  a: fc.nat(1000),
  b: fc.nat(1000),
});
type Operation = ReturnType<typeof operation.generate>['value'];

class Run {
  readonly setting: Awaited<ReturnType<typeof openRecoding>>;
  /** What each key holds. */
  readonly model = new Map<string, Buffer>();
  /** Walks and collections that go on beside everything else. */
  readonly beside: Promise<unknown>[] = [];

  constructor(setting: Awaited<ReturnType<typeof openRecoding>>) {
    this.setting = setting;
  }

  /** A write that may be refused while devices fail; then nothing has changed. */
  async tried(write: () => Promise<unknown>, done: () => void): Promise<void> {
    try {
      await write();
    } catch (error) {
      assert.ok(error instanceof StoreError && ['ServiceUnavailable', 'NoSuchKey'].includes(error.code), String(error));
      return;
    }
    done();
  }

  async step({ kind, bucket: number, key: index, a, b }: Operation): Promise<void> {
    const { setting, model } = this;
    const { objects, host } = setting;
    const bucket = buckets[number] as string;
    const text = keys[index] as string;
    const key = Buffer.from(text);
    const name = `${bucket}/${text}`;
    const about = { bucket, key, owner: 'owner', versionId: undefined, guard: undefined };
    const policy = policies[b % policies.length] as Policy | null;
    const bytes = host.entropy.bytes(sizes[a % sizes.length] as number);
    const request = { ...plain, ...about, body: bodyOf(bytes), expected: {}, redundancy: undefined };
    switch (kind) {
      case 'put':
        return this.tried(
          () => objects.put({ ...request, redundancy: a % 3 === 0 && policy ? policy : undefined }),
          () => model.set(name, bytes),
        );
      case 'append':
        return this.tried(
          () => objects.append({ ...request, offset: undefined }),
          () => model.set(name, Buffer.concat([model.get(name) ?? Buffer.alloc(0), bytes])),
        );
      case 'copy': {
        const from = { ...about, bucket: buckets[a % 2] as string, key: Buffer.from(keys[b % keys.length] as string) };
        const source = `${from.bucket}/${from.key}`;
        if (source === name) return;
        return this.tried(
          () => objects.copy({ ...about, source: from, storageClass: 'STANDARD', checksumAlgorithm: undefined }),
          () => model.set(name, model.get(source) as Buffer),
        );
      }
      case 'patch':
        return this.tried(
          () => objects.patch({ ...about, metadata: { clear: true, set: [['a', String(a)]] } }),
          () => undefined,
        );
      case 'keep':
        return this.tried(
          () => objects.patch({ ...about, policy }),
          () => undefined,
        );
      case 'delete':
        await objects.delete(bucket, 'owner', [{ key, versionId: undefined, guard: undefined }]);
        model.delete(name);
        return;
      case 'bucket':
        await objects.updateBucket(bucket, { redundancy: policy });
        return;
      case 'walk':
        // Refused by nobody: what fails is tried again by the next one.
        this.beside.push(setting.recoder.run().catch((error) => assert.ok(error instanceof StoreError, String(error))));
        return;
      case 'collect':
        this.beside.push(setting.collector.run());
        return;
      case 'break': {
        const store = [...setting.stores.values()][a % setting.stores.size];
        const step = (['create', 'seal'] as const)[b % 2] as 'create' | 'seal';
        if (store?.failing.has(step)) store.failing.delete(step);
        else if (b % 3 === 0) store?.failing.set(step, new Error('EIO'));
        return;
      }
      case 'read': {
        const expected = model.get(name);
        if (!expected) return;
        assert.ok((await setting.get(bucket, text)).equals(expected), `${name} has other bytes`);
        return;
      }
      case 'wait':
        host.advance(a * 100);
        return;
    }
  }
}

it('every byte is read at any moment, and in the end all is kept as wanted and accounted for', {
  timeout: 280_000,
}, async () => {
  const numRuns = Number(process.env['DSOM_RUNS'] ?? 15);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('off' as const, 'enabled' as const),
      fc.array(operation, { minLength: 40, maxLength: 60, size: 'max' }),
      async (versioning, operations) => {
        const setting = await openRecoding(6);
        const run = new Run(setting);
        for (const name of buckets)
          await setting.objects.createBucket({ name, owner: 'owner', region: 'r', versioning });
        for (const op of operations) await setting.run(run.step(op));
        await setting.run(Promise.all(run.beside));
        for (const store of setting.stores.values()) store.failing.clear();
        for (const [name, bytes] of run.model) {
          const [bucket = '', key = ''] = name.split('/');
          assert.ok((await setting.get(bucket, key)).equals(bytes), `${name} has other bytes`);
        }
        // The reads just now are noted, and then everything is idle.
        await setting.walk();
        await setting.walk(3, 3_600_000);
        assert.equal(setting.recoder.totals().complete, true);
        const { stripes } = setting.recoder.totals();
        await setting.walk(2, 3_600_000);
        assert.equal(setting.recoder.totals().stripes, stripes, 'the work comes to an end');
        setting.host.advance(60_000);
        await setting.settle();
        audit(setting.kv);
        for (const [name, bytes] of run.model) {
          const [bucket = '', key = ''] = name.split('/');
          assert.ok((await setting.get(bucket, key)).equals(bytes), `${name} has other bytes in the end`);
        }
      },
    ),
    { numRuns, ...lookingFor(240_000) },
  );
});
