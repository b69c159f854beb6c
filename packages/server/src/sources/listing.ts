import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { BucketRecord, ListedObject, MetadataReader, Page } from '../metadata/index.ts';
import { listingStart, type ObjectListQuery } from '../objects/index.ts';
import type { SourceClient } from './client.ts';
import type { SourceKey } from './documents.ts';

/*
 * One list of what is here and what is at the source. What is here of a key counts: an object in the place of the source's, a marker in the place of
 * nothing. So a key that moves while it is listed is on the list once, and one that was deleted here is not.
 */

type Row = ListedObject | { readonly prefix: Buffer };
type There = SourceKey | { readonly prefix: Buffer };

const placeOf = (row: Row | There): Buffer => ('key' in row ? row.key : row.prefix);
const none = Buffer.alloc(0);

export interface ListingOptions {
  readonly reader: Pick<MetadataReader, 'version' | 'list' | 'listVersions'>;
  readonly bucket: BucketRecord;
  readonly client: SourceClient;
}

/** Rows of the source in order, each above the one before. @throws StoreError ServiceUnavailable */
async function* rowsOf(client: SourceClient, query: ObjectListQuery, start: Buffer): AsyncGenerator<There> {
  const { prefix, delimiter } = query;
  let { after } = query;
  for (let pages = 1; ; pages++) {
    // One more than asked for tells whether there are more, and a prefix may come again.
    const page = await client.list({ prefix, delimiter, after, limit: query.limit + 2 });
    let last = after;
    for (const row of page.items) {
      const place = placeOf(row);
      if (place.compare(last) <= 0) continue;
      last = place;
      if (place.compare(start) >= 0) yield row;
    }
    if (!page.truncated) return;
    if (last.equals(after)) throw client.unavailable('its list does not go on');
    if (pages >= limits.sourceListPages)
      throw client.unavailable(
        `more than ${pages} pages of its list are of keys that are deleted here: list with a longer prefix`,
      );
    after = last;
  }
}

/** What a key of the source is on the list: itself, what is here in its place, or nothing. */
function rowOfKey({ reader, bucket }: ListingOptions, there: SourceKey): ListedObject | undefined {
  const here = reader.version(bucket.id, there.key, undefined);
  if (!here) return { ...there, owner: bucket.owner, checksum: undefined };
  if (here.kind === 'marker') return undefined;
  const { size, etag, etagParts, modifiedMs, storageClass, owner, checksum } = here;
  return { key: there.key, size, etag, etagParts, modifiedMs, storageClass, owner, checksum };
}

/** Whether anything is left below a common prefix of the source, when all that is here below it may be deleted. */
async function isLeft(options: ListingOptions, prefix: Buffer): Promise<boolean> {
  const { reader, bucket, client } = options;
  const below = { bucket: bucket.id, prefix, delimiter: none, start: prefix, limit: 1 };
  if (reader.list(below).items.length > 0) return true;
  if (reader.listVersions({ ...below, after: undefined }).items.length === 0) return true;
  const query = { bucket: bucket.name, prefix, delimiter: none, after: none, limit: limits.sourceListPage };
  for await (const row of rowsOf(client, query, prefix)) if ('key' in row && rowOfKey(options, row)) return true;
  return false;
}

async function* shown(options: ListingOptions, query: ObjectListQuery, start: Buffer): AsyncGenerator<Row> {
  for await (const there of rowsOf(options.client, query, start)) {
    if ('key' in there) {
      const row = rowOfKey(options, there);
      if (row) yield row;
    } else if (await isLeft(options, there.prefix)) yield there;
  }
}

/**
 * A page of both.
 * @param own the same page of what is here
 */
export async function listThrough(options: ListingOptions, query: ObjectListQuery, own: Page<Row>): Promise<Page<Row>> {
  const start = listingStart(query);
  if (start === undefined || query.limit <= 0) return own;
  invariant(query.from === undefined, 'a list of a source goes on after a key');
  const items: Row[] = [];
  const theirs = shown(options, query, start);
  try {
    let next = await theirs.next();
    let at = 0;
    while (items.length < query.limit) {
      const mine = own.items[at];
      const other = next.done ? undefined : next.value;
      if (!mine && !other) break;
      // Behind the last row of a page that goes on there may be more here.
      if (!mine && own.truncated) break;
      const order = !mine ? 1 : !other ? -1 : placeOf(mine).compare(placeOf(other));
      items.push((order <= 0 ? mine : other) as Row);
      if (order <= 0) at += 1;
      if (order >= 0) next = await theirs.next();
    }
    return { items, truncated: at < own.items.length || own.truncated || !next.done };
  } finally {
    await theirs.return(undefined);
  }
}
