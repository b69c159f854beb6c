import assert from 'node:assert/strict';
import { it } from 'node:test';
import { membersWanted, nextMembers } from './turns.ts';

it('five members of etcd are wanted where five nodes could run one, else three', () => {
  assert.deepEqual([membersWanted(4), membersWanted(5), membersWanted(9)], [3, 5, 5]);
});

it('members of etcd come in as many zones as can be', () => {
  const sites = ['a', 'a', 'a', 'b', 'b', 'c'].map((zone, at) => ({ id: `${at}`, zone, able: true }));
  const turns = (present: readonly string[], room: number, all = sites) =>
    nextMembers(all, (id) => present.includes(id), room).join('');
  assert.equal(turns(['0', '1', '2'], 2), '35', 'one in each of the other zones');
  assert.equal(turns(['0', '3', '5'], 2), '14');
  assert.equal(turns([], 5), '03514');
  // Who does not answer has no turn, and its member counts all the same.
  const away = sites.map((one) => (one.id === '5' ? { ...one, able: false } : one));
  assert.deepEqual([turns(['5'], 1, away), turns(['0', '3'], 2, away)], ['0', '14']);
  assert.equal(turns(['0', '1', '3', '4', '5'], 0), '');
});
