import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CorruptionError, StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { decodeEntry, encodeEntry } from './machine/entry.ts';
import { keys } from './machine/keys.ts';
import { openMetadata } from './open.ts';
import { inlinePiece, Rig, stripedPiece } from './rig.support.ts';

const code = (expected: string) => (error: StoreError) => error.code === expected;
const effectsOf = (rig: Rig, position: number) => decodeEntry(rig.log.entries[position - rig.log.tail]!.payload);

/** A promise and its resolver. */
function gate(): { open: () => void; closed: Promise<void> } {
  let open = () => {};
  const closed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, closed };
}

describe('the owner', () => {
  it('logs a lone proposal at once, and what comes meanwhile as one entry', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const before = rig.log.appends;
    const { open, closed } = gate();
    rig.log.hold = closed;
    const first = rig.put(bucket, 'a', inlinePiece('1'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rig.log.appends, before + 1, 'the lone one did not wait');
    const rest = ['b', 'c', 'd'].map((key) => rig.put(bucket, key, inlinePiece(key)));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rig.log.appends, before + 1);
    assert.equal(
      rig.reader.version(bucket, Buffer.from('a'), undefined),
      undefined,
      'what is not durable is not visible',
    );
    open();
    await Promise.all([first, ...rest]);
    assert.equal(rig.log.appends, before + 2);
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 4);
  });

  it('decides each proposal of a batch on what those before it did', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const guard = { ifNoneMatch: '*' };
    const puts = [1, 2, 3].map((n) => rig.put(bucket, 'k', inlinePiece(`${n}`), { guard }));
    const [won, ...lost] = await Promise.allSettled(puts);
    assert.equal(won!.status, 'fulfilled');
    for (const each of lost) assert.ok(each.status === 'rejected' && code('PreconditionFailed')(each.reason));
    assert.equal(rig.metadata.statistics().refused, 2);
  });

  it('answers a refusal only when what it was decided on is durable', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    rig.log.failing = new Error('no sync');
    const put = rig.put(bucket, 'k', inlinePiece('1'));
    const refused = rig.put(bucket, 'k', inlinePiece('2'), { guard: { ifNoneMatch: '*' } });
    const settled = await Promise.allSettled([put, refused]);
    for (const each of settled) assert.ok(each.status === 'rejected' && code('ServiceUnavailable')(each.reason));
  });

  it('stops when the log fails, and says so', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await rig.put(bucket, 'k', inlinePiece('1'));
    rig.log.failing = new Error('the disk is gone');
    await assert.rejects(rig.put(bucket, 'l', inlinePiece('2')), code('ServiceUnavailable'));
    assert.match(rig.metadata.failure()!, /the disk is gone/);
    rig.log.failing = undefined;
    await assert.rejects(rig.put(bucket, 'm', inlinePiece('3')), code('ServiceUnavailable'));
    assert.equal(rig.reader.version(bucket, Buffer.from('k'), undefined)?.kind, 'object', 'reads go on');
  });

  it('refuses, and goes on, when the log has no space', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    rig.log.failing = new StoreError('StorageFull');
    const writes = [rig.put(bucket, 'k', inlinePiece('1')), rig.put(bucket, 'l', inlinePiece('2'))];
    for (const each of await Promise.allSettled(writes)) {
      assert.ok(each.status === 'rejected' && code('StorageFull')(each.reason));
    }
    assert.equal(rig.metadata.failure(), undefined);
    assert.equal(rig.reader.version(bucket, Buffer.from('k'), undefined), undefined);
    rig.log.failing = undefined;
    await rig.put(bucket, 'm', inlinePiece('3'));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 1);
    const digest = rig.metadata.digest();
    await rig.crash();
    assert.deepEqual(rig.metadata.digest(), digest);
  });

  it('waits for space when the KV has none for an entry that is logged, and goes on by itself', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const commit = rig.kv.commit.bind(rig.kv);
    let full = true;
    rig.kv.commit = (changes) => {
      if (full) throw new StoreError('StorageFull');
      commit(changes);
    };
    const first = rig.put(bucket, 'k', inlinePiece('1'));
    while (rig.metadata.failure() === undefined) await new Promise((resolve) => setImmediate(resolve));
    assert.match(rig.metadata.failure()!, /the disk is full/);
    await assert.rejects(rig.put(bucket, 'l', inlinePiece('2')), code('StorageFull'));
    full = false;
    for (let i = 0; i < 4; i++) {
      rig.host.advance(limits.fullRetryMs);
      await Promise.resolve();
    }
    await first;
    assert.equal(rig.metadata.failure(), undefined);
    await rig.put(bucket, 'm', inlinePiece('3'));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 2);
    const digest = rig.metadata.digest();
    await rig.crash();
    assert.deepEqual(rig.metadata.digest(), digest);
  });

  it('keeps nothing that the log gives away again while it replays', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    for (const key of ['a', 'b', 'c']) await rig.put(bucket, key, inlinePiece(key));
    const digest = rig.metadata.digest();
    const read = rig.log.read.bind(rig.log);
    rig.log.read = async function* (from) {
      const chunk = Buffer.alloc(64 * 1024);
      for await (const entry of read(from)) {
        chunk.fill(0);
        entry.payload.copy(chunk);
        yield { ...entry, payload: chunk.subarray(0, entry.payload.length) };
      }
    };
    await rig.crash();
    assert.deepEqual(rig.metadata.digest(), digest);
    assert.equal(rig.reader.version(bucket, Buffer.from('a'), undefined)?.kind, 'object');
  });

  it('stops when the KV takes no commit', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    rig.kv.commit = () => {
      throw new Error('no space');
    };
    await assert.rejects(rig.put(bucket, 'k', inlinePiece('1')), code('ServiceUnavailable'));
    assert.match(rig.metadata.failure()!, /no space/);
    await rig.crash();
    assert.equal(rig.reader.version(bucket, Buffer.from('k'), undefined)?.kind, 'object', 'it was in the log');
  });

  it('refuses with SlowDown when too much waits', async () => {
    const rig = await Rig.open();
    const { open, closed } = gate();
    rig.log.hold = closed;
    const proposals = Array.from({ length: limits.waitingProposals + 10 }, () =>
      rig.metadata.propose({ type: 'digest' }),
    );
    open();
    const settled = await Promise.allSettled(proposals);
    const refused = settled.filter((each) => each.status === 'rejected');
    assert.equal(refused.length, 10);
    for (const each of refused) assert.ok(code('SlowDown')(each.reason));
  });

  it('keeps entries within their bounds', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const body = Buffer.alloc(limits.inlineBytes);
    await Promise.all(Array.from({ length: 1500 }, (_, n) => rig.put(bucket, `k${n}`, inlinePiece(body))));
    for (const { payload } of rig.log.entries) assert.ok(payload.length <= limits.entryBytes);
    assert.ok(rig.log.entries.length > 1500 / limits.batchProposals);
    const huge = inlinePiece(Buffer.alloc(limits.proposalBytes));
    await assert.rejects(rig.put(bucket, 'huge', huge), code('InvalidRequest'));
    assert.equal(rig.metadata.failure(), undefined);
  });

  it('writes no entry for what changes nothing', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const { head } = rig.log;
    await rig.remove(bucket, 'missing');
    await assert.rejects(rig.put(99, 'k', inlinePiece('1')), code('NoSuchBucket'));
    assert.equal(rig.log.head, head);
  });

  it('harms nobody but its proposer with a command that makes no sense', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const wrong = rig.put(bucket, 'k', inlinePiece('12'), { pieces: [] });
    const right = rig.put(bucket, 'l', inlinePiece('3'));
    await assert.rejects(wrong, /piece/);
    await right;
    assert.equal(rig.metadata.failure(), undefined);
  });

  it('never lets time go back within a run', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const { version: first } = await rig.put(bucket, 'a', inlinePiece('1'));
    const { clock } = rig.host;
    const now = clock.now();
    clock.now = () => now - 60_000;
    const { version: second } = await rig.put(bucket, 'b', inlinePiece('2'));
    assert.ok(second.modifiedMs >= first.modifiedMs);
  });

  it('checkpoints by time, and trims the log behind', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    for (let n = 0; n < 5; n++) await rig.put(bucket, `k${n}`, inlinePiece('1'));
    assert.equal(rig.log.tail, 1);
    rig.host.advance(limits.checkpointMs);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rig.metadata.statistics().checkpointPosition, 6);
    assert.equal(rig.log.tail, 6, 'the entry of the checkpoint stays');
    rig.host.advance(limits.checkpointMs);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rig.metadata.statistics().checkpoints, 1, 'nothing new, no checkpoint');
    await rig.crash();
    assert.equal(rig.metadata.statistics().replayed, 0);
  });

  it('stops when a checkpoint fails', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    rig.kv.checkpoint = () => Promise.reject(new Error('EIO'));
    await rig.metadata.checkpoint();
    assert.match(rig.metadata.failure()!, /EIO/);
    await assert.rejects(rig.bucket('other'), code('ServiceUnavailable'));
  });

  it('answers what waits before it closes, and nothing after', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const put = rig.put(bucket, 'k', inlinePiece('1'));
    const closing = rig.metadata.close();
    await put;
    await closing;
    await assert.rejects(rig.put(bucket, 'l', inlinePiece('2')), code('ServiceUnavailable'));
    assert.equal(rig.metadata.statistics().checkpointPosition, rig.log.head);
  });

  it('closes the intents of the run before, and only those', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const stripes = await rig.stripes(1);
    const { position } = rig.metadata.statistics();
    await rig.crash();
    assert.equal(rig.log.head, position + 1);
    assert.deepEqual(
      rig.reader.intents().map((intent) => intent.state),
      ['closed'],
    );
    await assert.rejects(rig.put(bucket, 'k', stripedPiece(stripes, 5000)), code('ServiceUnavailable'));
    const fresh = await rig.stripes(1);
    await rig.metadata.propose({ type: 'intent.expire' });
    await rig.put(bucket, 'k', stripedPiece(fresh, 5000));
  });
});

describe('the replica', () => {
  it('logs the digest, and refuses a state that has another one', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await rig.put(bucket, 'k', inlinePiece('1'));
    await rig.metadata.checkpoint();
    const digest = rig.metadata.digest();
    await rig.metadata.propose({ type: 'digest' });
    assert.deepEqual(effectsOf(rig, rig.log.head), [{ type: 'digest', digest }]);
    const kv = rig.kv.crash();
    // As if a bug had once applied an entry otherwise.
    const applied = Buffer.from(kv.get(keys.meta(1))!);
    applied[applied.length - 1]! ^= 1;
    kv.commit([[keys.meta(1), applied]]);
    await assert.rejects(openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 }), /digest/);
  });

  it('logs the digest by itself now and then', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    for (let n = 0; n < limits.digestProposals; n += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, m) => rig.remove(bucket, `${n + m}`)));
    }
    await rig.put(bucket, 'k', inlinePiece('1'));
    assert.equal(effectsOf(rig, rig.log.head).at(-1)!.type, 'digest');
    await rig.crash();
  });

  it('refuses a log that is not its own', async () => {
    const one = await Rig.open(1);
    await one.bucket('bucket');
    await one.metadata.checkpoint();
    const other = await Rig.open(2);
    await other.bucket('another');
    await assert.rejects(
      openMetadata({ log: other.log, kv: one.kv, host: one.host, shard: 7 }),
      /not that of this log/,
    );
  });

  it('refuses a log that lost entries, or no longer has those it needs', async () => {
    const rig = await Rig.open();
    await rig.bucket('one');
    await rig.bucket('two');
    await rig.metadata.checkpoint();
    const open = (kv = rig.kv) => openMetadata({ log: rig.log, kv, host: rig.host, shard: 7 });
    await assert.rejects(open(memoryKv(manualHost())), /the log begins at/);
    rig.log.entries.pop();
    await assert.rejects(open(), CorruptionError);
  });

  it('refuses an entry that it does not know or that does not fit, and skips none', async () => {
    for (const payload of [
      Buffer.from([1, 200]),
      Buffer.from([9]),
      encodeEntry([{ type: 'upload.abort', bucket: 1, key: Buffer.from('k'), upload: Buffer.alloc(16) }]),
      encodeEntry([{ type: 'garbage.remove', position: 1, ordinal: 0, end: 1 }]),
    ]) {
      const rig = await Rig.open();
      await rig.bucket('bucket');
      rig.log.write(payload);
      await assert.rejects(rig.crash(), CorruptionError);
    }
  });

  it('passes over what a deposed owner wrote', async () => {
    const rig = await Rig.open();
    rig.log.epoch = 3;
    await rig.bucket('bucket');
    rig.log.epoch = 2;
    rig.log.write(Buffer.from([1, 200]));
    rig.log.epoch = 3;
    await rig.crash();
    assert.equal(rig.metadata.statistics().position, 2);
    await rig.bucket('other');
    assert.equal(rig.reader.buckets('', 10).items.length, 2);
  });
});
