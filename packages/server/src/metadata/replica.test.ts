import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CorruptionError, StoreError } from '../errors.ts';
import type { MemoryKv } from '../kv/index.ts';
import { keys } from './machine/keys.ts';
import { openMetadata } from './open.ts';
import { inlinePiece, Rig, stripedPiece } from './rig.support.ts';

const isCode = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;
const damaged = (message: RegExp) => (error: unknown) =>
  error instanceof CorruptionError && message.test(error.message);

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

describe('a state and its log', () => {
  it('are refused together when the state is not that of the log', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await rig.put(bucket, 'a', inlinePiece('1'));
    await rig.metadata.checkpoint();
    const last = rig.log.entries.at(-1)!;
    rig.log.entries[rig.log.entries.length - 1] = { ...last, hash: Buffer.alloc(16, 7) };
    await assert.rejects(rig.crash(), damaged(/is not that of this log/));
    rig.log.entries[rig.log.entries.length - 1] = last;
  });

  it('are refused together when entries between them are missing, or the log ends before the state', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await rig.metadata.checkpoint();
    for (const key of ['a', 'b', 'c']) await rig.put(bucket, key, inlinePiece(key));
    const old = rig.kv.crash();
    await rig.log.trim(rig.log.head);
    const open = (kv: MemoryKv) => openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 });
    await assert.rejects(open(old), damaged(/but the log begins at/));

    const other = await Rig.open();
    await other.bucket('bucket');
    await other.bucket('other');
    await other.metadata.checkpoint();
    other.log.entries.pop();
    await assert.rejects(other.crash(), damaged(/entries were lost/));
  });

  it('are compared by digest, and a row that rotted stops the replay', async () => {
    for (const rots of [false, true]) {
      const rig = await Rig.open();
      const bucket = await rig.bucket('bucket');
      await rig.put(bucket, 'a', inlinePiece('1'));
      await rig.metadata.checkpoint();
      await rig.put(bucket, 'a', inlinePiece('22'));
      await rig.metadata.propose({ type: 'digest' });
      const kv = rig.kv.crash();
      const key = keys.object(bucket, Buffer.from('a'));
      const row = Buffer.from(kv.get(key)!);
      // A byte of its ETag: nothing else looks at it.
      if (rots) row[40]! ^= 1;
      kv.commit([[key, row]]);
      const opening = openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 });
      if (rots) await assert.rejects(opening, damaged(/the state digest at position \d+ is not the one/));
      else assert.equal((await opening).statistics().replayed, 2);
    }
  });

  it('stay together when a crash comes at any step of a checkpoint', async () => {
    for (let steps = 0; steps < 24; steps++) {
      const rig = await Rig.open(steps + 1);
      const bucket = await rig.bucket('bucket');
      for (const key of ['a', 'b', 'c']) await rig.put(bucket, key, inlinePiece(key));
      rig.metadata.checkpoint().catch(() => {});
      await turns(steps);
      await rig.crash();
      assert.equal(rig.reader.bucket('bucket')!.counts.objects, 3);
    }
  });
});

describe('stripes', () => {
  it('are published only while their intent is open', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const [first, late, lost] = await rig.stripes(3);
    await rig.put(bucket, 'a', stripedPiece([first!], 5000));
    await rig.metadata.propose({ type: 'intent.close', prefix: late!.id.subarray(0, 8) });
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([late!], 5000)), isCode('ServiceUnavailable'));
    await rig.crash();
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([lost!], 5000)), isCode('ServiceUnavailable'));

    const [open] = await rig.stripes(1);
    await rig.crash();
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([open!], 5000)), isCode('ServiceUnavailable'));
    const unknown = { ...open!, id: Buffer.concat([Buffer.alloc(8, 9), Buffer.alloc(8)]) };
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([unknown], 5000)), isCode('ServiceUnavailable'));
    assert.equal(rig.reader.version(bucket, Buffer.from('b'), undefined), undefined);
    assert.equal(rig.reader.version(bucket, Buffer.from('a'), undefined)?.kind, 'object');
  });
});
