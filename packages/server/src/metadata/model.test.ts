import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { lookingFor } from '../host/patience.support.ts';
import { memoryKv } from '../kv/index.ts';
import { Comparison } from './compare.support.ts';
import { type Run, startRun } from './driven.support.ts';
import { audit } from './ledger.support.ts';
import { Replica } from './replica.ts';
import { inlinePiece, type Rig } from './rig.support.ts';
import { hex, type Operation, scenario } from './scenarios.support.ts';
import { restoreSnapshot } from './snapshot.ts';

function check(run: Run, op: Operation): void {
  const comparison = new Comparison(run.rig.reader);
  for (const [index, bucket] of run.model.entries()) comparison.checkBucket(bucket, run.ids[index]!, index, op);
  audit(run.rig.kv);
}

describe('the state', () => {
  const checked = (made: ReturnType<typeof scenario>, numRuns: number) =>
    fc.assert(
      fc.asyncProperty(made, async ({ versioning, operations }) => {
        const run = await startRun(versioning);
        for (const [at, op] of operations.entries()) {
          await run.step(op);
          if (at % 8 === 7) check(run, op);
        }
        check(run, operations[0]!);
      }),
      { numRuns, ...lookingFor(40_000) },
    );

  it('is that of a plain model, with every byte accounted for, through crashes', { timeout: 240_000 }, () =>
    checked(scenario(60), 120),
  );

  it('accounts for bytes that versions share', { timeout: 240_000 }, () =>
    checked(
      scenario(
        60,
        ['appendTwice', 'deleteNewest', 'deleteNewest', 'deleteVersion', 'copy', 'collect', 'checkpoint'],
        5,
      ),
      100,
    ),
  );

  it('accounts for bytes that are kept in another way', { timeout: 240_000 }, () =>
    checked(
      scenario(
        60,
        ['recode', 'recode', 'appendTwice', 'annotate', 'deleteNewest', 'deleteVersion', 'copy', 'collect'],
        6,
      ),
      150,
    ),
  );

  it('accounts for the parts of uploads', { timeout: 240_000 }, () =>
    checked(
      scenario(60, ['part', 'part', 'partTwice', 'complete', 'complete', 'abort', 'collect', 'deleteNewest'], 6),
      60,
    ),
  );

  it('accounts for the bytes that parts borrow', { timeout: 240_000 }, () =>
    checked(
      scenario(
        60,
        [
          'borrow',
          'borrow',
          'putLarge',
          'complete',
          'complete',
          'appendTwice',
          'abort',
          'collect',
          'deleteNewest',
          'deleteVersion',
          'copy',
          'recode',
        ],
        8,
      ),
      120,
    ),
  );

  it('is the same however it is reached: replayed whole, from a checkpoint, from a snapshot and the rest of the log', {
    timeout: 240_000,
  }, async () => {
    const property = fc.asyncProperty(scenario(40), async ({ versioning, operations }) => {
      const run = await startRun(versioning);
      // Keep the whole log.
      run.rig.log.trim = async () => {};
      for (const op of operations) await run.step(op);
      const digest = hex(run.rig.metadata.digest());
      const replayed = memoryKv(manualHost());
      const replica = new Replica(replayed);
      await replica.replay(run.rig.log);
      assert.equal(hex(replica.applied.digest), digest);
      assert.deepEqual(dump(replayed), dump(run.rig.kv));
      if (!run.snapshot) return;
      const restored = memoryKv(manualHost());
      await restoreSnapshot(restored, run.snapshot);
      const other = new Replica(restored);
      await other.replay(run.rig.log);
      assert.equal(hex(other.applied.digest), digest);
      assert.deepEqual(dump(restored), dump(run.rig.kv));
    });
    await fc.assert(property, { numRuns: 60, ...lookingFor(40_000) });
  });

  it('holds an entry whose sync outlived the process, once', async () => {
    const run = await startRun();
    await run.rig.put(run.ids[0]!, 'before', inlinePiece('1'));
    await run.rig.metadata.checkpoint();
    run.rig.log.losing = new Error('the power went');
    const lost = run.rig.put(run.ids[0]!, 'lost', inlinePiece('2'));
    await assert.rejects(lost, (error: StoreError) => error.code === 'ServiceUnavailable');
    assert.ok(run.rig.metadata.failure());
    assert.equal(run.rig.reader.version(run.ids[0]!, Buffer.from('lost'), undefined), undefined);
    await run.rig.crash();
    assert.equal(run.rig.reader.version(run.ids[0]!, Buffer.from('lost'), undefined)?.kind, 'object');
    assert.equal(run.rig.reader.bucket('one')!.counts.objects, 2);
    await run.rig.crash();
    assert.equal(run.rig.reader.bucket('one')!.counts.objects, 2);
  });
});

function dump(kv: { range: Rig['kv']['range'] }): string[] {
  const rows = kv.range({ start: Buffer.from([0]), end: Buffer.from([0xff]) });
  return Array.from(rows, ({ key, value }) => `${hex(key)} ${hex(value)}`);
}
