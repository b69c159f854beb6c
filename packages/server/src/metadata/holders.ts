import type { KvReader } from '../kv/index.ts';
import type { GarbageFrom, GarbageRow, LendersFrom, LendersPage, Link } from './keeping.ts';
import { keys, parse, tableEnd, tableStart } from './machine/keys.ts';
import { borrowedBy, decodePieceRow, stripesOf } from './machine/pieces.ts';
import { decodeGarbage } from './machine/rows.ts';
import { View } from './machine/view.ts';

/* Who holds which bytes besides versions, and which bytes nobody holds: rows in the order of their tables, a page at a time. */

/** As {@link MetadataReader.garbage}. */
export function garbageOf(kv: KvReader, limit: number, after?: GarbageFrom): readonly GarbageRow[] {
  const view = new View(kv);
  const found: GarbageRow[] = [];
  const start = after ? keys.garbage(after.position, after.ordinal) : tableStart('garbage');
  for (const { key, value } of kv.range({ start, end: tableEnd('garbage'), limit })) {
    const { position, ordinal } = parse.garbage(key);
    const { manifest, first, end } = decodeGarbage(value);
    const begun = after?.position === position && after.ordinal === ordinal;
    const from = begun ? Math.max(first, after.piece + 1) : first;
    for (const { index, row } of view.pieces(manifest, from, end, limit - found.length)) {
      const piece = row.kind === 'piece' ? row.piece : undefined;
      const stripes = piece ? stripesOf(piece).map(({ id, group }) => ({ id, group })) : [];
      const borrowed = piece && borrowedBy(piece);
      found.push({ position, ordinal, piece: index, stripes, ...(borrowed && { borrowed }) });
    }
    if (found.length >= limit) break;
  }
  return found;
}

/** As {@link MetadataReader.links}. */
export function linksOf(kv: KvReader, start: Buffer, limit: number): readonly Link[] {
  const found: Link[] = [];
  const end = tableEnd('pieces');
  // A link stands only in a manifest's first row: the rest is stepped over by a seek each.
  for (let from: Buffer | undefined = keys.piece(start, 0); from && found.length < limit; ) {
    const [next]: { key: Buffer; value: Buffer }[] = [...kv.range({ start: from, end, limit: 1 })];
    if (!next) break;
    const manifest = Buffer.from(parse.manifest(next.key));
    const row = parse.index(next.key) === 0 ? decodePieceRow(next.value) : undefined;
    if (row?.kind === 'link') found.push({ manifest, target: row.manifest, pieces: row.pieces });
    from = keys.piece(manifest, 0xffff_ffff);
  }
  return found;
}

/** As {@link MetadataReader.lenders}. */
export function lendersOf(kv: KvReader, from: LendersFrom | undefined, limit: number): LendersPage {
  const manifests: Buffer[] = [];
  let rows = 0;
  const range = { start: from?.row ?? tableStart('pieces'), end: tableEnd('pieces'), limit: limit + 1 };
  for (const { key, value } of kv.range(range)) {
    if (++rows > limit) return { manifests, next: { shard: 0, row: Buffer.from(key) } };
    const row = decodePieceRow(value);
    const borrowed = row.kind === 'piece' ? borrowedBy(row.piece) : undefined;
    if (borrowed) manifests.push(borrowed.manifest);
  }
  return { manifests, next: undefined };
}
