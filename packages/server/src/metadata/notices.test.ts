/* What is to be told of changes stands in the entries of the changes, and how far each follower is, is a row. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Cluster } from './cluster.support.ts';
import { decodeEntry } from './machine/entry.ts';
import { features } from './machine/features.ts';
import { type Destination, decodeNotice, type Notice } from './machine/notices.ts';
import type { NodeRecord } from './machine/records.ts';
import { draftOf, inlinePiece, Rig } from './rig.support.ts';
import type { Announcement, Command } from './types.ts';

const origin = {
  requestId: 'request',
  hostId: 'host',
  principal: 'who',
  address: '10.0.0.1',
  reason: 'PutObject',
  bucketName: 'bucket',
  bucketOwner: 'o',
  region: 'r',
};
const toldOf = (...events: Destination['event'][]): Announcement => ({
  origin,
  destinations: events.map((event) => ({ event, target: 'hook', configuration: 'c', shape: 's3' })),
});
const removals = toldOf('ObjectRemoved:Delete', 'ObjectRemoved:DeleteMarkerCreated');

const putOf = (bucket: number, key: string, announce?: Announcement): Extract<Command, { type: 'object.put' }> => {
  const piece = inlinePiece('content');
  return {
    type: 'object.put',
    bucket,
    key: Buffer.from(key),
    owner: 'o',
    guard: undefined,
    draft: draftOf(piece.size, piece.md5),
    pieces: [piece],
    ...(announce && { announce }),
  };
};
const lastEffects = (rig: Rig) => decodeEntry(rig.log.entries.at(-1)!.payload);
const noticesOf = (rig: Rig): Notice[] =>
  lastEffects(rig).flatMap((effect) => (effect.type === 'notice' ? [decodeNotice(effect.notice)] : []));
const code = (expected: StoreError['code']) => (error: StoreError) => error.code === expected;

describe('a notice', () => {
  it('says what was put, in the entry that puts it, and only where it was asked for', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    await rig.metadata.propose(putOf(bucket, 'silent'));
    assert.deepEqual(noticesOf(rig), []);
    const { reply } = await rig.metadata.propose(putOf(bucket, 'k', toldOf('ObjectCreated:Put')));
    assert.ok(reply.type === 'version');
    const { version } = reply;
    assert.deepEqual(noticesOf(rig), [
      {
        event: 'ObjectCreated:Put',
        origin,
        destinations: [{ target: 'hook', configuration: 'c', shape: 's3' }],
        bucket,
        key: Buffer.from('k'),
        timeMs: version.modifiedMs,
        sequence: version.sequence,
        nonce: version.nonce,
        isNull: false,
        versioned: true,
        place: 0,
        object: { size: version.size, etag: version.etag, etagParts: version.etagParts },
      },
    ]);
    // It changes nothing: what is replayed is the same state.
    const digest = rig.metadata.digest();
    await rig.crash();
    assert.deepEqual(rig.metadata.digest(), digest);
  });

  it('is that of the event that came about: a marker, a removal, or none', async () => {
    const rig = await Rig.open();
    const versioned = await rig.bucket('versioned', 'enabled');
    const plain = await rig.bucket('plain');
    const remove = (bucket: number, key: string, version?: { sequence: number; nonce: Buffer }) =>
      rig.metadata.propose({
        type: 'object.delete',
        bucket,
        owner: 'o',
        items: [{ key: Buffer.from(key), version, guard: undefined, announce: removals }],
      });
    const { reply } = await rig.metadata.propose(putOf(versioned, 'k'));
    assert.ok(reply.type === 'version');
    await remove(versioned, 'k');
    const [marker] = noticesOf(rig);
    assert.deepEqual(
      [marker?.event, marker?.object, marker?.versioned],
      ['ObjectRemoved:DeleteMarkerCreated', undefined, true],
    );
    await remove(versioned, 'k', reply.version);
    const [gone] = noticesOf(rig);
    assert.deepEqual([gone?.event, gone?.sequence], ['ObjectRemoved:Delete', reply.version.sequence]);
    await rig.metadata.propose(putOf(plain, 'k'));
    await remove(plain, 'k');
    assert.deepEqual(
      noticesOf(rig).map(({ event, versioned }) => [event, versioned]),
      [['ObjectRemoved:Delete', false]],
    );
    const before = rig.log.head;
    await remove(plain, 'k');
    assert.equal(rig.log.head, before, 'nothing was removed, and nothing is told');
  });

  it('is never written before every node of a cluster can read it, and refuses no change', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const nodeOf = (id: string, known: readonly string[]): NodeRecord => {
      const texts = { id, address: `${id}:1`, apiAddress: `${id}:2`, zone: '', version: '1' };
      return { ...texts, roles: ['metadata'], state: 'active', features: known, incarnation: Buffer.alloc(8, 1) };
    };
    const { reply } = await leader.propose({
      type: 'bucket.create',
      name: 'bucket',
      owner: 'o',
      region: 'r',
      wrappedKey: Buffer.alloc(4),
    });
    assert.ok(reply.type === 'bucket');
    await leader.propose(putOf(reply.bucket.id, 'k', toldOf('ObjectCreated:Put')));
    const target = { type: 'target.write', name: 'hook', record: Buffer.from('x') } as const;
    await assert.rejects(leader.propose(target), code('NotImplemented'));
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'notifications' });
    await leader.propose(target);
    await leader.propose(putOf(reply.bucket.id, 'k', toldOf('ObjectCreated:Put')));
    await cluster.settle();
  });
});

describe('a follower', () => {
  it('never goes back, survives a crash, and is forgotten once', async () => {
    const rig = await Rig.open();
    const at = (position: number) => rig.metadata.propose({ type: 'follower.advance', name: 'f', position });
    await at(7);
    await at(5);
    assert.deepEqual([...rig.reader.followers()], [['f', 7]]);
    await at(9);
    await rig.crash();
    assert.deepEqual([...rig.reader.followers()], [['f', 9]]);
    for (let i = 0; i < 2; i++) await rig.metadata.propose({ type: 'follower.remove', name: 'f' });
    assert.equal(rig.reader.followers().size, 0);
    for (let i = 0; i < limits.followers; i++)
      await rig.metadata.propose({ type: 'follower.advance', name: `f${i}`, position: 1 });
    await assert.rejects(at(1), code('InvalidRequest'));
  });
});

describe('a target', () => {
  it('is defined, changed, taken away; there is a bound to their number and bytes', async () => {
    const rig = await Rig.open();
    const write = (name: string, record: Buffer) => rig.metadata.propose({ type: 'target.write', name, record });
    await write('a', Buffer.from('1'));
    await write('a', Buffer.from('2'));
    assert.deepEqual([...rig.reader.targets()], [['a', Buffer.from('2')]]);
    await assert.rejects(write('b', Buffer.alloc(limits.targetBytes + 1)), code('InvalidRequest'));
    for (let i = 1; i < limits.targets; i++) await write(`t${i}`, Buffer.from('x'));
    await assert.rejects(write('one-more', Buffer.from('x')), code('InvalidRequest'));
    await rig.metadata.propose({ type: 'target.remove', name: 'a' });
    await assert.rejects(rig.metadata.propose({ type: 'target.remove', name: 'a' }), code('NotFound'));
  });
});
