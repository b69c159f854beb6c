import { type Json, listField, numberField, textField, timeField } from './description.ts';
import { bareEtag, restPath } from './encode.ts';
import { type CallOptions, readJson, type Transport } from './request.ts';

export interface ListOptions extends CallOptions {
  readonly prefix?: string | undefined;
  /** Keys that go on behind prefix … delimiter are given as one prefix. */
  readonly delimiter?: string | undefined;
  /** Only keys above this one. */
  readonly after?: string | undefined;
  /** Entries of a page, 1,000 at most. */
  readonly limit?: number | undefined;
}

export interface ListedObject {
  readonly kind: 'object';
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: Date | undefined;
  readonly storageClass: string | undefined;
}

export interface ListedPrefix {
  readonly kind: 'prefix';
  readonly prefix: string;
}

export interface ListedVersion {
  readonly kind: 'version';
  readonly key: string;
  readonly versionId: string;
  readonly isLatest: boolean;
  /** A marker: at this version the object was deleted. */
  readonly deleteMarker: boolean;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: Date | undefined;
  readonly storageClass: string | undefined;
}

/** Entries in the order of their keys' bytes. `next` is undefined on the last page. */
export interface ListPage<Entry> {
  readonly entries: readonly (Entry | ListedPrefix)[];
  readonly next: string | undefined;
}

const nameOf = (entry: { readonly key: string } | ListedPrefix) => ('prefix' in entry ? entry.prefix : entry.key);

/** Order of the texts' UTF-8 bytes, which for UTF-16 units differs only at surrogates. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
const rank = (unit: number) =>
  unit >= 0xd800 && unit <= 0xdfff ? unit + 0x2000 : unit >= 0xe000 ? unit - 0x800 : unit;

/** Objects and prefixes come as two sorted lists: one sorted list of both. */
function merge<Entry extends { readonly key: string }>(
  rows: readonly Entry[],
  prefixes: readonly string[],
): (Entry | ListedPrefix)[] {
  const out: (Entry | ListedPrefix)[] = [...rows];
  for (const prefix of prefixes) out.push({ kind: 'prefix', prefix });
  if (prefixes.length > 0) out.sort((a, b) => compareKeys(nameOf(a), nameOf(b)));
  return out;
}

const prefixesOf = (page: Json) =>
  ((page['prefixes'] as (string | { prefix: string })[] | undefined) ?? []).map((one) =>
    typeof one === 'string' ? one : one.prefix,
  );

function objectOf(row: Json): ListedObject {
  return {
    kind: 'object',
    key: textField(row, 'key') ?? '',
    size: numberField(row, 'size') ?? 0,
    etag: bareEtag(textField(row, 'etag') ?? ''),
    modifiedAt: timeField(row, 'modifiedAt'),
    storageClass: textField(row, 'storageClass'),
  };
}

function versionOf(row: Json): ListedVersion {
  return {
    ...objectOf(row),
    kind: 'version',
    versionId: textField(row, 'versionId') ?? 'null',
    isLatest: row['isLatest'] === true,
    deleteMarker: row['deleteMarker'] === true,
  };
}

function pageQuery(transport: Transport, path: string, options: ListOptions, from: string | undefined): Promise<Json> {
  return transport.send({
    method: 'GET',
    path,
    query: { prefix: options.prefix, delimiter: options.delimiter, after: options.after, from, limit: options.limit },
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readJson<Json>,
  });
}

/** One page of objects; `from` is the `next` of the page before. */
export async function listPage(
  transport: Transport,
  bucket: string,
  options: ListOptions = {},
  from?: string,
): Promise<ListPage<ListedObject>> {
  const page = await pageQuery(transport, restPath('buckets', bucket, 'objects'), options, from);
  return { entries: merge(listField(page, 'objects').map(objectOf), prefixesOf(page)), next: textField(page, 'next') };
}

/** One page of versions: keys in order, newest first. */
export async function listVersionsPage(
  transport: Transport,
  bucket: string,
  options: ListOptions = {},
  from?: string,
): Promise<ListPage<ListedVersion>> {
  const page = await pageQuery(transport, restPath('buckets', bucket, 'versions'), options, from);
  return {
    entries: merge(listField(page, 'versions').map(versionOf), prefixesOf(page)),
    next: textField(page, 'next'),
  };
}

/** All entries, page by page. The next page is asked for while the caller works on this one. */
export async function* everyEntry<Entry>(
  load: (from: string | undefined) => Promise<ListPage<Entry>>,
): AsyncGenerator<Entry | ListedPrefix> {
  let coming: Promise<ListPage<Entry>> | undefined = load(undefined);
  while (coming) {
    const page: ListPage<Entry> = await coming;
    coming = page.next === undefined ? undefined : load(page.next);
    // Whoever stops early must not be told of a failure that nobody awaits.
    coming?.catch(() => {});
    yield* page.entries;
  }
}
