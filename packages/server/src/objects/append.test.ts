import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { gathered } from './pipeline.fixture.ts';
import { bodyOf, codeOf, openService, plain, type Service } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';
import type { Incoming } from './types.ts';

/*
 * Appends to objects that share their bytes with others: copies, older versions, patches. Each holder of a manifest goes its own way, none
 * of the bytes that are there is written again, and what is appended at the same time is all there, once.
 */

const buckets = ['plain', 'kept'] as const;

async function open(): Promise<Service> {
  const service = await openService();
  for (const name of buckets) {
    const versioning = name === 'kept' ? 'enabled' : 'off';
    await service.objects.createBucket({ name, owner: 'o', region: 'r', versioning });
  }
  return service;
}

const at = (bucket: string, key: string) => ({ bucket, key: Buffer.from(key), versionId: undefined, guard: undefined });

function append(service: Service, bucket: string, key: string, body: Buffer | Incoming, offset?: number) {
  return service.objects.append({
    ...plain,
    ...at(bucket, key),
    owner: 'o',
    body: Buffer.isBuffer(body) ? bodyOf(body) : body,
    expected: {},
    redundancy: undefined,
    offset,
  });
}

const copy = (service: Service, from: readonly [string, string], to: readonly [string, string]) =>
  service.objects.copy({
    source: at(...from),
    ...at(...to),
    owner: 'o',
    storageClass: 'STANDARD',
    metadata: [['copied', 'yes']],
    checksumAlgorithm: undefined,
  });

/** Everything that a client can see of an object. */
async function seen(service: Service, bucket: string, key: string) {
  const reading = await service.objects.read(at(bucket, key));
  const { wrappedKey: _, manifest: __, ...version } = reading.version;
  return { version, bytes: await gathered(reading.open({ start: 0, end: version.size })) };
}

/** Reports all garbage as collected, and removes it, as the collector does. */
async function collect({ metadata, stripes }: Service): Promise<void> {
  const rows = metadata.reader.garbage(100_000);
  if (rows.length === 0) return;
  await stripes.remove(rows.flatMap((row) => row.stripes.map(({ id }) => id)));
  await metadata.propose({ type: 'garbage.collected', rows });
}

const held = ({ stripes }: Service): number => [...stripes.held.values()].reduce((sum, [one]) => sum + one!.length, 0);

for (const [name, first] of [
  ['inline', 100],
  ['of one stripe', 10_000],
  ['of several frames', 3 * limits.frameBytes + 1],
] as const) {
  test(`a copy that is appended to leaves its source as it was, and the other way round: ${name}`, async () => {
    const service = await open();
    const base = noise(first, 1);
    for (const bucket of buckets) await service.put(bucket, 'a', base);
    for (const from of buckets) {
      for (const to of buckets) {
        await copy(service, [from, 'a'], [to, 'b']);
        const [before, bytes] = [await seen(service, from, 'a'), held(service)];
        const [toB, toA] = [noise(5000, 2), noise(6000, 3)];
        await append(service, to, 'b', toB, first);
        assert.deepEqual(await seen(service, from, 'a'), before);
        const copied = await seen(service, to, 'b');
        assert.ok(copied.bytes.equals(Buffer.concat([base, toB])));
        await copy(service, [from, 'a'], [from, 'c']);
        await append(service, from, 'c', toA, first);
        assert.deepEqual(await seen(service, from, 'a'), before);
        assert.deepEqual(await seen(service, to, 'b'), copied);
        assert.ok((await seen(service, from, 'c')).bytes.equals(Buffer.concat([base, toA])));
        assert.equal(held(service) - bytes, 5000 + 6000 + 2 * 16, 'only what was appended is written');
        await service.objects.delete(from, 'o', [at(from, 'c')]);
        await service.objects.delete(to, 'o', [at(to, 'b')]);
        await collect(service);
        assert.deepEqual(await seen(service, from, 'a'), before);
      }
    }
  });
}

test('appends of the same moment are all there, whoever else holds the bytes', async () => {
  const step = fc.record({
    bucket: fc.constantFrom(...buckets),
    key: fc.constantFrom('a', 'b', 'new'),
    size: fc.constantFrom(1, 4096, 5000),
    whole: fc.boolean(),
  });
  const property = fc.asyncProperty(
    fc.constantFrom(0, 100, 9000),
    fc.array(step, { minLength: 2, maxLength: 12 }),
    async (first, steps) => {
      const service = await open();
      const base = noise(first, 1);
      await service.put('plain', 'a', base);
      for (const [bucket, key] of [
        ['plain', 'b'],
        ['kept', 'a'],
        ['kept', 'b'],
      ] as const)
        await copy(service, ['plain', 'a'], [bucket, key]);
      // Bodies in hand are tried again; one that streams may lose to a write that made or replaced the object.
      const added = steps.map(({ bucket, key, size, whole }, index) => ({
        name: `${bucket}/${key}`,
        bytes: noise(size, index + 10),
        done: append(service, bucket, key, bodyOf(noise(size, index + 10), whole || key === 'new')).then(
          () => true,
          (error: StoreError) => assert.fail(`${bucket}/${key}: ${error.code}`),
        ),
      }));
      await Promise.all(added.map(({ done }) => done));
      for (const bucket of buckets) {
        for (const key of ['a', 'b', 'new']) {
          const left = new Set(added.filter(({ name }) => name === `${bucket}/${key}`).map(({ bytes }) => bytes));
          if (key === 'new' && left.size === 0) continue;
          let { bytes: rest } = await seen(service, bucket, key);
          if (key !== 'new') {
            assert.ok(rest.subarray(0, first).equals(base));
            rest = rest.subarray(first);
          }
          while (rest.length > 0) {
            const next = [...left].find((bytes) => rest.subarray(0, bytes.length).equals(bytes));
            assert.ok(next, 'what follows is one of the appended bodies, whole');
            left.delete(next);
            rest = rest.subarray(next.length);
          }
          assert.equal(left.size, 0, 'every body that was acknowledged is there');
        }
      }
    },
  );
  await fc.assert(property, { numRuns: 60 });
});

test('an object whose copies and it are appended to in turn takes appends for a long time', async () => {
  const service = await open();
  await service.put('plain', 'log', noise(5000, 1));
  let expected = noise(5000, 1);
  for (let day = 0; day < 60; day++) {
    await copy(service, ['plain', 'log'], ['plain', 'yesterday']);
    await append(service, 'plain', 'yesterday', Buffer.from('closed'));
    const line = Buffer.from(`day ${day}`);
    await append(service, 'plain', 'log', line, expected.length);
    expected = Buffer.concat([expected, line]);
  }
  assert.ok((await seen(service, 'plain', 'log')).bytes.equals(expected));
  const reading = await service.objects.read(at('plain', 'log'));
  for (let start = 4990; start < expected.length; start += 7) {
    assert.ok((await gathered(reading.open({ start, end: start + 3 }))).equals(expected.subarray(start, start + 3)));
  }
});

test('an append that is refused leaves every holder and the devices as they were', async () => {
  const service = await open();
  await service.put('plain', 'a', noise(9000, 1));
  await copy(service, ['plain', 'a'], ['plain', 'b']);
  await append(service, 'plain', 'a', noise(5000, 2));
  const before = [await seen(service, 'plain', 'a'), await seen(service, 'plain', 'b'), held(service)];
  for (const key of ['a', 'b']) {
    assert.equal(await codeOf(() => append(service, 'plain', key, noise(5000, 3), 7)), 'InvalidWriteOffset');
    async function* breaking() {
      yield noise(5000, 4);
      throw new Error('gone');
    }
    await assert.rejects(append(service, 'plain', key, { stream: breaking(), length: 10_000 }));
  }
  assert.deepEqual([await seen(service, 'plain', 'a'), await seen(service, 'plain', 'b'), held(service)], before);
});
