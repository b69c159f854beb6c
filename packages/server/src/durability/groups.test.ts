import assert from 'node:assert/strict';
import { it } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { GroupTable } from './groups.ts';

const group = (id: number, ...devices: string[]) => ({ id, epoch: 1, devices });
const nodes = (zones: Readonly<Record<string, string>> = {}) =>
  new Map(
    ['a1', 'a2', 'b1', 'c1'].map((device) => {
      const node = device.charAt(0);
      return [device, { node, zone: zones[node] ?? '' }];
    }),
  );
const idsOf = (table: GroupTable, copies: number) => table.of({ copies }).map(({ id }) => id);

it('new stripes go to the groups that are spread over the most nodes, and every group is found by its id', () => {
  const list = [group(1, 'a1', 'a2'), group(2, 'a1', 'b1'), group(3, 'a2', 'c1'), group(4, 'a1', 'a2', 'b1')];
  const table = new GroupTable(
    () => list,
    manualHost().clock,
    undefined,
    () => nodes(),
  );
  assert.deepEqual(idsOf(table, 2), [2, 3]);
  // As wide as three copies get on two nodes.
  assert.deepEqual(idsOf(table, 3), [4]);
  for (const { id } of list) assert.equal(table.byId(id)?.id, id);
  const alone = new GroupTable(() => list, manualHost().clock);
  assert.deepEqual(idsOf(alone, 2), [1, 2, 3]);
});

it('of the groups over two zones and of those within one, new stripes go to the first, however many nodes the others have', () => {
  const list = [group(1, 'a1', 'b1'), group(2, 'a1', 'c1'), group(3, 'a1', 'b1', 'c1'), group(4, 'a1', 'a2', 'c1')];
  const over = (zones: Readonly<Record<string, string>>) =>
    new GroupTable(
      () => list,
      manualHost().clock,
      undefined,
      () => nodes(zones),
    );
  assert.deepEqual(idsOf(over({ a: 'x', b: 'x', c: 'y' }), 2), [2]);
  assert.deepEqual(idsOf(over({ a: 'x', b: 'x', c: 'x' }), 2), [1, 2]);
  // Two in one zone, where there are two zones; then on as many nodes as can be.
  assert.deepEqual(idsOf(over({ a: 'x', b: 'x', c: 'y' }), 3), [3]);
  assert.deepEqual(idsOf(over({ a: 'x', b: 'y', c: 'z' }), 3), [3]);
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
  where.set('a2', { node: 'd', zone: '' });
  host.advance(limits.groupsAgeMs + 1);
  assert.deepEqual(idsOf(table, 2), [1, 2]);
});
