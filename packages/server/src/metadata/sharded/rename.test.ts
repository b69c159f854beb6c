import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../../errors.ts';
import { audit } from '../ledger.support.ts';
import { decodeEntry } from '../machine/entry.ts';
import { decodeNotice } from '../machine/notices.ts';
import { renameId } from '../machine/renames.ts';
import { auditQuotas } from '../quotas.support.ts';
import { inlinePiece, stripedPiece } from '../rig.support.ts';
import type { Announcement, Command } from '../types.ts';
import { ShardedRig } from './rig.support.ts';

/* A rename is one change of one shard, or steps in two (rename-steps.test.ts), of which one decides. */

const code =
  (wanted: StoreError['code']) =>
  (error: StoreError): boolean =>
    error.code === wanted;

async function spread() {
  const rig = await ShardedRig.start(4);
  const bucket = await rig.bucket('spread');
  const from = Buffer.from('from');
  const here = rig.reader.shardOf(bucket, from);
  const names = Array.from({ length: 40 }, (_, i) => Buffer.from(`to${i}`));
  const same = names.find((key) => rig.reader.shardOf(bucket, key) === here)!;
  const other = names.find((key) => rig.reader.shardOf(bucket, key) !== here)!;
  const rename = renameId(rig.reader.shardOf(bucket, other), Buffer.alloc(14, 7));
  const about = { rename, bucket, owner: 'o', guard: undefined } as const;
  const found = (key: Buffer) => rig.reader.version(bucket, key, undefined);
  const prepare = (): Promise<unknown> =>
    rig.do({ type: 'rename.prepare', ...about, key: other, source: from }, 'done');
  const hold = async (announce?: Announcement) => {
    const { sequence, nonce } = found(from)!;
    const command = { type: 'rename.hold', ...about, key: from, expected: { sequence, nonce } } as const;
    return (await rig.do({ ...command, ...(announce && { announce }) }, 'version')).version;
  };
  const commit = async (more: Partial<Extract<Command, { type: 'rename.commit' }>> = {}) => {
    const source = found(from);
    if (source?.kind !== 'object') throw new Error('there is nothing to be renamed');
    const pieces = [source.manifest.embedded!];
    const ticket = rig.reader.renames.of(rename)?.ticket ?? Buffer.alloc(8);
    return rig.do({ type: 'rename.commit', ...about, key: other, ticket, source, pieces, ...more }, 'version');
  };
  const release = () => rig.do({ type: 'rename.release', rename, bucket, key: from, shard: here }, 'done');
  const forget = () => rig.do({ type: 'rename.forget', rename }, 'done');
  return { rig, bucket, from, here, same, other, rename, about, found, prepare, hold, commit, release, forget };
}

describe('a rename in a bucket over several shards', () => {
  it('is one change within a shard, and none between two', async () => {
    const { rig, bucket, from, same, other } = await spread();
    await rig.put(bucket, 'from', stripedPiece(await rig.stripes(2), 5000));
    const rename = (key: Buffer, source: Buffer) =>
      rig.do(
        { type: 'object.rename', bucket, key, owner: 'o', guard: undefined, source: { key: source, guard: undefined } },
        'version',
      );
    await assert.rejects(rename(other, from), code('ConditionalRequestConflict'));
    assert.equal(rig.reader.version(bucket, other, undefined), undefined);
    const { version } = await rename(same, from);
    assert.equal(rig.reader.version(bucket, from, undefined), undefined);
    assert.equal(rig.reader.version(bucket, same, undefined)?.sequence, version.sequence);
    assert.deepEqual(rig.reader.byGuk(version.guk), { bucket, key: same });
    assert.equal(rig.reader.bucket('spread')!.counts.objects, 1);
    for (const shard of rig.each) audit(shard.kv);
    await rig.put(bucket, 'from', inlinePiece('x'));
    await rename(same, from);
    for (const shard of rig.each) audit(shard.kv);
  });

  it('between two holds the old name, also over a crash, and gives it up with the release alone', async () => {
    const { rig, bucket, from, other, rename, prepare, hold, commit, release, forget, found } = await spread();
    await rig.put(bucket, 'from', inlinePiece('x'));
    await prepare();
    await hold();
    await rig.crash();
    for (const write of [
      () => rig.put(bucket, 'from', inlinePiece('y')),
      () => rig.remove(bucket, 'from'),
      () => rig.do({ type: 'rename.hold', ...heldBy(9), bucket, key: from }, 'version'),
    ])
      await assert.rejects(write(), code('SlowDown'));
    await assert.rejects(rig.do({ type: 'bucket.delete', name: 'spread' }, 'done'), code('BucketNotEmpty'));
    assert.equal(found(from)?.kind, 'object');
    await commit();
    await assert.rejects(commit(), /nothing to be renamed/);
    assert.deepEqual([found(from), found(other)?.kind], [undefined, 'object']);
    await rig.crash();
    assert.deepEqual([found(from), found(other)?.kind], [undefined, 'object']);
    await assert.rejects(rig.put(bucket, 'from', inlinePiece('y')), code('SlowDown'));
    assert.equal(rig.reader.renames.stateOf(rename), 'done');
    await release();
    await forget();
    await release();
    await forget();
    // A replica of the shard of the old name may be behind.
    assert.deepEqual([rig.reader.renames.stateOf(rename), rig.reader.renames.of(rename)], ['done', undefined]);
    assert.deepEqual([found(from), found(other)?.kind], [undefined, 'object']);
    await rig.put(bucket, 'from', inlinePiece('y'));
    assert.equal(rig.reader.bucket('spread')!.counts.objects, 2);
    for (const shard of rig.each) audit(shard.kv);
    await rig.crash();
    for (const key of ['from', other.toString()]) await rig.remove(bucket, key);
    await rig.do({ type: 'bucket.delete', name: 'spread' }, 'done');
  });

  it('that was given up cannot be done any more, and one that is done cannot be given up', async () => {
    const { rig, bucket, rename, prepare, hold, commit, forget, found, from, other, here } = await spread();
    await rig.put(bucket, 'from', inlinePiece('x'));
    const abort = () => rig.do({ type: 'rename.abort', rename }, 'done');
    const unhold = () => rig.do({ type: 'rename.unhold', rename, bucket, key: from, shard: here }, 'done');
    await prepare();
    await hold();
    await abort();
    await abort();
    await assert.rejects(commit(), code('SlowDown'));
    await unhold();
    await rig.put(bucket, 'from', inlinePiece('y'));
    assert.equal(found(other), undefined);
    await prepare();
    await hold();
    await commit();
    await assert.rejects(abort(), code('ConditionalRequestConflict'));
    const again = { type: 'rename.release', rename, bucket, key: from, shard: here } as const;
    await rig.do({ ...again, rename: Buffer.alloc(16, 1) }, 'done');
    await assert.rejects(
      rig.put(bucket, 'from', inlinePiece('z')),
      code('SlowDown'),
      'another release lets nothing go',
    );
    await rig.do(again, 'done');
    await forget();
  });

  it('is not of another version than the one that was copied', async () => {
    const { rig, bucket, from, about, prepare } = await spread();
    const { version } = await rig.put(bucket, 'from', inlinePiece('x'));
    await prepare();
    await rig.put(bucket, 'from', inlinePiece('y'));
    const { sequence, nonce } = version;
    const late = rig.do({ type: 'rename.hold', ...about, key: from, expected: { sequence, nonce } }, 'version');
    await assert.rejects(late, code('ConditionalRequestConflict'));
    await rig.put(bucket, 'from', inlinePiece('z'));
  });

  it('counts once for a quota that is full, and for the one who wrote it', async () => {
    const { rig, bucket, prepare, hold, commit, release, forget } = await spread();
    await rig.do({ type: 'quota.write', subject: { kind: 'bucket', bucket }, quota: { bytes: 3, objects: 1 } }, 'done');
    await rig.put(bucket, 'from', inlinePiece('123'));
    await prepare();
    await hold();
    const source = rig.reader.version(bucket, Buffer.from('from'), undefined)!;
    assert.equal(source.kind, 'object');
    await commit();
    await release();
    await forget();
    assert.deepEqual(rig.reader.quotas.usage({ kind: 'bucket', bucket }), { objects: 1, bytes: 3 });
    for (const shard of rig.each) auditQuotas(shard.kv);
  });

  it('tells of what came with the new name, and of what went with the old one', async () => {
    const { rig, bucket, from, other, here, prepare, hold, commit, release } = await spread();
    await rig.put(bucket, 'from', inlinePiece('x'));
    const origin = {
      requestId: 'R',
      hostId: 'h',
      principal: 'AK',
      address: '10.0.0.1',
      reason: 'RenameObject',
      bucketName: 'spread',
      bucketOwner: 'o',
      region: 'r',
    };
    const announce: Announcement = {
      origin,
      destinations: (['ObjectCreated:Copy', 'ObjectRemoved:Delete'] as const).map((event) => ({
        event,
        target: 'hook',
        configuration: 'c',
        shape: 's3',
      })),
    };
    await prepare();
    await hold(announce);
    await rig.crash();
    await commit({ announce });
    await release();
    const told = (shard: number) =>
      rig.each[shard]!.log.entries.flatMap(({ payload }) =>
        decodeEntry(payload).flatMap((effect) => (effect.type === 'notice' ? decodeNotice(effect.notice) : [])),
      ).map(({ event, key, origin: { reason } }) => `${event} ${key} ${reason}`);
    assert.deepEqual(told(rig.reader.shardOf(bucket, other)), [`ObjectCreated:Copy ${other} RenameObject`]);
    assert.deepEqual(told(here), [`ObjectRemoved:Delete ${from} RenameObject`]);
  });
});

const heldBy = (dice: number) => ({
  rename: renameId(1, Buffer.alloc(14, dice)),
  owner: 'o',
  guard: undefined,
  expected: { sequence: 1, nonce: Buffer.alloc(8) },
});
