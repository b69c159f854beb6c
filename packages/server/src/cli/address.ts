import { UsageError } from './exit.ts';

/** An object, a prefix, a bucket, or (with an empty bucket) all buckets of an endpoint. */
export interface RemoteAddress {
  readonly kind: 'remote';
  /** Profile of the endpoint, where it is not the command's own. */
  readonly profile: string | undefined;
  readonly bucket: string;
  /** As typed: may hold wildcards. */
  readonly key: string;
}

export interface LocalAddress {
  readonly kind: 'local';
  readonly path: string;
}

/** Standard input or output. */
interface PipeAddress {
  readonly kind: 'pipe';
}

export type Address = RemoteAddress | LocalAddress | PipeAddress;

export const addressHelp = `Addresses:
  s3://BUCKET/KEY          an object; dsom://BUCKET/KEY is the same
  s3://PROFILE@BUCKET/KEY  an object at another profile's endpoint
  -                        standard input or output
  anything else            a local path; where only objects make sense, BUCKET/KEY
  In keys, quoted: ? one character, * any but /, ** any; \\ before one takes it literally.`;

const scheme = /^(?:s3|dsom):\/\//i;

function remote(text: string): RemoteAddress {
  const slash = text.indexOf('/');
  const authority = slash === -1 ? text : text.slice(0, slash);
  const at = authority.lastIndexOf('@');
  const bucket = authority.slice(at + 1);
  const key = slash === -1 ? '' : text.slice(slash + 1);
  if (bucket === '' && key !== '') throw new UsageError(`"${text}" names no bucket: write s3://BUCKET/KEY`);
  return { kind: 'remote', profile: at === -1 ? undefined : authority.slice(0, at), bucket, key };
}

/** An address where local paths are possible too. */
export function parseAddress(text: string): Address {
  if (text === '-') return { kind: 'pipe' };
  const match = scheme.exec(text);
  if (match) return remote(text.slice(match[0].length));
  if (text === '') throw new UsageError('an address is empty');
  return { kind: 'local', path: text };
}

/** An address where only objects and buckets make sense: the scheme may be left out. */
export function parseRemote(text: string): RemoteAddress {
  const match = scheme.exec(text);
  if (!match && /^(?:\.{0,2}\/|~)/.test(text))
    throw new UsageError(`"${text}" looks like a local path: write s3://BUCKET/KEY`);
  if (!match && /^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw new UsageError(
      `"${text}" is an address of something else: write s3://BUCKET/KEY, and the server's own as --endpoint URL`,
    );
  return remote(match ? text.slice(match[0].length) : text);
}

/** An address that must name a bucket and nothing in it. */
export function parseBucket(text: string): RemoteAddress {
  const address = parseRemote(text.replace(/\/$/, ''));
  if (address.bucket === '' || address.key !== '')
    throw new UsageError(`"${text}" is not the address of a bucket: write s3://BUCKET`);
  return address;
}

/** An address that must name an object. */
export function parseObject(text: string): RemoteAddress {
  const address = parseRemote(text);
  if (address.bucket === '' || address.key === '')
    throw new UsageError(`"${text}" is not the address of an object: write s3://BUCKET/KEY`);
  return address;
}

/** The address as it is typed again. */
export function formatRemote(bucket: string, key: string, profile?: string): string {
  return `s3://${profile === undefined ? '' : `${profile}@`}${bucket}${key === '' ? '' : `/${key}`}`;
}
