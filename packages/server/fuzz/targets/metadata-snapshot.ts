import assert from 'node:assert/strict';
import { crc32c } from '../../src/codec/index.ts';
import { CorruptionError } from '../../src/errors.ts';
import { manualHost } from '../../src/host/index.ts';
import { memoryKv } from '../../src/kv/index.ts';
import { inlinePiece, Rig, stripedPiece } from '../../src/metadata/rig.support.ts';
import { restoreSnapshot } from '../../src/metadata/snapshot.ts';
import type { Target } from '../target.ts';

/* A stream that should be a snapshot, cut anywhere. It is restored whole, with the digest that it promises, or refused. */

const digests = new Set<string>();

export const target: Target = {
  name: 'metadata-snapshot',
  maximum: 16_384,
  words: ['DSOMSNAP', '\x01', '\x02', '\x03', '\0\0\0\0', '\xff\xff\xff\xff'],
  async seeds() {
    const out: Buffer[] = [];
    const rig = await Rig.open(5);
    const bucket = await rig.bucket('bucket');
    for (const key of ['a', 'b', 'c']) {
      out.push(Buffer.concat([...rig.metadata.snapshot()]));
      digests.add(rig.metadata.digest().toString('hex'));
      await rig.put(bucket, key, key === 'b' ? stripedPiece(await rig.stripes(1), 5000) : inlinePiece(key));
    }
    return out;
  },
  reseal(input) {
    const out = Buffer.from(input);
    let seed = 0;
    for (let at = 0; at + 9 <= out.length; ) {
      const end = Math.min(out.length - 4, at + 5 + out.readUInt32LE(at));
      seed = crc32c(out.subarray(at + 4, end), seed);
      out.writeUInt32LE(seed, end);
      at = end + 4;
    }
    return out;
  },
  async check(input, dice) {
    const cut = dice.below(input.length + 1);
    const kv = memoryKv(manualHost());
    try {
      await restoreSnapshot(kv, [input.subarray(0, cut), input.subarray(cut)]);
    } catch (error) {
      if (error instanceof CorruptionError) return;
      throw error;
    }
    // The head says the digest, so one that was changed and restored has changed in its position or epoch alone.
    const applied = kv.get(Buffer.from([0, 1])) as Buffer;
    assert.ok(digests.has(applied.subarray(-16).toString('hex')));
  },
};
