import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command, GroupRecord } from '../metadata/index.ts';
import type { PlacementDevice } from '../placement/index.ts';
import { Layout } from './layout.ts';

const device = (identity: string, node: string) => ({ identity, node, zone: '', weight: 1, healthy: true });
const devices = ['a', 'b', 'c'].flatMap((node) => [device(`${node}1`, node), device(`${node}2`, node)]);

function layoutOn(here: readonly PlacementDevice[], groups: GroupRecord[] = []) {
  const metadata = {
    reader: { groups: () => groups },
    propose: async (command: Command) => {
      if (command.type === 'group.define') groups.push(...command.groups);
    },
  };
  return {
    groups,
    layout: new Layout(metadata as unknown as ConstructorParameters<typeof Layout>[0], async () => here),
  };
}

test('a code that is asked for the first time gets groups', async () => {
  const { groups, layout } = layoutOn(devices);
  await layout.layOut({ data: 2, parity: 1 });
  assert.ok(groups.length > 0 && groups.every(({ code }) => code?.data === 2 && code.parity === 1));
});

test('a code that the nodes have no place for is refused with what is missing', async () => {
  const { groups, layout } = layoutOn(devices.filter(({ node }) => node !== 'c'));
  await assert.rejects(layout.layOut({ data: 2, parity: 1 }), {
    code: 'UnsupportedRedundancy',
    message: /2 fragments of a stripe on one of 2 nodes.*Add nodes/,
  });
  assert.equal(groups.length, 0);
});

test('a code that the nodes have no place for while one is away is to be asked for again', async () => {
  const { groups, layout } = layoutOn(devices.map((one) => ({ ...one, healthy: one.node !== 'c' })));
  await assert.rejects(layout.layOut({ data: 2, parity: 1 }), {
    code: 'ServiceUnavailable',
    message: /Bring the others back/,
  });
  assert.equal(groups.length, 0);
});

test('a device of a server that is alone and not here now is known by its groups', async () => {
  const alone = ['a', 'b', 'c'].map((identity) => ({ identity, weight: 1, healthy: true }));
  const { groups, layout } = layoutOn(alone);
  await layout.start();
  const { layout: later } = layoutOn(alone.slice(1), groups);
  await assert.rejects(later.layOut({ data: 2, parity: 1 }), {
    code: 'ServiceUnavailable',
    message: /Bring the others back/,
  });
  await assert.rejects(later.layOut({ data: 3, parity: 1 }), { code: 'UnsupportedRedundancy', message: /Add devices/ });
});
