import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Rig } from './rig.support.ts';

test('the number of buckets has a limit, and a deleted one makes room', async () => {
  const rig = await Rig.open();
  const made: Promise<number>[] = [];
  for (let i = 0; i < limits.buckets; i++) {
    made.push(rig.bucket(`bucket-${i}`));
    if (made.length === 1000) await Promise.all(made.splice(0));
  }
  const full = (cause: unknown) => cause instanceof StoreError && cause.code === 'TooManyBuckets';
  await assert.rejects(rig.bucket('one-more'), full);
  await rig.metadata.propose({ type: 'bucket.delete', name: 'bucket-0' });
  await rig.bucket('one-more');
  await assert.rejects(rig.bucket('and-one-more'), full);
});
