import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Scope } from '../../api/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { SharedLog } from '../../log/index.ts';
import type { BucketRecord, MetadataReader, ShardReplica } from '../../metadata/index.ts';
import { numberOf } from '../../metadata/index.ts';
import { createGate, freshnessOf, joinGates, newHeard } from './gate.ts';
import { bucketCommand, ClusterRig, type RigNode } from './rig.fixture.ts';

let rig: ClusterRig;
let behind: RigNode;
beforeEach(async () => {
  rig = new ClusterRig();
  await rig.start();
  behind = rig.others[0] as RigNode;
});
afterEach(() => rig.stop());

const write = (name: string) => rig.run((rig.owner as RigNode).shard.propose(bucketCommand(name)));
const sees = (name: string): boolean => behind.shard.reader.bucket(name) !== undefined;

describe('the gate', () => {
  it('at strong waits for all that was answered anywhere before', async () => {
    behind.log.pause();
    const { position } = await write('bucket-a');
    const latest = behind.gate.latest();
    await rig.settle();
    assert.equal(sees('bucket-a'), false);
    behind.log.resume();
    await rig.run(latest);
    assert.ok(behind.replica.applied() >= position && sees('bucket-a'));
  });

  it('at strong says that it cannot, when the log is out of reach', async () => {
    behind.log.cut();
    await write('bucket-b');
    await assert.rejects(rig.run(behind.gate.latest()), { code: 'ServiceUnavailable' });
  });

  it('at causal waits for the position that is named, and for no later one', async () => {
    const { position } = await write('bucket-c');
    await rig.run(behind.gate.reached(position));
    assert.ok(sees('bucket-c'));
    behind.log.cut();
    await write('bucket-d');
    await behind.gate.reached(position);
    assert.equal(sees('bucket-d'), false);
  });

  it('refuses a position that the log has not got to: the token is of another store', async () => {
    const { position } = await write('bucket-e');
    await assert.rejects(
      rig.run(behind.gate.reached(position + 1)),
      (error) => error instanceof StoreError && error.code === 'InvalidToken' && /another store/.test(error.message),
    );
  });
});

describe('a replica that is behind what the gate asks for', () => {
  function lagging() {
    const waiting: (() => void)[] = [];
    let applied = 3;
    const replica = {
      applied: () => applied,
      reached: (_: number, over: AbortSignal) =>
        new Promise<void>((resolve) => {
          over.addEventListener('abort', () => resolve());
          waiting.push(resolve);
        }),
    } as unknown as ShardReplica;
    const log = { barrier: async () => 5 } as unknown as SharedLog;
    const apply = (position: number): void => {
      applied = position;
      for (const go of waiting.splice(0)) go();
    };
    return { gate: createGate(log, replica, rig.host), apply };
  }

  it('answers once it has applied it, and not when the log has it', async () => {
    const { gate, apply } = lagging();
    let answered = false;
    const latest = gate.latest().then(() => (answered = true));
    await rig.settle();
    assert.equal(answered, false);
    apply(5);
    await latest;
  });

  it('refuses after a while, and says how far it is', async () => {
    for (const ask of ['latest', 'reached'] as const) {
      const { gate } = lagging();
      const refused = assert.rejects(gate[ask](5), /applied the log up to 3, and not yet up to 5/);
      await rig.settle();
      rig.host.advance(limits.freshMs);
      await refused;
    }
  });
});

describe('the freshness of a node', () => {
  const freshness = (heard = newHeard()) => ({
    heard,
    shared: freshnessOf(behind.gate, behind.shard.reader, heard, rig.host.clock),
  });

  it('is strong unless the bucket says otherwise', async () => {
    await write('lax');
    await rig.run(
      (rig.owner as RigNode).shard.propose({ type: 'bucket.update', name: 'lax', consistency: 'eventual' }),
    );
    await rig.run(behind.gate.latest());
    const { shared } = freshness();
    assert.equal(shared.levelOf('lax'), 'eventual');
    assert.equal(shared.levelOf('unknown'), 'strong');
  });

  it('asks for more at causal where a bucket got more shards, also when only a shard of the session knows', () => {
    const of = (made: number | undefined, here: number, renamed = false) =>
      freshnessOf(
        behind.gate,
        {
          bucket: () => ({ id: 7 }) as BucketRecord,
          bucketShards: (id, shard = 0) => ({
            id,
            generation: shard === 0 ? 3 : here,
            shards: [1, 2],
            sealedAt: 0,
            ...(made !== undefined && { madeWith: made }),
          }),
          setting: () => undefined,
          features: () => [],
          renames: { into: () => renamed } as unknown as MetadataReader['renames'],
          shards: 3,
        },
        newHeard(),
        rig.host.clock,
      );
    assert.equal(of(undefined, 3).moves({ bucket: 'b' }, [1]), false);
    assert.equal(of(1, 3).moves({ bucket: 'b' }, []), true);
    assert.equal(of(undefined, 4).moves({ bucket: 'b' }, [1]), true);
    assert.equal(of(undefined, 4).moves({ bucket: 'b' }, []), false);
    assert.equal(of(1, 3).moves({ wide: true }, []), false);
    assert.equal(of(undefined, 3, true).moves({ bucket: 'b' }, [1]), true);
  });

  it('is marked as stale once the log was silent for longer than the limit', () => {
    const { heard, shared } = freshness();
    heard[0] = rig.host.clock.now();
    assert.equal(shared.staleMs(), 0);
    rig.host.advance(limits.staleMs);
    assert.equal(shared.staleMs(), 0);
    rig.host.advance(1);
    assert.equal(shared.staleMs(), limits.staleMs + 1);
  });
});

describe('the gates of several shards', () => {
  const gates = (asked: string[], known: () => boolean) =>
    joinGates(
      [0, 1, 2, 3].map((shard) => ({
        latest: async () => void asked.push(`latest ${shard}`),
        reached: async (position) => void asked.push(`reached ${position} of ${shard}`),
      })),
      {
        bucket: () => (known() ? ({ id: 7 } as never) : undefined),
        placesOf: (_bucket, key) => [key[0] as number],
        shardsOf: () => [2, 3],
      },
    );

  for (const [scope, expected] of [
    [{ bucket: 'b', key: Buffer.from([2]) }, ['latest 0', 'latest 2']],
    [{ bucket: 'b' }, ['latest 0', 'latest 2', 'latest 3']],
    [{ bucket: 'b', wide: true }, ['latest 0', 'latest 1', 'latest 2', 'latest 3']],
    [{}, ['latest 0', 'latest 1', 'latest 2', 'latest 3']],
  ] as const)
    it(`are those that have a part in ${JSON.stringify(scope)}`, async () => {
      const asked: string[] = [];
      await gates(asked, () => true).latest(scope);
      assert.deepEqual(asked, expected);
    });

  it('are asked for a bucket that was not known before the system shard was asked', async () => {
    const asked: string[] = [];
    await gates(asked, () => asked.includes('latest 0')).latest({ bucket: 'b', key: Buffer.from([3]) });
    assert.deepEqual(asked, ['latest 0', 'latest 3']);
  });

  it('are asked for positions of their own', async () => {
    const asked: string[] = [];
    await gates(asked, () => true).reached(numberOf(2, 5));
    assert.deepEqual(asked, ['reached 5 of 2']);
  });

  it('knows of a key that is held what became of its rename, also when the other shard has forgotten it', async () => {
    type Answer = 'prepared' | 'done' | undefined;
    const key = Buffer.from('k');
    const look = async (answers: readonly Answer[], scope: Scope): Promise<{ barriers: number; asked: number }> => {
      let [barriers, asked] = [0, 0];
      const calls = { latest: async () => void barriers++, reached: async () => {} };
      const hold = { rename: Buffer.alloc(16), owner: 'o', leaves: false, announce: undefined };
      const reader = {
        ...behind.shard.reader,
        shards: 3,
        bucket: () => ({ id: 7 }) as BucketRecord,
        renames: {
          ...behind.shard.reader.renames,
          any: () => true,
          hold: (_: number, of: Buffer) => (of.equals(key) ? hold : undefined),
          holds: () => [{ ...hold, bucket: 7, key }],
          stateOf: () => answers[asked++],
        },
      } as unknown as MetadataReader;
      await freshnessOf(calls, reader, newHeard(), rig.host.clock).latest(scope);
      return { barriers, asked };
    };
    const bucket = 'b';
    // Of every shard once more, because it is held; and once again where nothing is known of the rename.
    assert.deepEqual(await look(['done'], { bucket, key }), { barriers: 2, asked: 1 });
    assert.deepEqual(await look(['prepared'], { bucket }), { barriers: 2, asked: 1 });
    assert.deepEqual(await look([undefined], { bucket, key }), { barriers: 3, asked: 1 });
    assert.deepEqual(await look([undefined], { wide: true }), { barriers: 3, asked: 1 });
    assert.deepEqual(await look([], { bucket, key: Buffer.from('other') }), { barriers: 1, asked: 0 });
  });
});
