import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Cluster } from './cluster.support.ts';
import { keys, tableEnd, tableStart } from './machine/keys.ts';
import { localNumber } from './machine/numbering.ts';
import { completeUpload, draftOf, inlinePiece, Rig, startUpload } from './rig.support.ts';
import type { Command, Reply } from './types.ts';

const code = (expected: string) => (error: StoreError) => error.code === expected;
const id = (number: number): Buffer => {
  const request = Buffer.alloc(16, 1);
  request.writeUInt32BE(number, 0);
  return request;
};

const putOf = (bucket: number, key: string, content: string, guard?: { ifNoneMatch: string }): Command => {
  const piece = inlinePiece(content);
  const at = { bucket, key: Buffer.from(key), owner: 'o', guard };
  return { type: 'object.put', ...at, draft: draftOf(piece.size, piece.md5), pieces: [piece] };
};

/** Plain values, so that buffers compare by content whatever they are views of. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('a proposal with an id', () => {
  it('is made once and answered alike, whatever its kind, also by an owner that was started since', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const upload = await startUpload(rig, bucket, Buffer.from('u'));
    await rig.put(bucket, 'gone', inlinePiece('gone'));
    const at = { bucket, owner: 'o', guard: undefined };
    const about = { storageClass: 'STANDARD', headers: { contentType: 'a/b' }, metadata: [], tags: [] } as const;
    const none = { checksumAlgorithm: undefined, checksumType: undefined, wrappedKey: Buffer.from('w') };
    const commands: Command[] = [
      { type: 'bucket.create', name: 'other', owner: 'o', region: 'r', wrappedKey: Buffer.from('wk') },
      putOf(bucket, 'k', '1'),
      {
        type: 'object.append',
        ...at,
        key: Buffer.from('k'),
        offset: 1,
        piece: inlinePiece('2'),
        draft: draftOf(1, Buffer.alloc(16)),
      },
      {
        type: 'object.annotate',
        ...at,
        key: Buffer.from('k'),
        version: undefined,
        change: { tags: { clear: true, set: [['t', '1']] } },
      },
      {
        type: 'object.delete',
        bucket,
        owner: 'o',
        items: [{ key: Buffer.from('gone'), version: undefined, guard: undefined }],
      },
      { type: 'upload.create', ...at, key: Buffer.from('v'), ...about, ...none },
      { type: 'upload.part', bucket, key: Buffer.from('u'), upload, number: 1, piece: inlinePiece('part') },
      { type: 'intent.open', prefix: Buffer.alloc(8, 5) },
    ];
    const first: Reply[] = [];
    for (const [n, command] of commands.entries()) first.push((await rig.metadata.propose(command, id(n))).reply);
    const { head } = rig.log;
    const again = async () => {
      for (const [n, command] of commands.entries()) {
        const { reply } = await rig.metadata.propose(command, id(n));
        assert.deepEqual(plain(reply), plain(first[n]), command.type);
      }
    };
    await again();
    assert.equal(rig.log.head, head, 'a repeated one writes no entry');
    await rig.metadata.propose({ type: 'intent.close', prefix: Buffer.alloc(8, 5) });
    await rig.crash();
    const before = rig.log.head;
    await again();
    assert.equal(rig.log.head, before);
  });

  it('is answered without what a deletion took along', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await rig.put(bucket, 'k', inlinePiece(Buffer.alloc(4000)));
    const items = [{ key: Buffer.from('k'), version: undefined, guard: undefined }];
    const { reply } = await rig.metadata.propose({ type: 'object.delete', bucket, owner: 'o', items }, id(1));
    assert.ok(reply.type === 'deleted');
    const { version } = reply.results[0]!;
    assert.ok(version?.kind === 'object' && version.size === 4000 && version.manifest.embedded === undefined);
    const row = rig.kv.get(keys.request(0))!;
    assert.ok(row.length < 300, `${row.length} bytes`);
  });

  it('is found again within its own batch', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const put = putOf(bucket, 'k', '1');
    const [one, two] = await Promise.all([rig.metadata.propose(put, id(1)), rig.metadata.propose(put, id(1))]);
    assert.deepEqual(plain(one.reply), plain(two.reply));
    assert.equal(rig.reader.bucket('bucket')!.counts.versions, 1);
  });

  it('is refused again by the same owner, and decided anew by the next one', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await rig.put(bucket, 'k', inlinePiece('1'));
    const put = putOf(bucket, 'k', '2', { ifNoneMatch: '*' });
    await assert.rejects(rig.metadata.propose(put, id(1)), code('PreconditionFailed'));
    await rig.remove(bucket, 'k');
    await assert.rejects(rig.metadata.propose(put, id(1)), code('PreconditionFailed'), 'a try that came late');
    await rig.crash();
    await rig.metadata.propose(put, id(1));
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 1);
  });

  it('counts as not made, and not as refused, when its entry found no space', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    rig.log.failing = new StoreError('StorageFull');
    const made = rig.metadata.propose(putOf(bucket, 'k', '1', { ifNoneMatch: '*' }), id(1));
    const refused = rig.metadata.propose(putOf(bucket, 'k', '2', { ifNoneMatch: '*' }), id(2));
    for (const each of await Promise.allSettled([made, refused])) {
      assert.ok(each.status === 'rejected' && code('StorageFull')(each.reason));
    }
    rig.log.failing = undefined;
    await rig.metadata.propose(putOf(bucket, 'other', '3'), id(3));
    await rig.metadata.propose(putOf(bucket, 'k', '2', { ifNoneMatch: '*' }), id(2));
    await assert.rejects(
      rig.metadata.propose(putOf(bucket, 'k', '1', { ifNoneMatch: '*' }), id(1)),
      code('PreconditionFailed'),
    );
  });

  it('is remembered among so many, and takes part in digest and replay', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const many = limits.requests + 100;
    for (let n = 0; n < many; n += 500) {
      const some = Array.from({ length: Math.min(500, many - n) }, (_, m) => n + m);
      await Promise.all(some.map((m) => rig.metadata.propose({ type: 'digest' }, id(m))));
    }
    const count = () => [...rig.kv.range({ start: tableStart('requests'), end: tableEnd('requests') })].length;
    assert.equal(count(), limits.requests);
    const { head } = rig.log;
    await rig.metadata.propose({ type: 'digest' }, id(many - 1));
    await rig.metadata.propose({ type: 'digest' }, id(100));
    assert.equal(rig.log.head, head);
    await rig.metadata.propose({ type: 'digest' }, id(99));
    assert.equal(rig.log.head, head + 1, 'a forgotten one is new');
    await rig.put(bucket, 'k', inlinePiece('1'));
    const digest = rig.metadata.digest();
    await rig.crash();
    assert.deepEqual(rig.metadata.digest(), digest);
  });

  it('is made once when another node leads meanwhile', async () => {
    const cluster = new Cluster();
    const old = await cluster.start();
    const bucket = await cluster.bucket(old);
    const put = putOf(bucket, 'k', '1', { ifNoneMatch: '*' });
    cluster.fates.push('unheard');
    await assert.rejects(old.propose(put, id(1)), code('ServiceUnavailable'));
    await cluster.advance(4000);
    const leader = cluster.leader!;
    const { reply } = await leader.propose(put, id(1));
    assert.ok(reply.type === 'version' && localNumber(reply.version.sequence) === 1);
    await assert.rejects(leader.propose(put, id(2)), code('PreconditionFailed'));
    await cluster.stop();
  });

  it('completes an upload once', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const upload = await startUpload(rig, bucket);
    const piece = inlinePiece('part');
    await rig.do({ type: 'upload.part', bucket, key: Buffer.from('k'), upload, number: 1, piece }, 'part');
    const propose = rig.metadata.propose.bind(rig.metadata);
    rig.metadata.propose = (command) => propose(command, id(9));
    const first = await completeUpload(rig, bucket, upload, [[1, piece]]);
    rig.metadata.propose = propose;
    await rig.put(bucket, 'k', inlinePiece('newer'));
    rig.metadata.propose = (command) => propose(command, id(9));
    assert.deepEqual(plain(await completeUpload(rig, bucket, upload, [[1, piece]])), plain(first));
  });
});
