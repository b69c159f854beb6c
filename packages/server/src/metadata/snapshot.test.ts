import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import { openMetadata } from './open.ts';
import { inlinePiece, Rig } from './rig.support.ts';
import { restoreSnapshot } from './snapshot.ts';

async function filled(): Promise<{ rig: Rig; bytes: Buffer }> {
  const rig = await Rig.open();
  const bucket = await rig.bucket('bucket');
  const body = Buffer.alloc(4000, 7);
  await Promise.all(Array.from({ length: 150 }, (_, n) => rig.put(bucket, `k${n}`, inlinePiece(body))));
  const chunks = [...rig.metadata.snapshot()];
  assert.ok(chunks.length > 4, 'the state takes several chunks');
  return { rig, bytes: Buffer.concat(chunks) };
}

describe('a snapshot', () => {
  it('is the state, however its stream is cut', async () => {
    const { rig, bytes } = await filled();
    const kv = memoryKv(manualHost());
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 10_007) pieces.push(bytes.subarray(at, at + 10_007));
    assert.deepEqual(await restoreSnapshot(kv, pieces), { position: rig.log.head });
    const metadata = await openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 });
    assert.deepEqual(metadata.digest(), rig.metadata.digest());
    assert.equal(metadata.reader.bucket('bucket')!.counts.objects, 150);
  });

  it('holds one state, though the shard goes on', async () => {
    const { rig } = await filled();
    const digest = rig.metadata.digest();
    const chunks: Buffer[] = [];
    for (const chunk of rig.metadata.snapshot()) {
      chunks.push(chunk);
      await rig.put(1, `later${chunks.length}`, inlinePiece('x'));
    }
    const kv = memoryKv(manualHost());
    await restoreSnapshot(kv, chunks);
    const log = new (rig.log.constructor as typeof import('./rig.support.ts').TestLog)();
    Object.assign(log, { entries: rig.log.entries.slice(0, rig.log.head - chunks.length) });
    const metadata = await openMetadata({ log, kv, host: rig.host, shard: 7 });
    assert.deepEqual(metadata.digest(), digest);
  });

  it('is refused when a byte of it changed or is missing, and leaves no state behind', async () => {
    const { rig, bytes } = await filled();
    const damage = fc.oneof(
      fc.record({ flip: fc.nat(bytes.length - 1), bit: fc.nat(7) }),
      fc.record({ cut: fc.nat(bytes.length - 1) }),
    );
    const property = fc.asyncProperty(damage, async (how) => {
      const damaged = 'cut' in how ? bytes.subarray(0, how.cut) : Buffer.from(bytes);
      if ('flip' in how) damaged[how.flip]! ^= 1 << how.bit;
      const kv = memoryKv(manualHost());
      await assert.rejects(restoreSnapshot(kv, [damaged]), CorruptionError);
      const open = openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 });
      await assert.rejects(open, /not restored to its end/);
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('is refused when chunks change places or come twice', async () => {
    const { rig } = await filled();
    const [head, first, second, ...rest] = [...rig.metadata.snapshot()] as [Buffer, Buffer, Buffer, ...Buffer[]];
    for (const chunks of [
      [head, second, first, ...rest],
      [head, first, first, second, ...rest],
      [head, second, ...rest],
      [first, second, ...rest],
      [head, first, second, ...rest, rest.at(-1)!],
      [head],
      [],
    ]) {
      await assert.rejects(restoreSnapshot(memoryKv(manualHost()), chunks), CorruptionError);
    }
  });
});
