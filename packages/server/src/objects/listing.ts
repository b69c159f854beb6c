import type { ListedObject, ListedVersion, ListQuery, Page, UploadRecord } from '../metadata/index.ts';
import { parseUploadId, parseVersionId } from './ids.ts';
import { findBucket, type Rooms } from './rooms.ts';
import type { ObjectListQuery, ObjectService } from './types.ts';

const zero = Buffer.alloc(1);

/** The least key above `key`. */
export function successor(key: Buffer): Buffer {
  return Buffer.concat([key, zero]);
}

/** The least key above all that begin with `prefix`; undefined when there is none. */
export function behindPrefix(prefix: Buffer): Buffer | undefined {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) return undefined;
  const next = Buffer.from(prefix.subarray(0, end));
  next[end - 1] = (next[end - 1] as number) + 1;
  return next;
}

/** True when `key` is what a listing shows as a common prefix: it ends with the first delimiter behind the prefix. */
function isCommonPrefix(key: Buffer, prefix: Buffer, delimiter: Buffer): boolean {
  if (delimiter.length === 0 || key.length < prefix.length + delimiter.length) return false;
  if (prefix.compare(key, 0, prefix.length) !== 0) return false;
  return key.indexOf(delimiter, prefix.length) === key.length - delimiter.length;
}

/** First key that may come; undefined when nothing can. */
export function listingStart(
  query: Pick<ObjectListQuery, 'prefix' | 'delimiter' | 'after' | 'from'>,
): Buffer | undefined {
  const { prefix, delimiter, after, from } = query;
  if (from) return from;
  if (after.length === 0) return after;
  return isCommonPrefix(after, prefix, delimiter) ? behindPrefix(after) : successor(after);
}

const nothing = { items: [], truncated: false } as const;

function queryOf(
  rooms: Rooms,
  query: Pick<ObjectListQuery, 'bucket' | 'prefix' | 'delimiter' | 'limit' | 'restores'>,
  start: Buffer,
): ListQuery {
  const { id } = findBucket(rooms, query.bucket);
  const { prefix, delimiter, limit, restores = false } = query;
  return { bucket: id, prefix, delimiter, start, limit, restores };
}

/** Live objects and common prefixes, in key order. */
export function list(rooms: Rooms, query: ObjectListQuery): Page<ListedObject | { readonly prefix: Buffer }> {
  const start = listingStart(query);
  const inner = queryOf(rooms, query, start ?? query.prefix);
  return start && query.limit > 0 ? rooms.reader.list(inner) : nothing;
}

/** All versions and markers, keys in order, newest first. */
export function listVersions(
  rooms: Rooms,
  query: Parameters<ObjectService['listVersions']>[0],
): Page<ListedVersion | { readonly prefix: Buffer }> {
  const marker = query.versionMarker === undefined ? undefined : parseVersionId(query.versionMarker);
  const start = listingStart(query);
  const inner = queryOf(rooms, query, start ?? query.prefix);
  if (!start || query.limit <= 0) return nothing;
  if (marker === undefined || query.after.length === 0)
    return rooms.reader.listVersions({ ...inner, after: undefined });
  // The null version has a place among the others, which only its row tells. Without a row, its key is done.
  const sequence =
    marker === 'null' ? rooms.reader.version(inner.bucket, query.after, 'null')?.sequence : marker.sequence;
  if (sequence === undefined) return rooms.reader.listVersions({ ...inner, after: undefined });
  return rooms.reader.listVersions({ ...inner, start: query.after, after: { key: query.after, sequence } });
}

/** Open uploads, keys in order, then by upload id. */
export function listUploads(
  rooms: Rooms,
  query: Parameters<ObjectService['listUploads']>[0],
): Page<UploadRecord | { readonly prefix: Buffer }> {
  const start = listingStart(query);
  const inner = queryOf(rooms, query, start ?? query.prefix);
  if (!start || query.limit <= 0) return nothing;
  if (query.uploadIdMarker === undefined || query.after.length === 0) {
    return rooms.reader.listUploads({ ...inner, after: undefined });
  }
  const upload = parseUploadId(query.uploadIdMarker);
  return rooms.reader.listUploads({ ...inner, start: query.after, after: { key: query.after, upload } });
}
