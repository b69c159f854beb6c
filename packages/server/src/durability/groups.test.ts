import assert from 'node:assert/strict';
import { it } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { GroupTable } from './groups.ts';

const group = (id: number, ...devices: string[]) => ({ id, epoch: 1, devices });
const nodes = () => new Map(['a1', 'a2', 'b1', 'c1'].map((device) => [device, device.charAt(0)]));
const idsOf = (table: GroupTable, copies: number) => table.of({ copies }).map(({ id }) => id);

it('new stripes go to the groups that are spread over the most nodes, and every group is found by its id', () => {
  const list = [group(1, 'a1', 'a2'), group(2, 'a1', 'b1'), group(3, 'a2', 'c1'), group(4, 'a1', 'a2', 'b1')];
  const table = new GroupTable(() => list, manualHost().clock, undefined, nodes);
  assert.deepEqual(idsOf(table, 2), [2, 3]);
  // As wide as three copies get on two nodes.
  assert.deepEqual(idsOf(table, 3), [4]);
  for (const { id } of list) assert.equal(table.byId(id)?.id, id);
  const alone = new GroupTable(() => list, manualHost().clock);
  assert.deepEqual(idsOf(alone, 2), [1, 2, 3]);
});

it('groups that stay the same are spread otherwise when a device is put into another node', () => {
  const host = manualHost();
  const list = [group(1, 'a1', 'a2'), group(2, 'a1', 'b1')];
  const where = nodes();
  const table = new GroupTable(
    () => list,
    host.clock,
    undefined,
    () => where,
  );
  assert.deepEqual(idsOf(table, 2), [2]);
  where.set('a2', 'd');
  host.advance(limits.groupsAgeMs + 1);
  assert.deepEqual(idsOf(table, 2), [1, 2]);
});
