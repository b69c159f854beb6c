/* What versions say of their replication: only what is so, over everything that makes a version of another one, and nothing until every node can read it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../host/patience.support.ts';
import { Cluster } from './cluster.support.ts';
import { features } from './machine/features.ts';
import type { NodeRecord, ObjectVersion } from './machine/records.ts';
import { noteOf, type ReplicationOutcome, replicatedTo, replicationStatus } from './machine/replicated.ts';
import { draftOf, inlinePiece, Rig } from './rig.support.ts';
import type { Announcement, Command, Proposer } from './types.ts';

const key = Buffer.from('k');
const piece = inlinePiece('bytes');
const texts = ['requestId', 'hostId', 'principal', 'address', 'reason', 'bucketName', 'bucketOwner', 'region'] as const;
const origin = Object.fromEntries(texts.map((name) => [name, ''])) as unknown as Announcement['origin'];
const announcing = (replication: Announcement['replication']): Announcement => ({
  origin,
  destinations: [],
  ...(replication && { replication }),
});
const put = (bucket: number, replication: Announcement['replication'], name = key): Command => {
  const draft = draftOf(piece.size, piece.md5);
  const about = { bucket, key: name, owner: 'o', guard: undefined, draft, pieces: [piece] };
  return { type: 'object.put', ...about, announce: announcing(replication) };
};
const done = (
  bucket: number,
  { sequence, nonce }: ObjectVersion,
  place: string,
  outcome: ReplicationOutcome,
  name = key,
): Command => ({ type: 'object.replicated', bucket, key: name, version: { sequence, nonce }, place, outcome });

async function making(metadata: Proposer, command: Command): Promise<ObjectVersion> {
  const { reply } = await metadata.propose(command);
  assert.ok(reply.type === 'version');
  return reply.version;
}

describe('what a version says of its replication', () => {
  it('is COMPLETED when every place has it, FAILED when one has refused it, and a place that has it keeps it', () => {
    const status = (...given: readonly (readonly [string, ReplicationOutcome])[]) => {
      let note = noteOf(['a', 'b']);
      for (const [place, outcome] of given) note = replicatedTo(note, place, outcome);
      return replicationStatus(note);
    };
    assert.equal(status(), 'PENDING');
    assert.equal(status(['a', 'completed']), 'PENDING');
    assert.equal(status(['a', 'completed'], ['b', 'completed']), 'COMPLETED');
    assert.equal(status(['a', 'failed'], ['b', 'completed']), 'FAILED');
    assert.equal(status(['a', 'failed'], ['b', 'completed'], ['a', 'completed']), 'COMPLETED');
    assert.equal(status(['a', 'completed'], ['b', 'completed'], ['a', 'failed'], ['b', 'left']), 'COMPLETED');
    assert.equal(status(['a', 'left']), 'PENDING');
    assert.equal(status(['a', 'left'], ['b', 'completed']), 'COMPLETED');
    assert.equal(status(['a', 'left'], ['b', 'left']), undefined);
    // What was there before its rules, and came there by a comparison.
    assert.equal(replicationStatus(replicatedTo(undefined, 'a', 'completed')), 'COMPLETED');
    assert.equal(replicatedTo(undefined, 'a', 'left'), undefined);
    assert.equal(replicationStatus(replicatedTo(noteOf('replica'), 'a', 'completed')), 'REPLICA');
    assert.equal(noteOf([]), undefined);
  });

  it('is of that version alone, and goes to nothing that is made of it', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const status = (name = key, of?: ObjectVersion) => {
      const found = rig.reader.version(bucket, name, of && { sequence: of.sequence, nonce: of.nonce });
      return found?.kind === 'object' ? replicationStatus(found.replication) : 'gone';
    };
    const first = await making(rig.metadata, put(bucket, ['a']));
    assert.equal(status(), 'PENDING');
    await rig.metadata.propose(done(bucket, first, 'a', 'completed'));
    assert.equal(status(), 'COMPLETED');
    // What changes a version in its place leaves it.
    const tags = { clear: true, set: [['t', 'v']] } as const;
    const where = { bucket, key, version: undefined, guard: undefined };
    await rig.metadata.propose({ type: 'object.annotate', ...where, change: { tags } });
    assert.equal(status(), 'COMPLETED');
    // What makes another version of it does not.
    await rig.metadata.propose({
      type: 'object.annotate',
      ...where,
      renew: 'o',
      change: { tags: { clear: true, set: [] } },
    });
    assert.equal(status(), undefined);
    assert.equal(status(key, first), 'COMPLETED');
    const append = inlinePiece('more');
    const draft = draftOf(append.size, append.md5, { wrappedKey: first.wrappedKey });
    const about = { bucket, owner: 'o', guard: undefined };
    await rig.metadata.propose({ type: 'object.append', ...about, key, offset: undefined, piece: append, draft });
    assert.equal(status(), undefined);
    const source = {
      bucket,
      key,
      version: { sequence: first.sequence, nonce: first.nonce },
      manifest: first.manifest.id,
    };
    const copy = Buffer.from('copy');
    const shared = draftOf(first.size, first.etag, { wrappedKey: first.wrappedKey });
    await rig.metadata.propose({ type: 'object.share', ...about, key: copy, draft: shared, source });
    assert.equal(status(copy), undefined);
    // What is announced of the new one counts for the new one.
    await rig.metadata.propose({
      type: 'object.share',
      ...about,
      key: copy,
      draft: shared,
      source,
      announce: announcing('replica'),
    });
    assert.equal(status(copy), 'REPLICA');
    await rig.crash();
    assert.deepEqual([status(key, first), status(copy)], ['COMPLETED', 'REPLICA']);
  });

  it('of what is gone is nothing, and no error', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const version = await making(rig.metadata, put(bucket, ['a']));
    const head = rig.log.head;
    await rig.metadata.propose(done(bucket, { ...version, nonce: Buffer.alloc(8, 9) }, 'a', 'completed'));
    await rig.metadata.propose(done(bucket, version, 'a', 'completed', Buffer.from('other')));
    await rig.metadata.propose(done(99, version, 'a', 'completed'));
    await rig.metadata.propose(done(bucket, version, 'b', 'left'));
    assert.equal(rig.log.head, head, 'and costs no entry');
  });

  it('is written nowhere until every node can read it', async () => {
    const nodeOf = (id: string, known: readonly string[]): NodeRecord => {
      const names = { id, address: `${id}:1`, apiAddress: `${id}:2`, zone: '', version: '1' };
      return { ...names, roles: ['metadata'], state: 'active', features: known, incarnation: Buffer.alloc(8, 1) };
    };
    const cluster = new Cluster();
    const leader = await cluster.start();
    const older = features.filter((name) => name !== 'replicationStatus');
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, older) });
    const about = { owner: 'o', region: 'r', wrappedKey: Buffer.from('wk') };
    const { reply } = await leader.propose({ type: 'bucket.create', name: 'bucket', ...about });
    assert.ok(reply.type === 'bucket');
    const bucket = reply.bucket.id;
    const status = () => {
      const found = leader.replica.reader.version(bucket, key, undefined);
      return found?.kind === 'object' ? replicationStatus(found.replication) : 'gone';
    };
    await leader.propose(done(bucket, await making(leader, put(bucket, ['a'])), 'a', 'completed'));
    assert.equal(status(), undefined);
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'replicationStatus' });
    const version = await making(leader, put(bucket, ['a']));
    assert.equal(status(), 'PENDING');
    await leader.propose(done(bucket, version, 'a', 'completed'));
    const statuses = () =>
      cluster.nodes.map(({ replica }) => {
        const found = replica.reader.version(bucket, key, undefined) as ObjectVersion;
        return replicationStatus(found.replication);
      });
    await until(async () => {
      await cluster.settle();
      return statuses().every((one) => one === 'COMPLETED');
    }, 'every replica says so');
    await cluster.stop();
  });
});
