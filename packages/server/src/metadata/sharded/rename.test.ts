import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../../errors.ts';
import { audit } from '../ledger.support.ts';
import { inlinePiece, stripedPiece } from '../rig.support.ts';
import { ShardedRig } from './rig.support.ts';

/* A rename is one change of one shard: between two of them it is refused, by name, and nothing is changed. */

describe('a rename in a bucket over several shards', () => {
  it('is done within a shard, and refused between two', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('spread');
    const from = Buffer.from('from');
    const here = rig.reader.shardOf(bucket, from);
    const names = Array.from({ length: 40 }, (_, i) => Buffer.from(`to${i}`));
    const same = names.find((key) => rig.reader.shardOf(bucket, key) === here)!;
    const other = names.find((key) => rig.reader.shardOf(bucket, key) !== here)!;
    await rig.put(bucket, 'from', stripedPiece(await rig.stripes(2), 5000));
    const rename = (key: Buffer, source: Buffer) =>
      rig.do(
        { type: 'object.rename', bucket, key, owner: 'o', guard: undefined, source: { key: source, guard: undefined } },
        'version',
      );
    await assert.rejects(
      rename(other, from),
      (error: StoreError) => error.code === 'NotImplemented' && /copy the object/.test(error.message),
    );
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
});
