import assert from 'node:assert/strict';
import { it } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Rig } from './rig.support.ts';

it('changes of the tags of a bucket that are proposed at the same time are all kept, and stay within bounds', async () => {
  const rig = await Rig.open();
  await rig.bucket('bucket');
  const change = (set: readonly (readonly [string, string | null])[], clear = false) =>
    rig.do({ type: 'bucket.update', name: 'bucket', tagChange: { clear, set } }, 'bucket');
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`);
  await Promise.all(names.map((name) => change([[name, '1']])));
  const tags = () => Object.fromEntries(rig.reader.bucket('bucket')?.tags ?? []);
  assert.deepEqual(Object.keys(tags()).sort(), [...names].sort());
  await Promise.all([change([['t0', null]]), change([['t1', 'new']]), change([['none', null]])]);
  assert.deepEqual([tags()['t0'], tags()['t1'], tags()['t2']], [undefined, 'new', '1']);
  const many = Array.from({ length: limits.bucketTags }, (_, index) => [`m${index}`, ''] as const);
  const tooMany = (error: unknown) => error instanceof StoreError && error.code === 'InvalidTag';
  await assert.rejects(change(many), tooMany);
  await assert.rejects(change([['', 'x']]), tooMany);
  await change(many, true);
  assert.equal(Object.keys(tags()).length, limits.bucketTags);
});
