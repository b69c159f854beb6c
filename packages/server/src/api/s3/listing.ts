import { accountOf, canonicalIdOf } from '../../access/index.ts';
import { limits } from '../../limits.ts';
import type { Page } from '../../metadata/index.ts';
import { header, type S3Call } from './call.ts';
import { invalidArgument } from './failure.ts';
import { escapeXml, keyText } from './xml/writer.ts';

/** What all listings of keys share: parameters, and how keys are written. */
export interface Listing {
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
  readonly limit: number;
  /** Keys are percent-encoded, because XML cannot carry all of them. */
  readonly url: boolean;
  /** How objects are restored is to be said. */
  readonly restores: boolean;
}

const largest = 2 ** 31 - 1;

/**
 * A `max-…` parameter: absent or empty means `limits.listPage`, and more than that is cut to it.
 * @param argument its name in the error
 */
export function pageSize(text: string | undefined, parameter: string, argument = parameter): number {
  if (text === undefined || text === '') return limits.listPage;
  const value = /^[+-]?[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value) || value > largest) {
    throw invalidArgument(argument, text, `Provided ${parameter} not an integer or within integer range`);
  }
  if (value < 0)
    throw invalidArgument(argument, text, `Argument ${argument} must be an integer between 0 and ${largest}`);
  return Math.min(value, limits.listPage);
}

/** @throws StoreError InvalidArgument */
export function urlEncoded(call: S3Call): boolean {
  const form = call.query.get('encoding-type');
  if (form === undefined || form === '') return false;
  if (form.toLowerCase() === 'url') return true;
  throw invalidArgument('encoding-type', form, 'Invalid Encoding Method specified in Request');
}

export function bytesOfParameter(call: S3Call, parameter: string): Buffer {
  const text = call.query.get(parameter);
  return text === undefined || text === '' ? none : Buffer.from(text, 'utf8');
}

const none = Buffer.alloc(0);

export function listingOf(call: S3Call, limitParameter: string, argument?: string): Listing {
  return {
    prefix: bytesOfParameter(call, 'prefix'),
    delimiter: bytesOfParameter(call, 'delimiter'),
    limit: pageSize(call.query.get(limitParameter), limitParameter, argument),
    url: urlEncoded(call),
    restores: wantsRestores(call),
  };
}

/** @throws StoreError InvalidArgument for an attribute that there is not */
function wantsRestores(call: S3Call): boolean {
  const text = header(call, 'x-amz-optional-object-attributes');
  if (text === undefined) return false;
  const names = text.split(',').map((name) => name.trim());
  for (const name of names)
    if (name !== 'RestoreStatus')
      throw invalidArgument('x-amz-optional-object-attributes', name, 'Invalid attribute name specified.');
  return true;
}

/** `<name>key</name>` in the form that the client asked for; the element is there even when it is empty. */
export function keyElement(name: string, key: Buffer, url: boolean): string {
  return key.length === 0 ? `<${name}/>` : `<${name}>${keyText(key, url)}</${name}>`;
}

/** Delimiter and encoding as the answer repeats them; the two are left out when they were not asked for. */
export function echoed(listing: Listing): string {
  const delimiter = listing.delimiter.length === 0 ? '' : keyElement('Delimiter', listing.delimiter, listing.url);
  return delimiter + (listing.url ? '<EncodingType>url</EncodingType>' : '');
}

type Prefix = { readonly prefix: Buffer };
type Keyed = { readonly key: Buffer };

/** A page of a listing of which nothing was asked for. */
export const emptyPage = { items: [], truncated: false };

/** All rows of a page as XML: items, then common prefixes; and the last of them when more follow. */
export function pageXml<Item extends Keyed>(
  page: Page<Item | Prefix>,
  url: boolean,
  row: (item: Item, url: boolean) => string,
): { readonly rows: string; readonly last: Item | Prefix | undefined } {
  const rows: string[] = [];
  const prefixes: string[] = [];
  for (const item of page.items) {
    if ('key' in item) rows.push(row(item, url));
    else prefixes.push(`<CommonPrefixes><Prefix>${keyText(item.prefix, url)}</Prefix></CommonPrefixes>`);
  }
  const last = page.truncated ? page.items.at(-1) : undefined;
  return { rows: prefixes.length === 0 ? rows.join('') : rows.join('') + prefixes.join(''), last };
}

/** The key or common prefix after which the next page goes on. */
export const placeOf = (last: Keyed | Prefix): Buffer => ('key' in last ? last.key : last.prefix);

/** Owners as listings show them: the canonical id of their account, and under which name it owns. */
export function ownerElement(tag: 'Owner' | 'Initiator', owner: string): string {
  const id = canonicalIdOf(accountOf(owner));
  return `<${tag}><ID>${id}</ID><DisplayName>${escapeXml(owner)}</DisplayName></${tag}>`;
}
