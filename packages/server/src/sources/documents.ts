import { childOf, parseDate, parseXml, textOf, type XmlElement } from '../api/index.ts';
import { digestOf } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import type { Tags } from '../objects/index.ts';

/** A key at the source, without the source's own prefix. */
export interface SourceKey {
  readonly key: Buffer;
  readonly size: number;
  readonly etag: Buffer;
  readonly etagParts: number;
  readonly modifiedMs: number;
  readonly storageClass: string;
}

export interface SourcePage {
  /** Keys and common prefixes together, in order. */
  readonly items: readonly (SourceKey | { readonly prefix: Buffer })[];
  readonly truncated: boolean;
}

const malformed = (what: string): CorruptionError => new CorruptionError(`the answer of a source has ${what}`);

/** Code of an error document; undefined where it is none. */
export function codeOf(text: string): string | undefined {
  return /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(text)?.[1];
}

/** An ETag as it is kept: an MD5 with the number of parts; what is none is hashed, so that it is told from others. */
export function parseEtag(text: string): {
  readonly etag: Buffer;
  readonly etagParts: number;
  readonly isMd5: boolean;
} {
  const bare = text.replace(/^"|"$/g, '');
  const found = /^([0-9a-f]{32})(?:-([1-9][0-9]{0,4}))?$/.exec(bare);
  if (found) return { etag: Buffer.from(found[1]!, 'hex'), etagParts: Number(found[2] ?? 0), isMd5: true };
  return { etag: digestOf('MD5', Buffer.from(bare, 'latin1')), etagParts: 0, isMd5: false };
}

const decoded = (text: string): Buffer => Buffer.from(decodeURIComponent(text.replaceAll('+', ' ')), 'utf8');

function within(name: Buffer, prefix: Buffer): Buffer {
  if (prefix.compare(name, 0, prefix.length) !== 0 || name.length < prefix.length)
    throw malformed('a key that does not begin with its prefix');
  return name.subarray(prefix.length);
}

const placeOf = (item: SourcePage['items'][number]): Buffer => ('key' in item ? item.key : item.prefix);

function keyOf(element: XmlElement, prefix: Buffer, encoded: boolean): SourceKey {
  const name = textOf(element, 'Key') ?? '';
  const size = Number(textOf(element, 'Size'));
  const modifiedMs = parseDate(textOf(element, 'LastModified') ?? '');
  if (!Number.isSafeInteger(size) || size < 0 || modifiedMs === undefined)
    throw malformed('a key without size or time');
  const key = within(encoded ? decoded(name) : Buffer.from(name, 'utf8'), prefix);
  const { etag, etagParts } = parseEtag(textOf(element, 'ETag') ?? '');
  return { key, size, etag, etagParts, modifiedMs, storageClass: textOf(element, 'StorageClass') || 'STANDARD' };
}

/**
 * A page of ListObjectsV2.
 * @param prefix of the source: taken off
 * @throws StoreError MalformedXML, CorruptionError, URIError
 */
export function pageOf(text: string, prefix: Buffer): SourcePage {
  const root = parseXml(Buffer.from(text, 'utf8'));
  if (root.name !== 'ListBucketResult') throw malformed(`a ${root.name} for a list`);
  const encoded = textOf(root, 'EncodingType') === 'url';
  const items: SourcePage['items'][number][] = [];
  for (const child of root.children) {
    if (child.name === 'Contents') {
      const found = keyOf(child, prefix, encoded);
      // A folder of the prefix itself has no name here.
      if (found.key.length > 0) items.push(found);
    } else if (child.name === 'CommonPrefixes') {
      const name = childOf(child, 'Prefix')?.text ?? '';
      items.push({ prefix: within(encoded ? decoded(name) : Buffer.from(name, 'utf8'), prefix) });
    }
  }
  items.sort((one, other) => placeOf(one).compare(placeOf(other)));
  return { items, truncated: textOf(root, 'IsTruncated')?.trim() === 'true' };
}

/** A Tagging document. @throws StoreError MalformedXML */
export function tagsOf(text: string): Tags {
  const set = childOf(parseXml(Buffer.from(text, 'utf8')), 'TagSet');
  return (set?.children ?? []).map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? ''] as const);
}
