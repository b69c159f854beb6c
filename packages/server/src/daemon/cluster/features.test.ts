import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualHost, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { type Command, features, type NodeRecord } from '../../metadata/index.ts';
import { featureStatus, keepFeatures } from './features.ts';

const real = realHost();
const settle = () => new Promise<void>((resolve) => real.timers.soon(resolve));

const nodeOf = (id: string, version: string, known: readonly string[], state: NodeRecord['state'] = 'active') => {
  const texts = { id, address: `${id}:1`, apiAddress: `${id}:2`, zone: '', version };
  return { ...texts, roles: ['metadata'], state, features: known, incarnation: Buffer.alloc(8) } satisfies NodeRecord;
};

function rigOf(nodes: NodeRecord[]) {
  const on: string[] = [];
  const events: string[] = [];
  const errors: unknown[] = [];
  const host = manualHost(1);
  const reader = { nodes: () => nodes, features: () => on };
  const refusing = { next: undefined as Error | undefined };
  const metadata = {
    reader,
    async propose(command: Command) {
      const { next } = refusing;
      refusing.next = undefined;
      if (next) throw next;
      assert.equal(command.type, 'feature.enable');
      on.push((command as { feature: string }).feature);
      return { reply: { type: 'done' }, position: 1 } as const;
    },
  };
  const duty = keepFeatures(
    metadata,
    host,
    (feature) => events.push(feature),
    (cause) => errors.push(cause),
  );
  const pass = async () => {
    host.advance(limits.layoutMs);
    for (let turn = 0; turn < 10; turn++) await settle();
  };
  return { on, events, errors, nodes, reader, refusing, pass, duty };
}

describe('the node that leads', () => {
  it('turns features on, in their order, once the last node knows them', async () => {
    const rig = rigOf([nodeOf('a', '2', features), nodeOf('b', '1', []), nodeOf('c', '1', [], 'removed')]);
    await rig.pass();
    assert.deepEqual(rig.on, []);
    assert.deepEqual(
      featureStatus(rig.reader).map(({ name, on, heldBackBy }) => [name, on, heldBackBy]),
      features.map((name) => [name, false, [{ node: 'b', version: '1' }]]),
    );
    rig.nodes[1] = nodeOf('b', '2', features);
    await rig.pass();
    assert.deepEqual(rig.on, [...features]);
    assert.deepEqual(rig.events, [...features]);
    assert.ok(featureStatus(rig.reader).every(({ on, heldBackBy }) => on && heldBackBy.length === 0));
    await rig.pass();
    assert.equal(rig.on.length, features.length);
    await rig.duty.stop();
  });

  it('leaves alone what it does not know itself, and what nobody has said anything of', async () => {
    const rig = rigOf([]);
    await rig.pass();
    assert.deepEqual(rig.on, []);
    const later = [...features, 'of a later version'];
    rig.nodes.push(nodeOf('a', '2', later), nodeOf('b', '3', later));
    await rig.pass();
    assert.deepEqual(rig.on, [...features]);
    const last = featureStatus(rig.reader).at(-1);
    assert.deepEqual(last, { name: 'of a later version', on: false, known: false, heldBackBy: [] });
    await rig.duty.stop();
  });

  it('tries again what was refused', async () => {
    const rig = rigOf([nodeOf('a', '2', features)]);
    rig.refusing.next = new Error('no');
    // The first look was made before.
    await rig.pass();
    await rig.pass();
    assert.deepEqual(rig.on, [...features]);
    await rig.duty.stop();
  });
});
