import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { audit } from '../ledger.support.ts';
import { draftOf, inlinePiece, Rig, stripedPiece } from '../rig.support.ts';
import type { ObjectVersion } from './records.ts';

const key = Buffer.from('log');

class Appending {
  readonly rig: Rig;
  readonly bucket: number;

  constructor(rig: Rig, bucket: number) {
    this.rig = rig;
    this.bucket = bucket;
  }

  static async start(): Promise<Appending> {
    const rig = await Rig.open();
    return new Appending(rig, await rig.bucket('bucket', 'enabled'));
  }

  async put(): Promise<ObjectVersion> {
    return (await this.rig.put(this.bucket, key, stripedPiece(await this.rig.stripes(1), 100))).version;
  }

  async append(size: number): Promise<ObjectVersion> {
    const before = this.rig.reader.version(this.bucket, key, undefined) as ObjectVersion;
    const piece = stripedPiece(await this.rig.stripes(1), size);
    const draft = draftOf(size, piece.md5);
    const at = {
      bucket: this.bucket,
      key,
      owner: 'o',
      guard: undefined,
      offset: before.size,
      piece,
      draft,
    };
    return (await this.rig.do({ type: 'object.append', ...at }, 'version')).version;
  }

  async remove(version: ObjectVersion): Promise<void> {
    await this.rig.remove(this.bucket, key, version);
    audit(this.rig.kv);
  }

  async collect(count = 1000): Promise<number> {
    const rows = this.rig.reader.garbage(count);
    await this.rig.do({ type: 'garbage.collected', rows }, 'done');
    audit(this.rig.kv);
    return rows.length;
  }

  sizes(version: ObjectVersion): number[] {
    return this.rig.reader.pieces(version.manifest, 0, 1000).map((piece) => piece.size);
  }
}

describe('manifests', () => {
  it('go on in place while nobody went on before', async () => {
    const log = await Appending.start();
    const first = await log.put();
    const second = await log.append(1);
    const third = await log.append(2);
    assert.deepEqual(third.manifest.id, first.manifest.id);
    assert.deepEqual(
      [first, second, third].map((version) => log.sizes(version)),
      [[100], [100, 1], [100, 1, 2]],
    );
    assert.equal(log.rig.reader.references(first.manifest.id), 3);
    assert.equal(third.etagParts, 3);
    audit(log.rig.kv);
  });

  it('lose what only the longest version saw, once it goes', async () => {
    const log = await Appending.start();
    const first = await log.put();
    const second = await log.append(1);
    const third = await log.append(2);
    await log.remove(second);
    assert.equal(log.rig.reader.garbage(10).length, 0, 'a longer version still holds those pieces');
    await log.remove(third);
    assert.deepEqual(
      log.rig.reader.garbage(10).map(({ piece }) => piece),
      [1, 2],
    );
    assert.equal(log.rig.reader.references(first.manifest.id), 1);
    await log.remove(first);
    assert.equal(log.rig.reader.garbage(10).length, 3);
    assert.equal(await log.collect(), 3);
    assert.equal(audit(log.rig.kv).size, 0);
  });

  it('grow again where collection made room, and are not collected there', async () => {
    const log = await Appending.start();
    await log.put();
    const second = await log.append(1);
    const third = await log.append(2);
    await log.remove(second);
    await log.remove(third);
    assert.equal(await log.collect(1), 1, 'piece 1 goes, piece 2 waits');
    const again = await log.append(3);
    assert.deepEqual(again.manifest.id, second.manifest.id);
    audit(log.rig.kv);
    const forked = await log.append(4);
    assert.notDeepEqual(forked.manifest.id, second.manifest.id, 'garbage stands where the next piece would');
    assert.equal(await log.collect(), 1);
    assert.deepEqual(log.sizes(forked), [100, 3, 4]);
    audit(log.rig.kv);
  });

  it('begin anew with a link where another version went on', async () => {
    const log = await Appending.start();
    const first = await log.put();
    const gone = await log.append(1);
    await log.remove(gone);
    const forked = await log.append(2);
    assert.notDeepEqual(forked.manifest.id, first.manifest.id);
    assert.deepEqual(log.rig.reader.links(Buffer.alloc(16), 10), [
      { manifest: forked.manifest.id, target: first.manifest.id, pieces: 1 },
    ]);
    assert.equal(log.rig.reader.references(first.manifest.id), 2);
    assert.deepEqual(log.sizes(forked), [100, 2]);
    await log.remove(first);
    assert.deepEqual(log.sizes(forked), [100, 2], 'the link holds what it stands for');
    await log.remove(forked);
    await log.collect();
    assert.equal(audit(log.rig.kv).size, 0, 'with the link goes what it stood for');
  });

  it('lean on each other only so far', async () => {
    const log = await Appending.start();
    await log.put();
    const expected = [100];
    for (let depth = 0; depth <= limits.manifestLinks; depth++) {
      await log.append(depth);
      const gone = await log.append(2);
      await log.rig.remove(log.bucket, key, gone);
      expected.push(depth);
    }
    audit(log.rig.kv);
    const longest = log.rig.reader.version(log.bucket, key, undefined) as ObjectVersion;
    assert.deepEqual(log.sizes(longest), expected.slice(0, 1000));
    let start = 0;
    for (const [index, size] of expected.entries()) {
      if (size > 0) assert.deepEqual(log.rig.reader.locate(longest, start), { index, start });
      start += size;
    }
    await assert.rejects(
      log.append(3),
      (error: StoreError) => error.code === 'TooManyParts' && /Rewrite/.test(error.message),
    );
    audit(log.rig.kv);
  });

  it('take no more pieces than the limit', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const pieces = Array.from({ length: limits.appendPieces - 1 }, (_, at) => inlinePiece(`${at % 10}`));
    const draft = draftOf(pieces.length, pieces[0]!.md5);
    let { version } = await rig.put(bucket, key, pieces[0]!, { pieces, draft });
    const append = async () => {
      const piece = inlinePiece('y');
      const at = {
        bucket,
        key,
        owner: 'o',
        guard: undefined,
        offset: undefined,
        draft: draftOf(1, piece.md5),
      };
      version = (await rig.do({ type: 'object.append', ...at, piece }, 'version')).version;
    };
    await append();
    await assert.rejects(append, (error: StoreError) => error.code === 'TooManyParts');
    assert.equal(version.size, limits.appendPieces);
    assert.deepEqual(rig.reader.locate(version, 7777), { index: 7777, start: 7777 });
    assert.equal(rig.reader.pieces(version.manifest, 9990, 100).length, 10);
    assert.equal(rig.reader.garbage(10).length, 0, 'in a bucket without versions nothing is left behind');
  });

  it('are shared by copies until the last of them goes', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const { version } = await rig.put(bucket, 'from', stripedPiece(await rig.stripes(2), 5000));
    const source = { bucket, key: Buffer.from('from'), version: undefined, manifest: version.manifest.id };
    const copy = (to: string) => {
      const at = {
        bucket,
        key: Buffer.from(to),
        owner: 'o',
        guard: undefined,
        draft: draftOf(5000, version.etag),
        source,
      };
      return rig.do({ type: 'object.share', ...at }, 'version');
    };
    await copy('to');
    await copy('from');
    assert.equal(rig.reader.references(version.manifest.id), 2);
    await rig.remove(bucket, 'from');
    assert.equal(rig.reader.garbage(10).length, 0);
    await rig.remove(bucket, 'to');
    const [garbage] = rig.reader.garbage(10);
    assert.equal(garbage!.stripes.length, 2);
    assert.equal(garbage!.position, rig.metadata.statistics().position);
    await assert.rejects(copy('again'), (error: StoreError) => error.code === 'NoSuchKey');
  });

  it('are not shared at a length that an append has left behind', async () => {
    const log = await Appending.start();
    const { rig, bucket } = log;
    const { manifest } = await log.put();
    await log.append(50);
    const before = await log.append(50);
    assert.ok(!before.manifest.id.equals(manifest.id) || before.size === 200);
    const source = { bucket, key, version: undefined, manifest: before.manifest.id };
    const at = {
      bucket,
      key: Buffer.from('to'),
      owner: 'o',
      guard: undefined,
      draft: draftOf(200, before.etag),
      source,
    };
    const after = await log.append(50);
    assert.ok(after.manifest.id.equals(before.manifest.id), 'the append goes on in the manifest of its source');
    const conflict = (error: StoreError): boolean => error.code === 'ConditionalRequestConflict';
    await assert.rejects(rig.do({ type: 'object.share', ...at }, 'version'), conflict);
  });

  it('are collected in order within a record, and what is reported out of order comes again', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const pieces = [stripedPiece(await rig.stripes(1), 1), inlinePiece('x'), stripedPiece(await rig.stripes(3), 2)];
    await rig.put(bucket, 'k', pieces[0]!, { pieces, draft: draftOf(4, pieces[0]!.md5) });
    await rig.remove(bucket, 'k');
    const rows = rig.reader.garbage(10);
    assert.deepEqual(
      rows.map(({ piece, stripes }) => [piece, stripes.length]),
      [
        [0, 1],
        [1, 0],
        [2, 3],
      ],
    );
    const report = (which: typeof rows) => rig.do({ type: 'garbage.collected', rows: which }, 'done');
    await report([rows[2]!]);
    await report([rows[1]!, rows[2]!]);
    assert.equal(rig.reader.garbage(10).length, 3);
    await report([rows[0]!, rows[2]!]);
    assert.deepEqual(
      rig.reader.garbage(10).map(({ piece }) => piece),
      [1, 2],
    );
    assert.deepEqual(
      rig.reader.garbage(10, rows[1]).map(({ piece }) => piece),
      [2],
    );
    await report(rows);
    await report(rows.slice(1));
    assert.equal(rig.reader.garbage(10).length, 0);
    await report(rows);
    assert.equal(audit(rig.kv).size, 0);
  });
});
