import { DsomError } from './error.ts';

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

const reserved = /[!'()*]/g;
const dotSegment = /(?:^|\/)\.{1,2}(?:\/|$)/;

/** Percent-encodes everything but the unreserved characters of RFC 3986, as signature V4 wants it. */
export function encodeText(text: string): string {
  if (!text.isWellFormed())
    throw new DsomError('InvalidArgument', {
      message: 'The text holds half of a surrogate pair, which UTF-8 cannot carry.',
    });
  return encodeURIComponent(text).replace(reserved, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * A key as a piece of a URL path. Slashes stay, except in keys with `.` or `..` between them: URL parsers fold such segments away, so there the
 * slashes are encoded too.
 * @throws DsomError InvalidArgument for the keys "", "." and "..", which no URL can carry
 */
export function encodeKey(key: string): string {
  if (key === '' || key === '.' || key === '..')
    throw new DsomError('InvalidArgument', { message: `The key ${JSON.stringify(key)} cannot be part of a URL.` });
  const encoded = encodeText(key);
  return dotSegment.test(key) ? encoded : encoded.replaceAll('%2F', '/');
}

/** `a=1&b=2` in the order of the encoded names, as the canonical request wants it; empty when nothing is set. */
export function encodeQuery(query: Query): string {
  const pairs: [name: string, value: string][] = [];
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) pairs.push([encodeText(name), encodeText(String(value))]);
  pairs.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

/** Path of a bucket or object on the S3 side. */
export function s3Path(bucket: string, key?: string): string {
  return key === undefined ? `/${encodeText(bucket)}` : `/${encodeText(bucket)}/${encodeKey(key)}`;
}

/** Path below `/-/v1/`, each segment encoded. */
export function restPath(...segments: readonly string[]): string {
  return `/-/v1/${segments.map(encodeText).join('/')}`;
}

/** Path of an object on the REST side. */
export function restObjectPath(bucket: string, key: string): string {
  return `${restPath('buckets', bucket, 'objects')}/${encodeKey(key)}`;
}

const notLatin = /[^\x20-\x7e]/;

/** A header value: printable ASCII as it is, anything else as an encoded word (RFC 2047, UTF-8, base64). */
export function encodeHeader(value: string): string {
  if (!notLatin.test(value) && value.trim() === value && !value.startsWith('=?')) return value;
  let binary = '';
  for (const byte of new TextEncoder().encode(value)) binary += String.fromCharCode(byte);
  return `=?UTF-8?B?${btoa(binary)}?=`;
}

/** The inverse of {@link encodeHeader}; also joins several encoded words. Anything else comes back unchanged. */
export function decodeHeader(value: string): string {
  if (!value.startsWith('=?')) return value;
  const word = /=\?utf-8\?([bq])\?([^?]*)\?=\s*/giy;
  const bytes: number[] = [];
  while (word.lastIndex < value.length) {
    const match = word.exec(value);
    if (!match) return value;
    const text = match[2]!;
    try {
      const binary = match[1]!.toLowerCase() === 'b' ? atob(text) : unquote(text);
      for (let i = 0; i < binary.length; i++) bytes.push(binary.charCodeAt(i));
    } catch {
      return value;
    }
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

function unquote(text: string): string {
  return text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** ETags are held without quotes and sent with them. `*` stays. */
export const quoteEtag = (etag: string) => (etag === '*' || etag.startsWith('"') ? etag : `"${etag}"`);
export const bareEtag = (etag: string) => etag.replace(/^(?:W\/)?"|"$/g, '');
