import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { createChecksum } from '../codec/index.ts';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { audit } from './ledger.support.ts';
import type { ObjectVersion, Piece } from './machine/records.ts';
import { completeUpload, draftOf, inlinePiece, Rig, startUpload, stripedPiece } from './rig.support.ts';
import type { Guard } from './types.ts';

const code = (expected: string) => (error: StoreError) => error.code === expected;
const key = Buffer.from('k');

describe('buckets', () => {
  it('are created once, with the error that says whose they are', async () => {
    const rig = await Rig.open();
    await rig.bucket('mine');
    await assert.rejects(rig.bucket('mine'), code('BucketAlreadyOwnedByYou'));
    const other = { type: 'bucket.create', name: 'mine', owner: 'other', region: 'r', wrappedKey: key } as const;
    await assert.rejects(rig.metadata.propose(other), code('BucketAlreadyExists'));
    await assert.rejects(rig.bucket('no'), code('InvalidBucketName'));
    await assert.rejects(rig.bucket('x'.repeat(64)), code('InvalidBucketName'));
  });

  it('are deleted only when nothing is in them, and their ids are never used again', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const remove = () => rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    await rig.put(bucket, key, inlinePiece('1'));
    await assert.rejects(remove(), code('BucketNotEmpty'));
    const { version: marker } = await rig.remove(bucket, key);
    await assert.rejects(remove(), code('BucketNotEmpty'), 'versions and markers count');
    for (const { record } of versionsOf(rig, bucket)) await rig.remove(bucket, key, record as ObjectVersion);
    assert.equal(marker!.kind, 'marker');
    const upload = await startUpload(rig, bucket);
    await assert.rejects(remove(), code('BucketNotEmpty'), 'uploads count');
    await rig.do({ type: 'upload.abort', bucket, key, upload }, 'done');
    await remove();
    assert.equal(rig.reader.bucket('bucket'), undefined);
    assert.equal(rig.reader.bucketById(bucket), undefined);
    await assert.rejects(remove(), code('NoSuchBucket'));
    await assert.rejects(rig.put(bucket, key, inlinePiece('1')), code('NoSuchBucket'));
    assert.ok((await rig.bucket('bucket')) > bucket);
  });

  it('keep what an update does not name', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    const tags = [['a', 'b']] as const;
    await rig.do({ type: 'bucket.update', name: 'bucket', tags, redundancy: { copies: 2 } }, 'bucket');
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'enabled', consistency: 'causal' }, 'bucket');
    const { versioning, consistency, redundancy, tags: kept } = rig.reader.bucket('bucket')!;
    assert.deepEqual(
      { versioning, consistency, redundancy, kept },
      { versioning: 'enabled', consistency: 'causal', redundancy: { copies: 2 }, kept: tags },
    );
    await assert.rejects(rig.do({ type: 'bucket.update', name: 'none' }, 'bucket'), code('NoSuchBucket'));
  });

  it('are listed by name, in pages that know whether more follow', async () => {
    const rig = await Rig.open();
    for (const name of ['ccc', 'aaa', 'bbb']) await rig.bucket(name);
    const page = rig.reader.buckets('', 2);
    assert.deepEqual([page.items.map(({ name }) => name), page.truncated], [['aaa', 'bbb'], true]);
    const rest = rig.reader.buckets('bbb\0', 2);
    assert.deepEqual([rest.items.map(({ name }) => name), rest.truncated], [['ccc'], false]);
  });
});

function versionsOf(rig: Rig, bucket: number) {
  const none = Buffer.alloc(0);
  const { items } = rig.reader.listVersions({
    bucket,
    prefix: none,
    delimiter: none,
    start: none,
    limit: 1000,
    after: undefined,
  });
  return items.flatMap((item) => ('record' in item ? [item] : []));
}

describe('conditions', () => {
  const states = ['missing', 'marker', 'object'] as const;
  const sum = createHash('md5').update('1').digest('hex');
  /** Per guard, what a write answers when the key is missing, ends in a marker, or is there. */
  const table: readonly [guard: Guard, ...answers: string[]][] = [
    [{ ifMatch: '*' }, 'NoSuchKey', 'NoSuchKey', 'ok'],
    [{ ifMatch: `"${sum}"` }, 'NoSuchKey', 'NoSuchKey', 'ok'],
    [{ ifMatch: sum }, 'NoSuchKey', 'NoSuchKey', 'ok'],
    [{ ifMatch: `"x", "${sum}"` }, 'NoSuchKey', 'NoSuchKey', 'ok'],
    [{ ifMatch: '"x"' }, 'NoSuchKey', 'NoSuchKey', 'PreconditionFailed'],
    [{ ifMatch: `W/"${sum}"` }, 'NoSuchKey', 'NoSuchKey', 'PreconditionFailed'],
    [{ ifNoneMatch: '*' }, 'ok', 'ok', 'PreconditionFailed'],
    [{ ifNoneMatch: `"${sum}"` }, 'ok', 'ok', 'PreconditionFailed'],
    [{ ifNoneMatch: `W/"${sum}"` }, 'ok', 'ok', 'PreconditionFailed'],
    [{ ifNoneMatch: '"x"' }, 'ok', 'ok', 'ok'],
    [{ ifUnmodifiedSinceMs: 1_600_000_000_000 }, 'ok', 'ok', 'PreconditionFailed'],
    [{ ifUnmodifiedSinceMs: 1_700_000_000_000 }, 'ok', 'ok', 'ok'],
    [{ ifMatch: '*', ifUnmodifiedSinceMs: 0 }, 'NoSuchKey', 'NoSuchKey', 'ok'],
    [{ ifModifiedSinceMs: 1_600_000_000_000 }, 'ok', 'ok', 'ok'],
    [{ ifModifiedSinceMs: 1_700_000_000_000 }, 'ok', 'ok', 'PreconditionFailed'],
    [{ ifNoneMatch: '"x"', ifModifiedSinceMs: 1_800_000_000_000 }, 'ok', 'ok', 'ok'],
    [{ ifSize: 1 }, 'ok', 'ok', 'ok'],
    [{ ifSize: 2 }, 'ok', 'ok', 'PreconditionFailed'],
    [{ ifModifiedAtMs: 1_700_000_000_999 }, 'ok', 'ok', 'ok'],
    [{ ifModifiedAtMs: 1_700_000_001_000 }, 'ok', 'ok', 'PreconditionFailed'],
  ];

  for (const [at, state] of states.entries()) {
    it(`are decided where the key is ${state}`, async () => {
      for (const [guard, ...answers] of table) {
        for (const write of ['put', 'delete', 'complete', 'copy', 'append'] as const) {
          const rig = await Rig.open();
          const bucket = await rig.bucket('bucket', 'enabled');
          const { version: source } = await rig.put(bucket, 'source', inlinePiece('s'));
          if (state !== 'missing') await rig.put(bucket, key, inlinePiece('1'));
          if (state === 'marker') await rig.remove(bucket, key);
          const answer = await outcome(rig, bucket, write, guard, source);
          assert.equal(answer, answers[at], `${write} with ${JSON.stringify(guard)}`);
        }
      }
    });
  }

  async function outcome(
    rig: Rig,
    bucket: number,
    write: string,
    guard: Guard,
    source: ObjectVersion,
  ): Promise<string> {
    const piece = inlinePiece('2');
    const at = { bucket, key, owner: 'o', guard, draft: draftOf(1, piece.md5) };
    try {
      if (write === 'put') await rig.put(bucket, key, piece, { guard });
      else if (write === 'delete') {
        const items = [{ key, version: undefined, guard }];
        const { results } = await rig.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted');
        return results[0]!.error?.code ?? 'ok';
      } else if (write === 'complete') {
        const upload = await startUpload(rig, bucket);
        await rig.do({ type: 'upload.part', bucket, key, upload, number: 1, piece }, 'part');
        await completeUpload(rig, bucket, upload, [[1, piece]], guard);
      } else if (write === 'copy') {
        const from = { bucket, key: Buffer.from('source'), version: undefined, manifest: source.manifest.id };
        await rig.do({ type: 'object.share', ...at, source: from }, 'version');
      } else {
        await rig.do({ type: 'object.append', ...at, piece, offset: undefined }, 'version');
      }
      return 'ok';
    } catch (error) {
      return (error as StoreError).code;
    }
  }

  it('hold for the version that a delete names', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const { version } = await rig.put(bucket, key, inlinePiece('1'));
    await rig.put(bucket, key, inlinePiece('22'));
    const remove = async (guard: Guard, sequence = version.sequence) => {
      const items = [{ key, version: { sequence, nonce: version.nonce }, guard }];
      return (await rig.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted')).results[0]!;
    };
    assert.equal((await remove({ ifMatch: '*' }, 999)).error?.code, 'NoSuchVersion');
    assert.equal((await remove({ ifSize: 2 })).error?.code, 'PreconditionFailed');
    assert.equal((await remove({ ifSize: 1 })).error, undefined);
  });
});

describe('deletes', () => {
  it('of many keys see each other, and fail one by one', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const { version } = await rig.put(bucket, key, inlinePiece('1'));
    const selector = { sequence: version.sequence, nonce: version.nonce };
    const items = [
      { key, version: undefined, guard: undefined },
      { key, version: undefined, guard: undefined },
      { key, version: undefined, guard: { ifMatch: '*' } },
      { key, version: selector, guard: undefined },
      { key, version: selector, guard: undefined },
      { key: Buffer.from('missing'), version: selector, guard: undefined },
    ];
    const { results } = await rig.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted');
    assert.deepEqual(
      results.map(({ marker, error }) => [marker, error?.code]),
      [
        [true, undefined],
        [true, undefined],
        [false, 'NoSuchKey'],
        [false, undefined],
        [false, undefined],
        [false, undefined],
      ],
    );
    assert.equal(results[3]!.version!.sequence, version.sequence);
    assert.equal(results[4]!.version, undefined);
    assert.equal(versionsOf(rig, bucket).length, 2);
    assert.equal(rig.reader.bucket('bucket')!.counts.objects, 0);
    audit(rig.kv);
  });

  it('need the whole version id, and never find a null version by one', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const { version } = await rig.put(bucket, key, inlinePiece('1'));
    assert.equal((await rig.remove(bucket, key, version)).version, undefined, 'it is the null version');
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'enabled' }, 'bucket');
    const { version: second } = await rig.put(bucket, key, inlinePiece('2'));
    const wrong = { ...second, nonce: Buffer.alloc(8) };
    assert.equal((await rig.remove(bucket, key, wrong)).version, undefined);
    assert.equal((await rig.remove(bucket, key, 'null')).version!.sequence, version.sequence);
    assert.equal((await rig.remove(bucket, key, second)).version!.sequence, second.sequence);
    assert.equal(rig.reader.version(bucket, key, undefined), undefined);
  });
});

describe('objects', () => {
  it('keep their GUK through all versions, and lose it with the last', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const { version } = await rig.put(bucket, key, inlinePiece('1'));
    assert.equal(version.guk.readUInt16BE(6), 7, 'it names the shard');
    assert.equal(version.guk.readUIntBE(0, 6), version.modifiedMs);
    const { version: second } = await rig.put(bucket, key, inlinePiece('2'));
    assert.deepEqual(second.guk, version.guk);
    assert.deepEqual(rig.reader.byGuk(version.guk), { bucket, key });
    for (const { record } of versionsOf(rig, bucket)) await rig.remove(bucket, key, record as ObjectVersion);
    assert.equal(rig.reader.byGuk(version.guk), undefined);
    const { version: third } = await rig.put(bucket, key, inlinePiece('3'));
    assert.notDeepEqual(third.guk, version.guk);
  });

  it('have keys of 1 to 1,024 bytes of anything', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await assert.rejects(rig.put(bucket, '', inlinePiece('1')), code('InvalidArgument'));
    await assert.rejects(rig.put(bucket, Buffer.alloc(1025, 97), inlinePiece('1')), code('KeyTooLongError'));
    await rig.put(bucket, Buffer.alloc(1024, 0xff), inlinePiece('1'));
    await startUpload(rig, bucket, Buffer.alloc(1024, 0xff));
  });

  it('are written under open intents only, and a stripe once', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const [one, two, three] = await rig.stripes(3);
    await rig.put(bucket, 'a', stripedPiece([one!], 5000));
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([one!], 5000)), /published once/);
    const prefix = one!.id.subarray(0, 8);
    const collected = { type: 'intent.collected', prefix } as const;
    await assert.rejects(rig.do(collected, 'done'), code('InvalidRequest'));
    await rig.do({ type: 'intent.close', prefix }, 'done');
    await rig.do({ type: 'intent.close', prefix }, 'done');
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([two!], 5000)), code('ServiceUnavailable'));
    const upload = await startUpload(rig, bucket);
    const part = { type: 'upload.part', bucket, key, upload, number: 1, piece: stripedPiece([two!], 5000) } as const;
    await assert.rejects(rig.do(part, 'part'), code('ServiceUnavailable'));
    await rig.do(collected, 'done');
    await rig.do(collected, 'done');
    assert.equal(rig.reader.intents().length, 0);
    await assert.rejects(rig.put(bucket, 'b', stripedPiece([three!], 5000)), code('ServiceUnavailable'));
    const owner = rig.reader.stripeOwner(one!.id)!;
    assert.deepEqual([owner.bucket, owner.key.toString(), owner.group], [bucket, 'a', 3]);
    assert.deepEqual(
      rig.reader.stripes(Buffer.alloc(16), 10).map(({ stripe }) => stripe),
      [one!.id],
    );
  });

  it('bound the number of open intents', async () => {
    const rig = await Rig.open();
    const open = (_: unknown, number: number) => {
      const prefix = Buffer.alloc(8);
      prefix.writeUInt32BE(number);
      return rig.do({ type: 'intent.open', prefix }, 'done');
    };
    await Promise.all(Array.from({ length: limits.openIntents }, open));
    await assert.rejects(open(0, limits.openIntents), code('SlowDown'));
    await rig.do({ type: 'intent.close', prefix: Buffer.alloc(8) }, 'done');
    await rig.do({ type: 'intent.collected', prefix: Buffer.alloc(8) }, 'done');
    await open(0, limits.openIntents);
  });

  it('are copied with a guard on what the copier saw', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const { version } = await rig.put(bucket, 'source', inlinePiece('1'));
    await rig.put(bucket, 'source', inlinePiece('2'));
    const source = { bucket, key: Buffer.from('source'), version: undefined, manifest: version.manifest.id };
    const at = { bucket, key, owner: 'o', guard: undefined, draft: draftOf(1, version.etag) };
    await assert.rejects(
      rig.do({ type: 'object.share', ...at, source }, 'version'),
      code('ConditionalRequestConflict'),
    );
    const gone = { ...source, version: { sequence: 99, nonce: Buffer.alloc(8) } };
    await assert.rejects(rig.do({ type: 'object.share', ...at, source: gone }, 'version'), code('NoSuchVersion'));
    const missing = { ...source, key };
    await assert.rejects(rig.do({ type: 'object.share', ...at, source: missing }, 'version'), code('NoSuchKey'));
  });

  it('are annotated in place, each version by itself', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const { version } = await rig.put(bucket, key, inlinePiece('1'));
    await rig.put(bucket, key, inlinePiece('2'));
    const named = { sequence: version.sequence, nonce: version.nonce };
    const annotate = (selector: typeof named | 'null' | undefined, guard?: Guard) =>
      rig.do(
        {
          type: 'object.annotate',
          bucket,
          key,
          version: selector,
          guard,
          change: {
            metadata: { clear: false, set: [['m', '1']] },
            headers: { clear: false, set: [['contentType', 'a/b']] },
          },
        },
        'version',
      );
    await annotate(named);
    const old = rig.reader.version(bucket, key, named) as ObjectVersion;
    assert.deepEqual(
      [old.metadata, old.headers, old.modifiedMs],
      [[['m', '1']], { contentType: 'a/b' }, version.modifiedMs],
    );
    assert.deepEqual((rig.reader.version(bucket, key, undefined) as ObjectVersion).metadata, []);
    await assert.rejects(annotate('null'), code('NoSuchVersion'));
    await assert.rejects(annotate(undefined, { ifNoneMatch: '*' }), code('PreconditionFailed'));
    const { version: marker } = await rig.remove(bucket, key);
    await assert.rejects(annotate(undefined), code('NoSuchKey'));
    await assert.rejects(annotate({ sequence: marker!.sequence, nonce: marker!.nonce }), code('MethodNotAllowed'));
    await annotate(named);
    assert.equal(versionsOf(rig, bucket).length, 3);
  });

  it('are appended to at the offset and the object that the writer saw', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const crc = (bytes: string) => {
      const sum = createChecksum('CRC32C');
      sum.update(Buffer.from(bytes));
      return { algorithm: 'CRC32C', type: 'FULL_OBJECT', value: sum.digest() } as const;
    };
    const append = (bytes: string, offset: number | undefined, wrappedKey: Buffer) => {
      const piece: Piece = { ...inlinePiece(bytes), checksum: crc(bytes) };
      const draft = draftOf(piece.size, piece.md5, { checksum: piece.checksum, storageClass: 'GLACIER', wrappedKey });
      return rig.do(
        { type: 'object.append', bucket, key, owner: 'o', guard: undefined, offset, piece, draft },
        'version',
      );
    };
    const [mine, other] = [Buffer.alloc(60, 1), Buffer.alloc(60, 2)];
    await assert.rejects(append('hello', 1, mine), code('InvalidWriteOffset'));
    const { version: first } = await append('hello', 0, mine);
    assert.equal(first.etagParts, 0);
    await assert.rejects(append('x', 5, other), code('ConditionalRequestConflict'));
    await assert.rejects(append('x', 4, mine), code('InvalidWriteOffset'));
    const { version: second } = await append(' world', 5, mine);
    assert.deepEqual(second.checksum, crc('hello world'), 'CRCs are joined');
    assert.deepEqual([second.size, second.etagParts, second.storageClass], [11, 2, 'GLACIER']);
    const { version: third } = await append('!', undefined, mine);
    assert.deepEqual(third.checksum, crc('hello world!'));
    assert.notDeepEqual(third.etag, second.etag);
  });
});

describe('access keys and groups', () => {
  it('are kept, and say what is wrong', async () => {
    const rig = await Rig.open();
    const record = { id: 'AK1', sealedSecret: key, owner: 'o', name: 'n', role: 'readwrite', buckets: ['b'] } as const;
    await rig.do({ type: 'key.create', record }, 'done');
    await assert.rejects(rig.do({ type: 'key.create', record }, 'done'), code('InvalidArgument'));
    await assert.rejects(
      rig.do({ type: 'key.create', record: { ...record, id: '' } }, 'done'),
      code('InvalidArgument'),
    );
    assert.deepEqual(rig.reader.accessKey('AK1'), { ...record, createdMs: rig.host.clock.now() });
    assert.equal(rig.reader.accessKeys().length, 1);
    await rig.do({ type: 'key.revoke', id: 'AK1' }, 'done');
    await assert.rejects(rig.do({ type: 'key.revoke', id: 'AK1' }, 'done'), code('NotFound'));
    assert.equal(rig.reader.accessKey('AK1'), undefined);
    const group = { id: 1, epoch: 1, devices: ['a', 'b'] };
    await rig.do({ type: 'group.define', groups: [group, { ...group, id: 2 }] }, 'done');
    await rig.do({ type: 'group.define', groups: [group] }, 'done');
    const changed = { ...group, devices: ['c'] };
    await assert.rejects(rig.do({ type: 'group.define', groups: [changed] }, 'done'), code('InvalidArgument'));
    await rig.do({ type: 'group.define', groups: [{ ...changed, epoch: 2 }] }, 'done');
    const coded = { id: 3, epoch: 1, devices: ['a', 'b', 'c'], code: { data: 2, parity: 1 } };
    for (const wrong of [
      { ...coded, code: { data: 3, parity: 1 } },
      { ...coded, id: 2, epoch: 2 },
    ])
      await assert.rejects(rig.do({ type: 'group.define', groups: [wrong] }, 'done'), code('InvalidArgument'));
    await rig.do({ type: 'group.define', groups: [coded] }, 'done');
    const { code: _, ...uncoded } = coded;
    await assert.rejects(
      rig.do({ type: 'group.define', groups: [{ ...uncoded, epoch: 2 }] }, 'done'),
      code('InvalidArgument'),
    );
    assert.deepEqual(rig.reader.groups().at(-1), coded);
    assert.deepEqual(
      rig.reader
        .groups()
        .slice(0, 2)
        .map(({ devices }) => devices),
      [['c'], ['a', 'b']],
    );
  });
});
