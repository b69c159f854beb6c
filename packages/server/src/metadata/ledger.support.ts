import assert from 'node:assert/strict';
import type { KvReader, KvView } from '../kv/index.ts';
import { parse, type Table, tableEnd, tableStart } from './machine/keys.ts';
import { borrowedBy, decodePieceRow, stripesOf } from './machine/pieces.ts';
import { decodeGarbage, decodeNumber, decodePlace, decodeUpload } from './machine/rows.ts';
import { isOutside, VersionRow } from './machine/versions.ts';
import { openMetadataReader } from './reader.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function* rowsOf(kv: KvReader, table: Table) {
  yield* kv.range({ start: tableStart(table), end: tableEnd(table) });
}

/**
 * Adds up every holder of bytes and compares with what the tables say: each stripe and each piece row is held by a version, by a part of
 * an open upload, or is garbage, and never two of these; references are those that there are.
 * @returns ids of all stripes that are known
 */
export function audit(kv: KvView): Set<string> {
  const reader = openMetadataReader(kv);
  const held = new Set<string>();
  const rows = new Set<string>();
  const holders = new Map<string, Map<number, number>>();
  const hold = (manifest: Buffer, pieces: number): void => {
    const counts = holders.get(hex(manifest)) ?? new Map<number, number>();
    counts.set(pieces, (counts.get(pieces) ?? 0) + 1);
    holders.set(hex(manifest), counts);
  };
  const nulls = new Map<string, number>();
  const guks = new Map<string, string>();
  for (const table of ['objects', 'history'] as const) {
    for (const { key, value } of rowsOf(kv, table)) {
      const row = new VersionRow(value);
      const record = row.record();
      if (table === 'objects') guks.set(hex(row.guk), hex(key.subarray(1)));
      else {
        assert.equal(hex(key.subarray(1, 17)), hex(row.guk));
        assert.equal(parse.sequence(key), row.sequence);
        if (row.isNull) nulls.set(hex(row.guk), row.sequence);
      }
      if (record.kind === 'marker') continue;
      assert.equal(row.isOutside, isOutside(record.manifest));
      if (!isOutside(record.manifest)) continue;
      hold(record.manifest.id, record.manifest.pieces);
      if (record.manifest.embedded) {
        for (const { id } of stripesOf(record.manifest.embedded)) held.add(hex(id));
      }
    }
  }
  for (const { key, value } of rowsOf(kv, 'history')) {
    const place = reader.byGuk(Buffer.from(key.subarray(1, 17)));
    assert.ok(place, 'history has an object');
    const newest = reader.version(place.bucket, place.key, undefined)!;
    assert.ok(newest.sequence > new VersionRow(value).sequence, 'the newest version has the highest sequence');
  }
  // What borrows holds its lender until it is collected.
  for (const { value } of rowsOf(kv, 'pieces')) {
    const row = decodePieceRow(value);
    const borrowed = row.kind === 'piece' ? borrowedBy(row.piece) : undefined;
    if (borrowed) hold(borrowed.manifest, borrowed.end);
  }
  // A manifest is held by versions and borrowers, then by the links of manifests that are held.
  const waiting = [...holders.keys()];
  const walk = (manifest: string): void => {
    const longest = Math.max(...holders.get(manifest)!.keys());
    for (let index = 0; index < longest; index++) rows.add(`${manifest}/${index}`);
    const row = kv.get(Buffer.concat([tableStart('pieces'), Buffer.from(manifest, 'hex'), Buffer.alloc(4)]));
    const head = row && decodePieceRow(row);
    if (head?.kind !== 'link') return;
    if (!holders.has(hex(head.manifest))) waiting.push(hex(head.manifest));
    hold(head.manifest, head.pieces);
  };
  // A link leads from a newer manifest to an older one: newer first, so that every holder of the older is known.
  for (const seen = new Set<string>(); waiting.length > 0; ) {
    waiting.sort();
    const next = waiting.pop()!;
    if (seen.has(next)) continue;
    seen.add(next);
    walk(next);
  }
  for (const { value } of rowsOf(kv, 'uploads')) {
    const upload = decodeUpload(value);
    for (const part of reader.parts(upload.id, 0, 10_000).items) rows.add(`${hex(upload.id)}/${part.number - 1}`);
  }
  const garbage = new Set<string>();
  const garbageRows: { manifest: string; first: number; end: number }[] = [];
  for (const { value } of rowsOf(kv, 'garbage')) {
    const record = decodeGarbage(value);
    garbageRows.push({ ...record, manifest: hex(record.manifest) });
  }
  for (const { key, value } of rowsOf(kv, 'pieces')) {
    const manifest = hex(parse.manifest(key));
    const index = parse.index(key);
    const name = `${manifest}/${index}`;
    const dead = garbageRows.filter((each) => each.manifest === manifest && each.first <= index && index < each.end);
    assert.ok(dead.length <= 1, `piece ${name} is garbage once`);
    const live = rows.has(name);
    assert.notEqual(
      live,
      dead.length === 1,
      `piece ${name} is ${live ? 'held and garbage' : 'neither held nor garbage'}`,
    );
    const row = decodePieceRow(value);
    if (row.kind === 'link') continue;
    for (const { id } of stripesOf(row.piece)) {
      if (live) held.add(hex(id));
      else {
        assert.ok(!garbage.has(hex(id)), `stripe ${hex(id)} is garbage once`);
        garbage.add(hex(id));
      }
    }
  }
  for (const id of held) assert.ok(!garbage.has(id), `stripe ${id} is held or garbage, not both`);
  const reported = reader.garbage(100_000).flatMap((row) => row.stripes.map(({ id }) => hex(id)));
  assert.deepEqual(reported.sort(), [...garbage].sort(), 'the collector is told of all garbage, once');
  const known = new Set<string>();
  for (const { key } of rowsOf(kv, 'stripes')) known.add(hex(key.subarray(1)));
  assert.deepEqual([...known].sort(), [...held, ...garbage].sort(), 'every stripe is held or garbage');
  checkReferences(kv, holders);
  const saidNulls = new Map<string, number>();
  for (const { key, value } of rowsOf(kv, 'nulls')) saidNulls.set(hex(key.subarray(1)), decodeNumber(value));
  assert.deepEqual(saidNulls, nulls);
  const saidGuks = new Map<string, string>();
  for (const { key, value } of rowsOf(kv, 'guks')) {
    const { bucket, key: object } = decodePlace(value);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(bucket);
    saidGuks.set(hex(key.subarray(1)), hex(Buffer.concat([head, object])));
  }
  assert.deepEqual(saidGuks, guks);
  return known;
}

function checkReferences(kv: KvReader, holders: ReadonlyMap<string, ReadonlyMap<number, number>>): void {
  const said: Record<string, number> = {};
  for (const { key, value } of rowsOf(kv, 'references')) {
    said[`${hex(parse.manifest(key))}/${parse.index(key)}`] = decodeNumber(value);
  }
  const counted: Record<string, number> = {};
  for (const [manifest, counts] of holders) {
    const all = [...counts.values()].reduce((sum, each) => sum + each, 0);
    if (all > 1) for (const [pieces, count] of counts) counted[`${manifest}/${pieces}`] = count;
  }
  assert.deepEqual(said, counted, 'references are the holders that there are');
}
