import { fits } from './fits.ts';
import { type counters, keys, parse } from './keys.ts';
import type { Overlay } from './overlay.ts';
import { borrowedBy, decodePieceRow, encodePieceRow, stripesOf } from './pieces.ts';
import type { BucketCounts, BucketId, ObjectVersion, Piece } from './records.ts';
import { decodeNumber, encodeCounts, encodeGarbage, encodeNumber, encodeStripe } from './rows.ts';
import { meter } from './usage.ts';
import { isOutside, type VersionRow } from './versions.ts';
import { View } from './view.ts';

/*
 * Who holds which bytes.
 *
 * A manifest is a list of pieces that only grows; a version holds the first n of them. Several versions may hold the same manifest
 * (copies, metadata patches, appends with versioning on), with different n. Rows of table `references` count the holders for each n; a
 * manifest that a single version holds has no such row, which is the case of nearly all. When the longest holder goes, the pieces
 * behind the next longest become garbage; when the last one goes, all do. A manifest that begins with a link holds the pieces that the
 * link stands for, as a version would. So does a piece that borrows from another manifest, until it is collected itself.
 *
 * Garbage is a range of rows of table `pieces`, so deleting an object costs the same whatever its size: the rows and their stripes go
 * one by one as the collector reports them. Every stripe belongs to one piece of one row, and is garbage once at most.
 *
 * Rejected: counting references for each stripe (a fork of a long manifest then touches every stripe, and the collector has to know of
 * shared ones); garbage rows for each stripe at the time of the deletion (655,360 rows in one entry for an object of 5 TiB).
 */

/** One entry being applied. */
export class Application {
  readonly rows: Overlay;
  readonly view: View;
  readonly position: number;
  /** Numbers the garbage records of this entry. */
  #ordinal = 0;

  /** @param view of the same rows, where somebody has one already */
  constructor(rows: Overlay, position: number, view: View = new View(rows)) {
    this.rows = rows;
    this.view = view;
    this.position = position;
  }

  /** Writes a counter. */
  tally(name: keyof typeof counters, value: number): void {
    fits(Number.isSafeInteger(value), 'counters stay below 2^53');
    this.rows.assign(this.view.counterCell(this.rows, name), value, encodeNumber);
  }

  /** @param row the version that comes or goes, if it is one */
  count(bucket: BucketId, change: Partial<BucketCounts>, row?: VersionRow): void {
    const counts = this.view.counts(bucket);
    const next = {
      objects: counts.objects + (change.objects ?? 0),
      versions: counts.versions + (change.versions ?? 0),
      uploads: counts.uploads + (change.uploads ?? 0),
      bytes: counts.bytes + (change.bytes ?? 0),
      partBytes: counts.partBytes + (change.partBytes ?? 0),
    };
    fits(next.objects >= 0 && next.versions >= 0 && next.uploads >= 0 && next.bytes >= 0, 'counts stay above zero');
    fits(next.partBytes >= 0, 'bytes of parts stay above zero');
    fits(Number.isSafeInteger(next.bytes + next.partBytes), 'counts stay below 2^53');
    this.rows.assign(this.view.countsCell(this.rows, bucket), next, encodeCounts);
    if (this.view.isMetered()) meter(this, bucket, change, row);
  }

  /** Makes the stripes of a piece known, under the object that they are published for. */
  publish(piece: Piece, manifest: Buffer, bucket: BucketId, key: Buffer): void {
    for (const { id, group } of stripesOf(piece)) {
      this.rows.set(keys.stripe(id), encodeStripe({ manifest, group, bucket, key }));
    }
  }

  /** One more holder of the first `pieces` pieces; there is one already that holds the first `held`. */
  hold(manifest: Buffer, held: number, pieces: number): void {
    const [any] = this.#references(manifest, { limit: 1 });
    if (!any) this.rows.set(keys.reference(manifest, held), encodeNumber(1));
    const key = keys.reference(manifest, pieces);
    const row = this.rows.get(key);
    this.rows.set(key, encodeNumber((row ? decodeNumber(row) : 0) + 1));
  }

  /** A version goes: what only it held becomes garbage. */
  release(version: ObjectVersion): void {
    if (!isOutside(version.manifest)) return;
    const { id, pieces, embedded } = version.manifest;
    if (embedded && this.#references(id, { limit: 1 }).length === 0) {
      const row = { kind: 'piece', modifiedMs: version.modifiedMs, start: 0, piece: embedded } as const;
      this.rows.set(keys.piece(id, 0), encodePieceRow(row));
      this.discard(id, 0, 1);
      return;
    }
    this.#let(id, pieces);
  }

  #let(manifest: Buffer, pieces: number): void {
    let id = manifest;
    let held = pieces;
    while (true) {
      if (this.#references(id, { limit: 1 }).length > 0) {
        this.#forget(id, held);
        return;
      }
      this.discard(id, 0, held);
      const first = this.view.piece(id, 0);
      if (first?.kind !== 'link') return;
      id = first.manifest;
      held = first.pieces;
    }
  }

  /** One holder of several goes. */
  #forget(manifest: Buffer, pieces: number): void {
    const key = keys.reference(manifest, pieces);
    const row = this.rows.get(key);
    fits(row, 'a shared manifest has a row for each of its holders');
    const left = decodeNumber(row) - 1;
    this.rows.set(key, left === 0 ? undefined : encodeNumber(left));
    const [longest] = this.#references(manifest, { limit: 1, reverse: true });
    fits(longest, 'a shared manifest keeps a holder when another goes');
    if (longest.pieces < pieces) this.discard(manifest, longest.pieces, pieces);
    const lowest = this.#references(manifest, { limit: 2 });
    if (lowest.length === 1 && lowest[0]!.holders === 1) {
      this.rows.set(keys.reference(manifest, lowest[0]!.pieces), undefined);
    }
  }

  #references(manifest: Buffer, bounds: { limit: number; reverse?: boolean }): { pieces: number; holders: number }[] {
    const range = { start: keys.reference(manifest, 0), end: keys.reference(manifest, 0xffff_ffff), ...bounds };
    return Array.from(this.rows.range(range), ({ key, value }) => ({
      pieces: parse.index(key),
      holders: decodeNumber(value),
    }));
  }

  /** Rows [first, end) of a manifest are garbage from this entry on. */
  discard(manifest: Buffer, first: number, end: number): void {
    this.rows.set(keys.garbage(this.position, this.#ordinal++), encodeGarbage({ manifest, first, end }));
  }

  /** A row of table `pieces` gives its place away: what it held moves below an id of its own and is garbage. */
  displace(row: Buffer): void {
    const value = decodePieceRow(row);
    fits(value.kind === 'piece', 'only pieces are displaced');
    if (stripesOf(value.piece).length === 0 && !borrowedBy(value.piece)) return;
    const id = displacedId(this.position, this.#ordinal);
    this.rows.set(keys.piece(id, 0), row);
    this.discard(id, 0, 1);
  }

  /** A piece is kept with other stripes: those that are no more in it are garbage from here on, those that are new in it become known. */
  swap(
    old: Piece,
    next: Piece,
    manifest: Buffer,
    { bucket, key }: { readonly bucket: BucketId; readonly key: Buffer },
    modifiedMs: number,
  ): void {
    const less = (from: Piece, others: Piece): Piece => {
      const has = new Set(stripesOf(others).map(({ id }) => id.toString('latin1')));
      return { ...from, body: { stripes: stripesOf(from).filter(({ id }) => !has.has(id.toString('latin1'))) } };
    };
    this.publish(less(next, old), manifest, bucket, key);
    this.displace(encodePieceRow({ kind: 'piece', modifiedMs, start: 0, piece: less(old, next) }));
    this.tally('recodedAt', this.position);
  }

  /** Pieces of a garbage record below `end` are collected: they and their stripes are forgotten. */
  collected(position: number, ordinal: number, end: number): void {
    const record = this.view.garbage(position, ordinal);
    fits(record && end > record.first && end <= record.end, 'what is collected was garbage');
    for (const { index, row } of Array.from(this.view.pieces(record.manifest, record.first, end))) {
      if (row.kind === 'piece') for (const { id } of stripesOf(row.piece)) this.rows.set(keys.stripe(id), undefined);
      this.rows.set(keys.piece(record.manifest, index), undefined);
      const borrowed = row.kind === 'piece' ? borrowedBy(row.piece) : undefined;
      if (borrowed) this.#let(borrowed.manifest, borrowed.end);
    }
    const [more] = this.view.pieces(record.manifest, end, record.end, 1);
    const left = more && encodeGarbage({ manifest: record.manifest, first: more.index, end: record.end });
    this.rows.set(keys.garbage(position, ordinal), left);
  }
}

/** Manifest id for a displaced piece. Others begin with a sequence below 2^53, so never with 0xff. */
function displacedId(position: number, ordinal: number): Buffer {
  const id = Buffer.alloc(16);
  id[0] = 0xff;
  id.writeUInt32BE(Math.floor(position / 2 ** 32), 4);
  id.writeUInt32BE(position % 2 ** 32, 8);
  id.writeUInt32BE(ordinal, 12);
  return id;
}
