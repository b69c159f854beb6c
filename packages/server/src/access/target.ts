import { StoreError } from '../errors.ts';
import { percentDecode } from './percent.ts';
import { Query } from './query.ts';

/*
 * Where a request points: the one place where a path becomes a bucket and a key.
 *
 * Authentication signs `rawPath` and `query`, handlers act on `bucket`, `key` and `query`, and all of them come from one
 * parse of one string. A path is split at the first literal slash behind the bucket and then decoded once; nothing is
 * normalised. A key is bytes: `..`, `//`, `%2F` and `%00` are data, never directions, and keys never become file names.
 */

/** A parsed request target. */
export interface Target {
  /** undefined for the service itself; `-` for DSOM's own paths in path style. Not checked against the rules for names. */
  readonly bucket: string | undefined;
  /** UTF-8 bytes; empty when the target is a bucket or the service. Not checked for length. */
  readonly key: Buffer;
  /** Path exactly as received, without the query. */
  readonly rawPath: string;
  /** Query exactly as received, without the `?`. */
  readonly rawQuery: string;
  readonly query: Query;
}

const noKey = Buffer.alloc(0);
/** Bytes that may stand in a target as they are: no controls, no space, no fragment. */
const unescaped = /^[\x21\x22\x24-\x7e\x80-\xff]*$/;
const absolute = /^https?:\/\/([^/?#]*)(.*)$/i;

function invalid(message: string): StoreError {
  return new StoreError('InvalidURI', { message });
}

/** Host without port, in lower case. */
function hostName(host: string): string {
  const lower = host.toLowerCase();
  const colon = lower.lastIndexOf(':');
  return colon > lower.lastIndexOf(']') ? lower.slice(0, colon) : lower;
}

/** The bucket in a virtual-host style name, by the longest base domain that fits; undefined in path style. */
function bucketOfHost(host: string, baseDomains: readonly string[]): string | undefined {
  const name = hostName(host);
  let best: string | undefined;
  for (const base of baseDomains) {
    if (name === base) return undefined;
    if (name.length <= base.length + 1 || !name.endsWith(base) || name[name.length - base.length - 1] !== '.') continue;
    const bucket = name.slice(0, -base.length - 1);
    if (best === undefined || bucket.length < best.length) best = bucket;
  }
  return best;
}

/** Host names under which buckets are read as websites, in lower case. */
export interface WebsiteNames {
  /** The first label below is the bucket. */
  readonly domains: readonly string[];
  /** The bucket is called as the whole host; `*.` in front stands for any names below. */
  readonly hosts: readonly string[];
}

const isNamed = (name: string, hosts: readonly string[]): boolean =>
  hosts.some((host) =>
    host.startsWith('*.') ? name.endsWith(host.slice(1)) && name.length >= host.length : name === host,
  );

/** The bucket that is read as a website under this name; undefined when none is. Whether it is there is not asked. */
export function websiteBucket(host: string | undefined, { domains, hosts }: WebsiteNames): string | undefined {
  if (host === undefined || (domains.length === 0 && hosts.length === 0)) return undefined;
  const name = hostName(host);
  return isNamed(name, hosts) ? name : bucketOfHost(host, domains);
}

/**
 * Where a request for a website points: the whole path is the key, and there is no query, because websites have no parameters.
 * @param bucket the one of {@link websiteBucket}
 * @throws StoreError InvalidURI
 */
export function parseWebsiteTarget(rawUrl: string, host: string | undefined, bucket: string): Target {
  const { rawPath } = splitTarget(rawUrl, host);
  return { bucket, key: keyOf(rawPath.slice(1)), rawPath, rawQuery: '', query: new Query('') };
}

/**
 * @param rawUrl the request target as it stands in the request line: origin form or absolute form
 * @param host the Host header
 * @param baseDomains lower-case names below which a bucket may stand; none: path style only
 * @throws StoreError InvalidURI
 */
export function parseTarget(rawUrl: string, host: string | undefined, baseDomains: readonly string[]): Target {
  const { rawPath, rawQuery } = splitTarget(rawUrl, host);
  const query = new Query(rawQuery);
  const bucket = host === undefined || baseDomains.length === 0 ? undefined : bucketOfHost(host, baseDomains);
  if (bucket !== undefined) return { bucket, key: keyOf(rawPath.slice(1)), rawPath, rawQuery, query };
  if (rawPath === '/') return { bucket: undefined, key: noKey, rawPath, rawQuery, query };
  const slash = rawPath.indexOf('/', 1);
  const name = percentDecode(slash < 0 ? rawPath.slice(1) : rawPath.slice(1, slash)).toString('utf8');
  if (name === '') throw invalid('The path names no bucket.');
  // A signature does not tell an escaped slash from a plain one: it must not decide where the bucket ends.
  if (name.includes('/')) throw invalid('The name of the bucket holds a slash.');
  return { bucket: name, key: slash < 0 ? noKey : keyOf(rawPath.slice(slash + 1)), rawPath, rawQuery, query };
}

/** Path and query of a request target, as they stand in it. @throws StoreError InvalidURI */
function splitTarget(rawUrl: string, host: string | undefined): Pick<Target, 'rawPath' | 'rawQuery'> {
  let origin = rawUrl;
  if (rawUrl[0] !== '/') {
    const parts = absolute.exec(rawUrl);
    if (!parts) throw invalid('The request target is neither a path nor an http URL.');
    // The signature covers the Host header; a target that names another host would be read differently by others on the way.
    if (parts[1]?.toLowerCase() !== host?.toLowerCase())
      throw invalid('The request target and the Host header name different hosts.');
    origin = parts[2] as string;
    if (origin === '' || origin[0] === '?') origin = `/${origin}`;
  }
  if (!unescaped.test(origin)) throw invalid('The URI holds a character that must be percent-encoded.');
  const mark = origin.indexOf('?');
  return mark < 0
    ? { rawPath: origin, rawQuery: '' }
    : { rawPath: origin.slice(0, mark), rawQuery: origin.slice(mark + 1) };
}

function keyOf(raw: string): Buffer {
  return raw === '' ? noKey : percentDecode(raw);
}
