import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { InvariantError } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { Kv, KvChange, KvRange, KvReader } from './types.ts';

type ManualHost = ReturnType<typeof manualHost>;

/** Makes an empty KV; it is called once for each case and closed by the suite. */
export type MakeKv = (host: ManualHost) => Promise<Kv>;

export const everything: KvRange = { start: Buffer.alloc(0), end: Buffer.alloc(limits.kvKeyBytes, 0xff) };

/** Rows as text, for comparisons. */
export function listed(reader: KvReader, range: KvRange = everything): string[] {
  return Array.from(reader.range(range), ({ key, value }) => `${key.toString('hex')}=${value.toString('hex')}`);
}

/** What a KV is, said in the plainest way. */
export class Model {
  readonly #rows: Map<string, string>;

  constructor(rows: Map<string, string> = new Map()) {
    this.#rows = rows;
  }

  copy(): Model {
    return new Model(new Map(this.#rows));
  }

  commit(changes: Iterable<KvChange>): void {
    for (const [key, value] of changes) {
      if (value === undefined) this.#rows.delete(key.toString('hex'));
      else this.#rows.set(key.toString('hex'), Buffer.from(value).toString('hex'));
    }
  }

  get(key: Buffer): string | undefined {
    return this.#rows.get(key.toString('hex'));
  }

  listed(range: KvRange = everything): string[] {
    const start = Buffer.from(range.start).toString('hex');
    const end = Buffer.from(range.end).toString('hex');
    const keys = [...this.#rows.keys()].filter((key) => key >= start && key < end).sort();
    if (range.reverse) keys.reverse();
    return keys.slice(0, range.limit ?? keys.length).map((key) => `${key}=${this.#rows.get(key)}`);
  }
}

const bytes = fc.uint8Array({ maxLength: 3 }).map((part) => Buffer.from(part));
/** Few different ones, so that they meet; some with long common heads, some as long as they may be. */
const someKey = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2, max: 3 }).map((part) => Buffer.from(part)),
  fc.constantFrom(0, 254).map((byte) => Buffer.alloc(limits.kvKeyBytes, byte)),
  bytes.map((part) => Buffer.concat([Buffer.alloc(40, 2), part])),
);
const someValue = fc.oneof(
  { weight: 4, arbitrary: bytes },
  fc.constantFrom(0, 1, 1400, 4000, 5000, 40_000).map((length) => Buffer.alloc(length, length)),
);
export const someBatch: fc.Arbitrary<KvChange[]> = fc.array(
  fc.tuple(someKey, fc.option(someValue, { nil: undefined, freq: 3 })),
  { maxLength: 40 },
);
const someRange: fc.Arbitrary<KvRange> = fc
  .record({
    start: fc.oneof(bytes, someKey),
    end: fc.oneof(bytes, someKey, fc.constant(everything.end)),
    reverse: fc.boolean(),
    limit: fc.option(fc.nat({ max: 12 }), { nil: -1 }),
  })
  .map(({ limit, ...range }) => (limit < 0 ? range : { ...range, limit }));

const row = (key: string, value?: string): KvChange => [
  Buffer.from(key),
  value === undefined ? undefined : Buffer.from(value),
];

/** What every KV does. */
export function describeKv(product: string, make: MakeKv): void {
  const withKv = async (run: (kv: Kv, host: ManualHost) => unknown): Promise<void> => {
    const host = manualHost();
    const kv = await make(host);
    try {
      await run(kv, host);
    } finally {
      await kv.close();
    }
  };

  describe(`kv: ${product}`, () => {
    it('is a sorted map under any batches and ranges', () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(someBatch, fc.array(someRange, { maxLength: 4 }), fc.array(someKey, { maxLength: 4 })), {
            maxLength: 12,
          }),
          (steps) =>
            withKv((kv) => {
              const model = new Model();
              for (const [batch, ranges, keys] of steps) {
                kv.commit(batch);
                model.commit(batch);
                for (const range of ranges) assert.deepEqual(listed(kv, range), model.listed(range));
                for (const key of keys) assert.equal(kv.get(key)?.toString('hex'), model.get(key));
              }
              assert.deepEqual(listed(kv), model.listed());
              assert.equal(kv.statistics().rows, model.listed().length);
            }),
        ),
        { numRuns: 30 },
      ));

    it('gives a snapshot that no later commit changes', () =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(someBatch, fc.boolean()), { maxLength: 10 }), (steps) =>
          withKv(async (kv) => {
            const model = new Model();
            const held: [ReturnType<Kv['snapshot']>, Model][] = [];
            for (const [batch, hold] of steps) {
              kv.commit(batch);
              model.commit(batch);
              if (hold) held.push([kv.snapshot(), model.copy()]);
              else held.shift()?.[0].release();
              await Promise.resolve();
              for (const [snapshot, then] of held) assert.deepEqual(listed(snapshot), then.listed());
              assert.deepEqual(listed(kv), model.listed());
            }
            for (const [snapshot] of held) snapshot.release();
          }),
        ),
        { numRuns: 20 },
      ));

    it('tells of every commit, by the first byte of what it changed, before anybody can read what the one after it changed', () =>
      withKv((kv) => {
        const [a, b, c] = [0x61, 0x62, 0x63];
        const seen = new Set<number | undefined>();
        for (let i = 0; i < 20; i++) {
          const [others, same] = [kv.changeCount(b), kv.changeCount(c)];
          kv.commit([row('a', String(i)), row('bb', i % 2 ? '' : undefined), row('a/')]);
          const count = kv.changeCount(a);
          assert.ok(count !== undefined && !seen.has(count), 'a number that was not there before');
          seen.add(count);
          assert.notEqual(kv.changeCount(b), others, 'a row that is taken away counts as well');
          assert.equal(kv.changeCount(c), same, 'nothing of these');
          kv.get(Buffer.from('a'));
          assert.equal(kv.changeCount(a), count, 'reads do not move it');
          assert.throws(() => kv.commit([row('c', '1'), row('', '1')]), InvariantError);
          assert.notEqual(kv.changeCount(c), undefined, 'nothing is under way');
        }
      }));

    it('commits all changes or none', () =>
      withKv((kv) => {
        kv.commit([row('a', '1')]);
        const broken = function* (): Generator<KvChange> {
          yield row('a', '2');
          yield row('b', '2');
          throw new Error('half way');
        };
        assert.throws(() => kv.commit(broken()), /half way/);
        assert.throws(() => kv.commit([row('c', '3'), row('', '3')]), InvariantError);
        assert.deepEqual(listed(kv), ['61=31']);
        kv.commit([row('a', '3'), row('a'), row('a', '4')]);
        assert.equal(kv.get(Buffer.from('a'))?.toString(), '4');
      }));

    it('gives copies: what is read or committed can be written over', () =>
      withKv((kv) => {
        const value = Buffer.from('value');
        const key = Buffer.from('key');
        kv.commit([[key, value]]);
        value.fill(0);
        key.fill(0);
        kv.get(Buffer.from('key'))?.fill(0);
        for (const found of kv.range(everything)) {
          found.key.fill(0);
          found.value.fill(0);
        }
        assert.deepEqual(listed(kv), [`${Buffer.from('key').toString('hex')}=${Buffer.from('value').toString('hex')}`]);
        const [first, second] = [kv.get(Buffer.from('key')), kv.get(Buffer.from('key'))];
        first?.fill(0);
        assert.equal(second?.toString(), 'value');
      }));

    it('reads and commits while a range is being walked', () =>
      withKv((kv) => {
        kv.commit(Array.from({ length: 300 }, (_, i) => row(String(i).padStart(3, '0'), 'x'.repeat(i))));
        let seen = 0;
        for (const { key, value } of kv.range(everything)) {
          assert.equal(value.length, seen);
          assert.equal(kv.get(key)?.length, seen);
          kv.commit([[key, undefined], row(`z${seen}`, 'new')]);
          seen++;
        }
        assert.equal(seen, 300);
        assert.equal(Array.from(kv.range({ start: Buffer.from('z'), end: Buffer.from('zz') })).length, 300);
        for (const { key } of kv.range(everything)) {
          assert.equal(key.toString(), 'z0');
          break;
        }
      }));

    it('holds a snapshot no longer than its age', () =>
      withKv((kv, host) => {
        kv.commit([row('a', '1'), row('b', '2')]);
        const old = kv.snapshot();
        const rows = old.range(everything)[Symbol.iterator]();
        assert.equal(rows.next().value?.key.toString(), 'a');
        host.advance(limits.snapshotAgeMs - 1);
        assert.equal(old.get(Buffer.from('a'))?.toString(), '1');
        const young = kv.snapshot();
        host.advance(1);
        const late = (error: unknown): boolean => error instanceof StoreError && error.code === 'ServiceUnavailable';
        assert.throws(() => old.get(Buffer.from('a')), late);
        assert.throws(() => rows.next(), late);
        assert.throws(() => listed(old), late);
        assert.equal(young.get(Buffer.from('a'))?.toString(), '1');
        old.release();
        young.release();
        young.release();
        assert.throws(() => young.get(Buffer.from('a')), InvariantError);
        assert.throws(() => listed(young), InvariantError);
      }));

    it('bounds the snapshots held', () =>
      withKv((kv) => {
        const held = Array.from({ length: limits.snapshots }, () => kv.snapshot());
        assert.throws(
          () => kv.snapshot(),
          (error) => error instanceof StoreError && error.code === 'SlowDown',
        );
        held[7]?.release();
        held.push(kv.snapshot());
        for (const snapshot of held) snapshot.release();
      }));

    it('counts what the next checkpoint has to flush', () =>
      withKv(async (kv) => {
        await kv.checkpoint();
        assert.equal(kv.statistics().pendingBytes, 0);
        kv.commit([row('a', 'x'.repeat(10_000))]);
        const first = kv.statistics().pendingBytes;
        assert.ok(first >= 10_000);
        const done = kv.checkpoint();
        kv.commit([row('b', 'x'.repeat(30_000))]);
        await done;
        const second = kv.statistics().pendingBytes;
        assert.ok(second >= 30_000 && second < first + 40_000);
        await Promise.all([kv.checkpoint(), kv.checkpoint(), kv.checkpoint()]);
        assert.equal(kv.statistics().pendingBytes, 0);
      }));

    it('refuses keys that are empty or too long, and every use after close', async () => {
      const kv = await make(manualHost());
      for (const key of [Buffer.alloc(0), Buffer.alloc(limits.kvKeyBytes + 1)]) {
        assert.throws(() => kv.get(key), InvariantError);
        assert.throws(() => kv.commit([[key, Buffer.alloc(1)]]), InvariantError);
      }
      assert.throws(() => kv.range({ ...everything, end: Buffer.alloc(limits.kvKeyBytes + 1) }), InvariantError);
      const snapshot = kv.snapshot();
      await kv.close();
      await kv.close();
      assert.throws(() => kv.get(Buffer.from('a')), InvariantError);
      assert.throws(() => listed(kv), InvariantError);
      assert.throws(() => kv.snapshot(), InvariantError);
      assert.throws(() => snapshot.get(Buffer.from('a')), InvariantError);
      assert.throws(() => kv.commit([]), InvariantError);
      await assert.rejects(kv.checkpoint(), InvariantError);
      assert.throws(() => kv.statistics(), InvariantError);
    });
  });
}
