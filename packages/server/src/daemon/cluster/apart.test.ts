import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realHost } from '../../host/index.ts';
import { until } from '../../host/patience.support.ts';
import type { Etcd } from '../../log/index.ts';
import { handOver, keepApart } from './apart.ts';

const host = realHost();

/** Members of etcd as this needs them; member `n` listens at `n`. */
function etcdOf(
  members: readonly { id: bigint; learner?: boolean; silent?: boolean; errors?: string[] }[],
  leader: bigint,
) {
  const moves: [string, bigint][] = [];
  const known: string[] = [];
  const part: Pick<Etcd, 'members' | 'statuses' | 'moveLeader' | 'use'> = {
    members: async () =>
      members.map(({ id, learner = false }) => ({ id, name: `m${id}`, peerUrls: [], clientUrls: [`${id}`], learner })),
    statuses: async () =>
      members
        .filter(({ silent }) => !silent)
        .map(({ id, errors = [] }) => ({
          endpoint: `${id}`,
          member: id,
          version: '3.6.9',
          bytes: 0,
          bytesInUse: 0,
          quota: 0,
          leader,
          errors,
        })),
    moveLeader: async (endpoint, to) => void moves.push([endpoint, to]),
    use: (endpoints) => void known.push(...endpoints),
  };
  return { etcd: part as Etcd, moves, known };
}

test('the lead is handed to a member that votes, answers and is well', async () => {
  const members = [
    { id: 1n },
    { id: 2n, learner: true },
    { id: 3n, silent: true },
    { id: 4n, errors: ['NOSPACE'] },
    { id: 5n },
  ];
  const { etcd, moves } = etcdOf(members, 1n);
  assert.equal(await handOver(etcd, '1'), true);
  assert.deepEqual(moves, [['1', 5n]]);
});

test('nothing is handed over by a member that does not lead, or to nobody', async () => {
  for (const [members, leader] of [
    [[{ id: 1n }, { id: 2n }], 2n],
    [[{ id: 1n }], 1n],
    [[{ id: 1n }, { id: 2n, learner: true }], 1n],
    [[{ id: 1n, silent: true }, { id: 2n }], 1n],
  ] as const) {
    const { etcd, moves } = etcdOf(members, leader);
    assert.equal(await handOver(etcd, '1'), false);
    assert.deepEqual(moves, []);
  }
});

test('a node hands over while it owns the shard only, and learns of the members that there are', async () => {
  const { etcd, moves, known } = etcdOf([{ id: 1n }, { id: 2n }], 1n);
  const apart = keepApart(etcd, host, () => '1', assert.fail);
  try {
    apart.owns(true);
    await until(() => moves.length > 0, 'it is handed over');
    assert.deepEqual([moves, known], [[['1', 2n]], ['1', '2']]);
    apart.owns(false);
    await host.timers.sleep(20);
    assert.equal(moves.length, 1);
  } finally {
    apart.stop();
  }
});
