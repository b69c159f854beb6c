import { digestOf } from '../codec/index.ts';
import { etagText as bareEtag } from '../metadata/index.ts';

/** The ETag with its quotes: MD5 in hexadecimal, followed by `-parts` for an object made of parts. */
export function etagText(version: { readonly etag: Buffer; readonly etagParts: number }): string {
  return `"${bareEtag(version.etag, version.etagParts)}"`;
}

/** The ETag of an object made of parts: the MD5 of their MD5s, one after the other. */
export function etagOfParts(md5s: readonly Buffer[]): Buffer {
  return digestOf('MD5', Buffer.concat(md5s));
}

/** The MD5 that a client names as a part's ETag, quoted or not; undefined when it is none. */
export function parsePartEtag(text: string): Buffer | undefined {
  const bare = text.startsWith('"') && text.endsWith('"') && text.length >= 2 ? text.slice(1, -1) : text;
  return /^[0-9a-fA-F]{32}$/.test(bare) ? Buffer.from(bare, 'hex') : undefined;
}
