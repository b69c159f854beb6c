import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { audit } from './ledger.support.ts';
import { tableEnd, tableStart } from './machine/keys.ts';
import type { Piece } from './machine/records.ts';
import { completeUpload, inlinePiece, Rig, startUpload, stripedPiece } from './rig.support.ts';

const code = (expected: string) => (error: StoreError) => error.code === expected;
const key = Buffer.from('k');
const MiB = 1024 * 1024;

describe('uploads', () => {
  async function part(rig: Rig, bucket: number, upload: Buffer, number: number, size = 5 * MiB): Promise<Piece> {
    const piece = stripedPiece(await rig.stripes(1), size);
    await rig.do({ type: 'upload.part', bucket, key, upload, number, piece }, 'part');
    return piece;
  }

  it('refuse a list of parts that is not what was uploaded', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const upload = await startUpload(rig, bucket);
    const one = await part(rig, bucket, upload, 1);
    const two = await part(rig, bucket, upload, 2, 10);
    const three = await part(rig, bucket, upload, 3, 10);
    const done = (...parts: [number, Piece][]) => completeUpload(rig, bucket, upload, parts);
    await assert.rejects(done(), code('MalformedXML'));
    await assert.rejects(done([2, two], [1, one]), code('InvalidPartOrder'));
    await assert.rejects(done([1, one], [1, one]), code('InvalidPartOrder'));
    await assert.rejects(done([1, two]), code('InvalidPart'));
    await assert.rejects(done([4, one]), code('InvalidPart'));
    await assert.rejects(done([1, one], [5, two]), code('InvalidPart'));
    await assert.rejects(done([2, two], [3, three]), code('EntityTooSmall'));
    const lying = { ...one, size: 1 };
    await assert.rejects(done([1, lying]), code('InvalidRequest'));
    await assert.rejects(part(rig, bucket, upload, 0), code('InvalidArgument'));
    await assert.rejects(part(rig, bucket, upload, 10_001), code('InvalidArgument'));
    const { version } = await done([1, one], [3, three]);
    assert.deepEqual([version.partSizes, version.etagParts, version.size], [[5 * MiB, 10], 2, 5 * MiB + 10]);
    assert.equal(rig.reader.garbage(10).length, 1, 'part 2 was not named');
    audit(rig.kv);
  });

  it('take a part that borrows only while a version has what it borrows', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const upload = await startUpload(rig, bucket);
    const lender = Buffer.from('lender');
    const large = async () => stripedPiece(await rig.stripes(limits.embeddedStripes + 1), 5 * MiB);
    const { version } = await rig.put(bucket, lender, await large());
    const source = { bucket, key: lender, version: undefined };
    const borrow = (borrowed: object, from: object = source) => {
      const all = { manifest: version.manifest.id, first: 0, end: 1, offset: 0, depth: 1, key: Buffer.alloc(60) };
      const piece = { ...inlinePiece('b'), size: 5 * MiB, body: { borrowed: { ...all, ...borrowed } } };
      const command = { type: 'upload.part', bucket, key, upload, number: 1, piece } as const;
      return rig.do({ ...command, source: { ...source, ...from } }, 'part');
    };
    const changed = code('ConditionalRequestConflict');
    await assert.rejects(borrow({ end: 2 }), changed);
    await assert.rejects(borrow({ manifest: Buffer.alloc(16, 1) }), changed);
    await assert.rejects(borrow({}, { key: Buffer.from('nobody') }), changed);
    await assert.rejects(borrow({}, { version: { sequence: 99, nonce: Buffer.alloc(8) } }), changed);
    const small = await rig.put(bucket, Buffer.from('small'), stripedPiece(await rig.stripes(1), 5 * MiB));
    await assert.rejects(borrow({ manifest: small.version.manifest.id }, { key: Buffer.from('small') }), changed);
    assert.equal(rig.reader.references(version.manifest.id), 1);
    await borrow({});
    assert.equal(rig.reader.references(version.manifest.id), 2);
    await rig.put(bucket, lender, await large());
    await assert.rejects(borrow({}), changed);
    assert.equal(rig.reader.part(upload, 1)?.piece.size, 5 * MiB);
    assert.deepEqual(rig.reader.garbage(10), [], 'the part holds what the version let go');
    audit(rig.kv);
  });

  it('are gone once completed or aborted, but a completion may be repeated while its object is there', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const upload = await startUpload(rig, bucket);
    const one = await part(rig, bucket, upload, 1);
    const { version } = await completeUpload(rig, bucket, upload, [[1, one]]);
    const again = await completeUpload(rig, bucket, upload, [[1, one]]);
    assert.equal(again.version.sequence, version.sequence);
    await assert.rejects(completeUpload(rig, bucket, upload, [[1, inlinePiece('x')]]), code('NoSuchUpload'));
    await assert.rejects(part(rig, bucket, upload, 2), code('NoSuchUpload'));
    await assert.rejects(rig.do({ type: 'upload.abort', bucket, key, upload }, 'done'), code('NoSuchUpload'));
    await rig.put(bucket, key, inlinePiece('1'));
    await assert.rejects(completeUpload(rig, bucket, upload, [[1, one]]), code('NoSuchUpload'));
    const other = await startUpload(rig, bucket);
    await part(rig, bucket, other, 1);
    await rig.do({ type: 'upload.abort', bucket, key, upload: other }, 'done');
    await assert.rejects(part(rig, bucket, other, 1), code('NoSuchUpload'));
    assert.equal(rig.reader.upload(bucket, key, other), undefined);
    audit(rig.kv);
  });

  it('are known by the version that they became, under newer ones, as far back as is looked', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const upload = await startUpload(rig, bucket);
    const one = await part(rig, bucket, upload, 1);
    const { version } = await completeUpload(rig, bucket, upload, [[1, one]]);
    const again = async () => (await completeUpload(rig, bucket, upload, [[1, one]])).version.sequence;
    for (let newer = 1; newer <= limits.completedSought; newer++) await rig.put(bucket, key, inlinePiece('x'));
    assert.equal(await again(), version.sequence);
    await rig.put(bucket, key, inlinePiece('x'));
    await assert.rejects(again, code('NoSuchUpload'));
    audit(rig.kv);
  });

  it('are not taken for copies onto the same key, which have the same bytes', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const upload = await startUpload(rig, bucket);
    const one = await part(rig, bucket, upload, 1);
    const { version } = await completeUpload(rig, bucket, upload, [[1, one]]);
    const source = { bucket, key, version: undefined, manifest: version.manifest.id };
    const share = { type: 'object.share', bucket, key, owner: 'o', guard: undefined, draft: version, source } as const;
    const copy = await rig.do(share, 'version');
    assert.ok(copy.version.manifest.id.equals(upload));
    const again = await completeUpload(rig, bucket, upload, [[1, one]]);
    assert.equal(again.version.sequence, version.sequence);
  });

  it('of one small part leave it in the version, and no row', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const upload = await startUpload(rig, bucket);
    const one = await part(rig, bucket, upload, 3);
    const { version } = await completeUpload(rig, bucket, upload, [[3, one]]);
    assert.ok(version.manifest.embedded);
    assert.equal([...rig.kv.range({ start: tableStart('pieces'), end: tableEnd('pieces') })].length, 0);
  });

  it('take 10,000 parts, in place when they are dense and moved when they are not', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    for (const [name, keep] of [
      ['dense', () => true],
      ['sparse', (number: number) => number % 3 !== 0],
    ] as const) {
      const upload = await startUpload(rig, bucket);
      const stripes = await rig.stripes(limits.parts);
      const parts = stripes.map((stripe, index) => [index + 1, stripedPiece([stripe], 5 * MiB + index)] as const);
      const put = ([number, piece]: (typeof parts)[number]) =>
        rig.do({ type: 'upload.part', bucket, key, upload, number, piece }, 'part');
      for (let from = 0; from < parts.length; from += 5000) await Promise.all(parts.slice(from, from + 5000).map(put));
      const named = parts.filter(([number]) => keep(number));
      const { version } = await completeUpload(rig, bucket, upload, named);
      assert.equal(version.partSizes.length, named.length, name);
      const pieces = rig.reader.pieces(version.manifest, 0, limits.parts);
      assert.deepEqual(
        pieces.map((piece) => piece.size),
        named.map(([, piece]) => piece.size),
      );
      const middle = named.length >> 1;
      const offset = named.slice(0, middle).reduce((sum, [, piece]) => sum + piece.size, 0);
      assert.deepEqual(rig.reader.locate(version, offset), { index: middle, start: offset });
    }
    const waiting = rig.reader.garbage(100_000);
    assert.equal(waiting.length, limits.parts + 3333, 'the replaced object, and every third part');
    assert.equal(audit(rig.kv).size, 2 * limits.parts);
  });
});
