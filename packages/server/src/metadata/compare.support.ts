import assert from 'node:assert/strict';
import type { ObjectVersion, VersionRecord } from './machine/records.ts';
import { fold, type ModelBucket, type ModelVersion } from './model.support.ts';
import { hex, names, type Operation, selectorOf, texts } from './scenarios.support.ts';
import type { MetadataReader } from './types.ts';

const textOf = (key: Buffer): string => key.toString('latin1');

/** Asks a reader everything that the model can answer. */
export class Comparison {
  readonly reader: MetadataReader;

  constructor(reader: MetadataReader) {
    this.reader = reader;
  }

  checkBucket(bucket: ModelBucket, id: number, index: number, op: Operation): void {
    const { reader } = this;
    const record = reader.bucket(names[index]!)!;
    assert.equal(record.versioning, bucket.versioning);
    // Parts are counted where quotas are: quotas.test.ts.
    const { partBytes: _, ...counts } = record.counts;
    assert.deepEqual(counts, bucket.counts());
    for (const text of texts) {
      const key = Buffer.from(text, 'latin1');
      const versions = bucket.of(text);
      this.same(reader.version(id, key, undefined), versions[0]);
      this.same(
        reader.version(id, key, 'null'),
        versions.find((version) => version.isNull),
      );
      for (const version of versions) this.same(reader.version(id, key, selectorOf(version)), version);
    }
    const all = bucket.sortedKeys();
    const live = all.filter((key) => bucket.live(key));
    const prefix = ['', 'a', 'a/', 'b', '\xff'][op.a % 5]!;
    const delimiter = ['', '/', 'b', '/b'][op.b % 4]!;
    const start = ['', 'a/b', 'b', '\xff'][op.a % 4]!;
    const limit = 1 + (op.b % 4);
    const far = bucket.keys.get(texts[op.key]!)?.[0];
    if (far && !far.marker) this.checkTail(id, texts[op.key]!, far);
    const query = {
      bucket: id,
      prefix: Buffer.from(prefix, 'latin1'),
      delimiter: Buffer.from(delimiter, 'latin1'),
      limit,
    };
    const expected = fold(live, prefix, delimiter, start);
    const page = reader.list({ ...query, start: Buffer.from(start, 'latin1') });
    const shown = page.items.map((item) =>
      'key' in item ? { key: textOf(item.key) } : { prefix: textOf(item.prefix) },
    );
    assert.deepEqual(shown, expected.slice(0, limit));
    assert.equal(page.truncated, expected.length > limit);
    this.checkVersions(bucket, query, start);
    this.checkUploads(bucket, query);
  }

  /** Reads that begin at each piece, so behind every link too. */
  checkTail(id: number, text: string, version: ModelVersion): void {
    const { reader } = this;
    const found = reader.version(id, Buffer.from(text, 'latin1'), undefined) as ObjectVersion;
    for (let first = 0; first <= version.pieces.length; first++) {
      const md5s = reader.pieces(found.manifest, first, 1000).map((piece) => hex(piece.md5));
      assert.deepEqual(md5s, version.pieces.slice(first));
    }
  }

  checkVersions(
    bucket: ModelBucket,
    query: { bucket: number; prefix: Buffer; delimiter: Buffer; limit: number },
    start: string,
  ): void {
    const items = fold(bucket.sortedKeys(), textOf(query.prefix), textOf(query.delimiter), start);
    const expected = items.flatMap(({ key, prefix }) =>
      key === undefined ? [prefix!] : bucket.of(key).map((version, at) => `${key} ${version.sequence} ${at === 0}`),
    );
    const found: string[] = [];
    let from: Buffer = Buffer.from(start, 'latin1');
    let after: { key: Buffer; sequence: number } | undefined;
    for (let pages = 0; ; pages++) {
      const page = this.reader.listVersions({ ...query, start: from, after });
      for (const item of page.items) {
        found.push(
          'key' in item ? `${textOf(item.key)} ${item.record.sequence} ${item.isLatest}` : textOf(item.prefix),
        );
      }
      if (!page.truncated) break;
      const last = page.items.at(-1)!;
      if ('key' in last) {
        after = { key: last.key, sequence: last.record.sequence };
        from = last.key;
      } else {
        after = undefined;
        const next = Buffer.from(last.prefix);
        next[next.length - 1]! += 1;
        from = next;
      }
      assert.ok(pages < 200);
    }
    assert.deepEqual(found, expected);
  }

  checkUploads(bucket: ModelBucket, query: { bucket: number; prefix: Buffer; delimiter: Buffer; limit: number }): void {
    const open = bucket.uploads.map((upload) => ({ key: upload.key, id: hex(upload.id) }));
    open.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id < b.id ? -1 : 1));
    const keys = [...new Set(open.map(({ key }) => key))];
    const expected = fold(keys, textOf(query.prefix), textOf(query.delimiter), '').flatMap(({ key, prefix }) =>
      key === undefined ? [prefix!] : open.filter((upload) => upload.key === key).map((upload) => upload.id),
    );
    const found: string[] = [];
    let after: { key: Buffer; upload: Buffer } | undefined;
    let from: Buffer = Buffer.alloc(0);
    for (let pages = 0; ; pages++) {
      const page = this.reader.listUploads({ ...query, start: from, after });
      for (const item of page.items) found.push('id' in item ? hex(item.id) : textOf(item.prefix));
      if (!page.truncated) break;
      const last = page.items.at(-1)!;
      if ('id' in last) {
        after = { key: last.key, upload: last.id };
        from = Buffer.from(last.key);
      } else {
        after = undefined;
        from = Buffer.from(last.prefix);
        from[from.length - 1]! += 1;
      }
      assert.ok(pages < 200);
    }
    assert.deepEqual(found, expected);
    for (const upload of bucket.uploads) {
      const parts = this.reader.parts(upload.id, 0, 1000).items.map((part) => [part.number, hex(part.piece.md5)]);
      const wanted = [...upload.parts].sort(([a], [b]) => a - b).map(([number, piece]) => [number, hex(piece.md5)]);
      assert.deepEqual(parts, wanted);
    }
  }

  same(found: VersionRecord | undefined, expected: ModelVersion | undefined): void {
    assert.equal(found?.sequence, expected?.sequence);
    if (!found || !expected) return;
    assert.equal(found.isNull, expected.isNull);
    assert.equal(found.kind === 'marker', expected.marker);
    if (found.kind === 'marker') return;
    assert.equal(found.size, expected.size);
    assert.deepEqual(found.tags, expected.tags);
    this.samePieces(found, expected);
  }

  samePieces(found: ObjectVersion, expected: ModelVersion): void {
    const { reader } = this;
    const md5s = reader.pieces(found.manifest, 0, 1000).map((piece) => hex(piece.md5));
    assert.deepEqual(md5s, expected.pieces);
    const half = expected.pieces.length >> 1;
    assert.deepEqual(
      reader.pieces(found.manifest, half, 2).map((piece) => hex(piece.md5)),
      expected.pieces.slice(half, half + 2),
    );
    let start = 0;
    for (const [index, size] of expected.pieceSizes.entries()) {
      for (const offset of size === 0 ? [] : [start, start + size - 1])
        assert.deepEqual(reader.locate(found, offset), { index, start });
      start += size;
    }
  }
}
