import type { KvReader, KvRow } from '../kv/index.ts';
import { keys, parse, successorOfPrefix } from './machine/keys.ts';
import type { UploadRecord } from './machine/records.ts';
import { decodeUpload } from './machine/rows.ts';
import { VersionRow } from './machine/versions.ts';
import { View } from './machine/view.ts';
import type { ListedObject, ListedVersion, ListQuery, MetadataReader, Page } from './types.ts';

/*
 * The listings. Each walks one range of rows in key order; a common prefix is given once, and when more than a few keys lie below it the
 * walk goes on behind it by a new seek, so that a page costs by what it gives and not by what it folds away.
 */

type Prefix = { readonly prefix: Buffer };

/** Rows below a common prefix that are stepped over before a seek is cheaper. */
const STEPS = 2;

/** How a listing finds its way through a table whose rows begin with bucket and key. */
interface Track {
  /** Row key at which the rows of `key`, and of keys above it, begin. */
  startOf(key: Buffer): Buffer;
  /** Behind the last row of the bucket. */
  readonly end: Buffer;
  keyOf(row: KvRow): Buffer;
}

/** Collects a page; exact about whether more would follow. */
class Collector<Item> {
  readonly items: Item[] = [];
  readonly #limit: number;
  #truncated = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True while there is room. False marks the page as cut: call it only when an item is at hand. */
  takes(): boolean {
    if (this.items.length < this.#limit) return true;
    this.#truncated = true;
    return false;
  }

  page(): Page<Item> {
    return { items: this.items, truncated: this.#truncated };
  }
}

const larger = (a: Buffer, b: Buffer): Buffer => (Buffer.compare(a, b) >= 0 ? a : b);

function beginsWith(key: Buffer, start: Buffer): boolean {
  return key.length >= start.length && key.compare(start, 0, start.length, 0, start.length) === 0;
}

/** What a walk does with the rows it meets. */
interface Walker {
  /** False for rows that are as if they were not there. */
  counts(row: KvRow): boolean;
  /** A common prefix with a counting row below it, once; false ends the walk. */
  fold(prefix: Buffer): boolean;
  /** A counting row that is below no common prefix; false ends the walk. */
  give(row: KvRow, key: Buffer): boolean;
}

/** @param first row key to begin with, where that lies behind the start of the query */
function walk(kv: KvReader, track: Track, query: ListQuery, walker: Walker, first?: Buffer): void {
  const { prefix, delimiter } = query;
  const behind = successorOfPrefix(prefix);
  const end = behind ? track.startOf(behind) : track.end;
  let start = track.startOf(larger(query.start, prefix));
  if (first) start = larger(start, first);
  let folded: Buffer | undefined;
  seeking: while (Buffer.compare(start, end) < 0) {
    let steps = 0;
    for (const row of kv.range({ start, end })) {
      const key = track.keyOf(row);
      if (delimiter.length > 0) {
        if (folded && beginsWith(key, folded)) {
          if (++steps <= STEPS) continue;
          const next = successorOfPrefix(folded);
          if (!next) return;
          start = track.startOf(next);
          continue seeking;
        }
        const at = key.indexOf(delimiter, prefix.length);
        if (at >= 0) {
          if (!walker.counts(row)) continue;
          steps = 0;
          folded = Buffer.from(key.subarray(0, at + delimiter.length));
          if (!walker.fold(folded)) return;
          continue;
        }
      }
      if (walker.counts(row) && !walker.give(row, key)) return;
    }
    return;
  }
}

const objectTrack = (bucket: number): Track => ({
  startOf: (key) => keys.object(bucket, key),
  end: keys.object(bucket + 1, Buffer.alloc(0)),
  keyOf: (row) => parse.objectKey(row.key),
});

function folding<Item>(page: Collector<Item | Prefix>): (prefix: Buffer) => boolean {
  return (prefix) => page.takes() && page.items.push({ prefix }) > 0;
}

/** Live objects and common prefixes. */
export function listObjects(kv: KvReader, query: ListQuery): Page<ListedObject | Prefix> {
  const page = new Collector<ListedObject | Prefix>(query.limit);
  walk(kv, objectTrack(query.bucket), query, {
    counts: (row) => !new VersionRow(row.value).isMarker,
    fold: folding(page),
    give(row, key) {
      if (!page.takes()) return false;
      const version = new VersionRow(row.value);
      const { size, etag, etagParts, modifiedMs, storageClass, owner, checksum } = version;
      const restore = query.restores === true ? version.restore : undefined;
      // A copy: a view would keep the whole row, inline bytes included, for as long as the page is in use.
      const listed = { key, size, etag: Buffer.from(etag), etagParts, modifiedMs, storageClass, owner, checksum };
      page.items.push(restore ? { ...listed, restore } : listed);
      return true;
    },
  });
  return page.page();
}

/** All versions and markers, newest first, and common prefixes. */
export function listVersions(
  kv: KvReader,
  query: Parameters<MetadataReader['listVersions']>[0],
): Page<ListedVersion | Prefix> {
  const view = new View(kv);
  const page = new Collector<ListedVersion | Prefix>(query.limit);
  const { after } = query;
  const give = (key: Buffer, row: VersionRow, isLatest: boolean): boolean =>
    page.takes() && page.items.push({ key, record: row.record(), isLatest }) > 0;
  walk(kv, objectTrack(query.bucket), query, {
    counts: () => true,
    fold: folding(page),
    give(row, key) {
      const newest = new VersionRow(row.value);
      const seen = after?.key.equals(key) ? after.sequence : undefined;
      if ((seen === undefined || newest.sequence < seen) && !give(key, newest, true)) return false;
      if (!newest.mayHaveOlder) return true;
      // One row more than fits shows whether the page is cut.
      const wanted = query.limit - page.items.length + 1;
      for (const older of view.history(newest.guk, wanted, seen)) if (!give(key, older, false)) return false;
      return true;
    },
  });
  return page.page();
}

/** Open uploads by key, then by id (which is by age), and common prefixes. */
export function listUploads(
  kv: KvReader,
  query: Parameters<MetadataReader['listUploads']>[0],
): Page<UploadRecord | Prefix> {
  const page = new Collector<UploadRecord | Prefix>(query.limit);
  const { bucket, after } = query;
  const track: Track = {
    startOf: (key) => keys.uploadStart(bucket, key),
    end: keys.uploadsOf(bucket + 1),
    keyOf: (row) => parse.upload(row.key).key,
  };
  // The first row key above that of the last upload seen.
  const first = after && Buffer.concat([keys.upload(bucket, after.key, after.upload), Buffer.alloc(1)]);
  const walker: Walker = {
    counts: () => true,
    fold: folding(page),
    give: (row) => page.takes() && page.items.push(decodeUpload(row.value)) > 0,
  };
  walk(kv, track, query, walker, first);
  return page.page();
}

/** Rows of a range as values, with the sign whether more would follow. */
export function pageOf<Item>(
  kv: KvReader,
  start: Buffer,
  end: Buffer,
  limit: number,
  decode: (row: KvRow) => Item,
): Page<Item> {
  const page = new Collector<Item>(limit);
  for (const row of kv.range({ start, end, limit: limit + 1 })) {
    if (!page.takes()) break;
    page.items.push(decode(row));
  }
  return page.page();
}
