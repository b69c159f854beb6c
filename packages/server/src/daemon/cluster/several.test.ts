import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { lookingFor } from '../../host/patience.support.ts';
import { draftOf, inlinePiece } from '../../metadata/rig.support.ts';
import { followSystem } from './buckets.ts';
import { bucketCommand } from './rig.fixture.ts';
import { nodes, Several } from './several.fixture.ts';

/*
 * Three nodes with a system shard and two object shards, each over a log of its own. Answers of logs and of other nodes get lost, owners of shards are
 * cut off, while buckets are made, changed and deleted and objects are put through any node. What was acknowledged must be there, on every node.
 */

const objectShards = 2;

const put = (bucket: number, key: string) => {
  const piece = inlinePiece(key);
  const draft = draftOf(piece.size, piece.md5);
  return {
    type: 'object.put',
    bucket,
    key: Buffer.from(key),
    owner: 'o',
    guard: undefined,
    draft,
    pieces: [piece],
  } as const;
};

const step = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'put', 'delete', 'versioning', 'cut', 'unheard', 'lostCall', 'heal'),
  node: fc.nat(nodes - 1),
  shard: fc.nat(objectShards),
  key: fc.nat(7),
  turns: fc.nat(6),
});

/** What a client may be told: that it does not know, or that the bucket is not there, not empty, or being changed. */
const isRefusal = (error: unknown): boolean =>
  error instanceof StoreError &&
  ['ServiceUnavailable', 'NoSuchBucket', 'BucketNotEmpty', 'ConditionalRequestConflict'].includes(error.code);

describe('several shards on several nodes', () => {
  it('lose nothing that was acknowledged, whatever owner goes and whatever answer is lost', { timeout: 170_000 }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 30 }), async (steps) => {
        const several = new Several(objectShards);
        await several.start();
        const made = await several.run(several.stores[0]!.propose(bucketCommand('bucket')));
        const id = made.reply.type === 'bucket' ? made.reply.bucket.id : 0;
        const acknowledged = new Set<string>();
        let deleted = false;
        let maybeVersioned = false;
        let versioned = false;
        const unversioned = new Set<string>();
        const running: Promise<unknown>[] = [];
        const ask = (work: Promise<unknown>) =>
          running.push(work.catch((error: unknown) => assert.ok(isRefusal(error), String(error))));
        for (const [turn, { kind, node, shard, key, turns }] of steps.entries()) {
          const store = several.stores[node]!;
          const rig = several.rigs[shard]!;
          if (kind === 'put') {
            const name = `k${key}-${turn}`;
            const after = versioned;
            ask(
              store.propose(put(id, name)).then(({ reply }) => {
                acknowledged.add(name);
                if (after && reply.type === 'version' && reply.version.isNull) unversioned.add(name);
              }),
            );
          } else if (kind === 'delete')
            ask(store.propose({ type: 'bucket.delete', name: 'bucket' }).then(() => void (deleted = true)));
          else if (kind === 'versioning') {
            maybeVersioned = true;
            ask(
              store
                .propose({ type: 'bucket.update', name: 'bucket', versioning: 'enabled' })
                .then(() => void (versioned = true)),
            );
          } else if (kind === 'cut') rig.owner?.log.cut();
          else if (kind === 'unheard') rig.appends.push('unheard');
          else if (kind === 'lostCall') rig.calls.push(key % 2 ? 'unheard' : 'lost');
          else several.heal();
          await several.pass(turns);
        }
        several.heal();
        await several.run(Promise.all(running));
        for (const [node, gate] of several.gates.entries()) {
          await several.run(gate.latest());
          const { reader } = several.stores[node]!;
          assert.deepEqual(
            [...unversioned],
            [],
            'a write after the answer of a change of versioning did not keep to it',
          );
          if (deleted) {
            assert.deepEqual([...acknowledged], [], 'a write was acknowledged in a bucket that was deleted');
            assert.equal(reader.bucket('bucket'), undefined);
            continue;
          }
          for (const name of acknowledged)
            assert.equal(reader.version(id, Buffer.from(name), undefined)?.kind, 'object', name);
        }
        // A deletion whose answer was lost may have been made; else what is left half way stands in nobody's way.
        if (!several.stores[0]!.reader.bucket('bucket')) assert.equal(acknowledged.size, 0);
        else {
          await several.run(several.stores[1]!.propose(put(id, 'last')));
          for (const number of [1, 2]) {
            const rig = several.rigs[number]!;
            await rig.until(() => rig.owner !== undefined);
            await several.run(followSystem(number, rig.owner!.shard, several.stores[0]!.reader));
            const system = several.stores[0]!.reader.bucket('bucket')!;
            const here = rig.owner!.shard.reader.bucket('bucket');
            if (here) assert.equal(here.versioning, system.versioning);
          }
          if (!maybeVersioned) assert.equal(several.stores[0]!.reader.bucket('bucket')!.versioning, 'off');
        }
        await several.stop();
      }),
      { numRuns: 60, ...lookingFor(40_000) },
    ),
  );
});
