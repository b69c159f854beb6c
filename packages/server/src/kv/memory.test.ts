import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { manualHost } from '../host/index.ts';
import { InvariantError } from '../invariant.ts';
import { memoryKv } from './memory.ts';
import { describeKv, listed, Model, someBatch } from './suite.ts';

describeKv('memory', async (host) => memoryKv(host));

it('memory: a crash takes it back to its newest complete checkpoint', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(someBatch, fc.constantFrom('go on', 'checkpoint', 'crash'))), async (steps) => {
      let kv = memoryKv(manualHost());
      let model = new Model();
      let durable = model.copy();
      for (const [batch, then] of steps) {
        kv.commit(batch);
        model.commit(batch);
        if (then === 'checkpoint') {
          await kv.checkpoint();
          durable = model.copy();
        } else if (then === 'crash') {
          const unfinished = kv.checkpoint();
          const before = kv;
          kv = kv.crash();
          await assert.rejects(unfinished, InvariantError);
          assert.throws(() => listed(before), InvariantError);
          model = durable.copy();
        }
        assert.deepEqual(listed(kv), model.listed());
      }
    }),
    { numRuns: 50 },
  ));
