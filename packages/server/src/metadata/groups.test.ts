import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreError } from '../errors.ts';
import { Rig } from './rig.support.ts';

const refused = (error: StoreError): boolean => error.code === 'InvalidArgument';

test('a group of a code has as many devices as the code has fragments, and keeps its code', async () => {
  const rig = await Rig.open();
  const copies = { id: 2, epoch: 1, devices: ['a', 'b'] };
  const coded = { id: 3, epoch: 1, devices: ['a', 'b', 'c'], code: { data: 2, parity: 1 } };
  await rig.do({ type: 'group.define', groups: [copies] }, 'done');
  for (const wrong of [
    { ...coded, code: { data: 3, parity: 1 } },
    { ...coded, id: 2, epoch: 2 },
  ])
    await assert.rejects(rig.do({ type: 'group.define', groups: [wrong] }, 'done'), refused);
  await rig.do({ type: 'group.define', groups: [coded] }, 'done');
  await rig.do({ type: 'group.define', groups: [coded] }, 'done');
  const { code: _, ...uncoded } = coded;
  for (const changed of [uncoded, { ...coded, code: { data: 1, parity: 2 } }])
    await assert.rejects(rig.do({ type: 'group.define', groups: [{ ...changed, epoch: 2 }] }, 'done'), refused);
  assert.deepEqual(rig.reader.groups(), [copies, coded]);
  const moved = { ...coded, epoch: 2, devices: ['a', 'd', 'c'] };
  await rig.do({ type: 'group.define', groups: [moved] }, 'done');
  assert.deepEqual(rig.reader.groups(), [copies, moved]);
});
