import assert from 'node:assert/strict';
import { it } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { NodeState } from './cluster/network.ts';
import { shareRates } from './rates.ts';

it('limits are shared with the nodes that answer and say that they are asked for there', () => {
  const host = manualHost();
  const heard: (readonly number[])[][] = [];
  const states: (Partial<NodeState> | undefined)[] = [{ limited: [1, 2] }, { limited: [2] }, undefined, {}];
  const network = {
    neighbours: () =>
      states.map((state, at) => ({ id: `n${at}`, peer: {} as never, state: state as NodeState, silentMs: 0 })),
  };
  const end = shareRates({ askedElsewhere: (nodes) => void heard.push([...nodes]) }, network, host.timers);
  host.advance(limits.nodeStateMs);
  states[0] = undefined;
  host.advance(limits.nodeStateMs);
  end();
  host.advance(5 * limits.nodeStateMs);
  assert.deepEqual(heard, [[[1, 2], [2]], [[2]]]);
});
