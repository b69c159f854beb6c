/* What shards together do to a quota, each of which knows of the others what it has heard: over every order in which that may happen. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { until } from '../host/patience.support.ts';
import { limits } from '../limits.ts';
import type { QuotaReader, Usage } from './machine/quotas.ts';
import { NearQuotas, type NearQuotasOptions } from './near-quotas.ts';
import type { Command } from './types.ts';

const account = '000000000000';
const put = { type: 'object.put', bucket: 1, key: Buffer.from('k'), pieces: [{ size: 10 }] } as unknown as Command;

interface ShardOptions {
  readonly host?: ReturnType<typeof manualHost>;
  /** Bytes that there may be. */
  readonly bytes?: number;
  readonly most: number;
  readonly shards?: number;
  readonly elsewhere?: () => number;
  readonly own?: () => number;
  readonly latest?: () => Promise<void>;
}

function near(options: ShardOptions) {
  const { most, shards = 4, elsewhere = () => 0, own = () => 0, latest = async () => {}, bytes } = options;
  const objects = (count: number): Usage => ({ objects: count, bytes: 10 * count });
  const quotas = {
    any: () => true,
    of: (subject) => (subject.kind === 'tenant' ? { objects: most, ...(bytes && { bytes }) } : undefined),
    usage: () => objects(own()),
    writerOf: () => undefined,
  } as Partial<QuotaReader> as QuotaReader;
  const reader = {
    quotas,
    bucketById: (id: number) => ({ id, owner: id === 1 ? account : '000000000001' }),
    version: (_bucket: number, key: Buffer) =>
      key.toString() === 'large' ? { kind: 'object', size: 1000 } : undefined,
  } as unknown as NearQuotasOptions['reader'];
  const others = { quotas, usage: () => objects(elsewhere()) };
  return new NearQuotas({
    reader,
    others,
    shards: () => shards,
    latest,
    timers: (options.host ?? manualHost()).timers,
  });
}

describe('near a quota', () => {
  it('n shards pass it by n - 1 writes at most, and leave nothing of it unused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 9 }),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 25 }),
        async (scheduler, count, most, writes) => {
          const held = Array<number>(count).fill(0);
          /** Of each shard: what it has heard of all. */
          const heard = held.map(() => [...held]);
          const others = (at: number) => heard[at]!.reduce((sum, one, of) => (of === at ? sum : sum + one), 0);
          const shards = held.map((_, at) =>
            near({
              most,
              shards: count + 1,
              own: () => held[at]!,
              elsewhere: () => others(at),
              async latest() {
                await scheduler.schedule(Promise.resolve(), 'asks');
                const there = [...held];
                await scheduler.schedule(Promise.resolve(), 'hears');
                heard[at] = there;
              },
            }),
          );
          const done = writes.map((drawn) => {
            const at = drawn % count;
            return shards[at]!.decide(put, async () => {
              await scheduler.schedule(Promise.resolve(), 'waits');
              if (held[at]! + others(at) >= most) return false;
              await scheduler.schedule(Promise.resolve(), 'appends');
              held[at] = held[at]! + 1;
              return true;
            });
          });
          await scheduler.waitFor(Promise.all(done));
          const total = held.reduce((sum, one) => sum + one, 0);
          assert.ok(total <= most + count - 1, `${total} of ${most} over ${count} shards`);
          assert.ok(total >= Math.min(most, writes.length));
        },
      ),
    );
  });

  it('far from it nothing is asked of anybody, and where there is one shard alone', async () => {
    const asked = () => assert.fail('the others were asked');
    const far = near({ most: 10_000, latest: asked });
    assert.deepEqual(await Promise.all([1, 2, 3].map((value) => far.decide(put, async () => value))), [1, 2, 3]);
    assert.equal(await near({ most: 1, shards: 1, latest: asked }).decide(put, async () => 1), 1);
    const other = { type: 'object.delete', bucket: 1 } as unknown as Command;
    assert.equal(await near({ most: 1, latest: asked }).decide(other, async () => 1), 1);
  });

  it('what is under way counts: many at once are not all far from it', async () => {
    let asked = 0;
    const latest = async () => void asked++;
    const shard = near({ most: limits.quotaNearWrites + 40, shards: 4, latest });
    await Promise.all(Array.from({ length: 30 }, () => shard.decide(put, async () => {})));
    assert.equal(asked, 19, 'of the first eleven there is room for four times as many, and for those that are near');
  });

  it('a look that fails refuses that write alone, and more than may wait are told to come later', async () => {
    let fails = true;
    const shard = near({
      most: 1,
      async latest() {
        if (fails) throw new Error('no quorum');
      },
    });
    await assert.rejects(
      shard.decide(put, async () => 1),
      (error: StoreError) =>
        error.code === 'ServiceUnavailable' && error.retryAfter === 1 && /no quorum/.test(`${error.cause}`),
    );
    fails = false;
    assert.equal(await shard.decide(put, async () => 1), 1);
    const gate = Promise.withResolvers<void>();
    const slow = near({ most: 1, latest: () => gate.promise });
    const waiting = Array.from({ length: limits.quotaNearWaiting }, () => slow.decide(put, async () => 1));
    await assert.rejects(
      slow.decide(put, async () => 1),
      (error: StoreError) => error.code === 'SlowDown',
    );
    const other = slow.decide({ ...put, bucket: 2 } as unknown as Command, async () => 'of another tenant');
    gate.resolve();
    assert.equal(await other, 'of another tenant');
    assert.equal((await Promise.all(waiting)).length, limits.quotaNearWaiting);
  });

  it('who waits for long gives up, with advice, and those behind him keep their places', async () => {
    const host = manualHost();
    const looks: PromiseWithResolvers<void>[] = [];
    const latest = () => {
      const look = Promise.withResolvers<void>();
      looks.push(look);
      return look.promise;
    };
    const shard = near({ most: 1, host, latest });
    const steps: string[] = [];
    const over = Promise.withResolvers<void>();
    const decide = (name: string) =>
      shard.decide(put, async () => {
        steps.push(name);
        if (name === 'first') await over.promise;
      });
    const late = (error: StoreError) => error.code === 'ServiceUnavailable' && error.retryAfter === 1;
    const first = decide('first');
    await until(() => looks.length === 1, 'look 1');
    looks[0]!.resolve();
    await until(() => steps.length === 1, 'the first decision');
    const second = decide('second');
    host.advance(limits.quotaNearMs - 1);
    let refused: unknown;
    const third = decide('third').catch((error: unknown) => (refused = error));
    host.advance(1);
    await assert.rejects(second, late);
    assert.deepEqual([steps, looks.length], [['first'], 1], 'the first is being decided, however long that takes');
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    assert.equal(looks.length, 1, 'the third waits for the first');
    over.resolve();
    await first;
    await until(() => looks.length === 2, 'look 2');
    host.advance(limits.quotaNearMs);
    await until(() => refused !== undefined, 'a refusal of the third');
    assert.ok(late(refused as StoreError));
    const fourth = decide('fourth');
    await until(() => looks.length === 3, 'look 3');
    looks[2]!.resolve();
    await fourth;
    looks[1]!.resolve();
    await third;
    assert.deepEqual(steps, ['first', 'fourth']);
  });

  it('copies count as what they copy, from whatever bucket, and what adds nothing yet waits for nobody', async () => {
    let asked = 0;
    const latest = async () => void asked++;
    const shard = near({ most: 1_000_000, bytes: 500_000, latest });
    const source = { bucket: 2, key: Buffer.from('large'), version: undefined };
    await shard.decide({ type: 'object.share', bucket: 1, source } as unknown as Command, async () => {});
    assert.equal(asked, 1);
    await shard.decide(
      { type: 'object.share', bucket: 1, source: { ...source, key: Buffer.from('small') } } as unknown as Command,
      async () => {},
    );
    await near({ most: 1, latest }).decide(
      { type: 'upload.create', bucket: 1, key: Buffer.from('k') } as unknown as Command,
      async () => {},
    );
    assert.equal(asked, 1);
  });
});
