import { bareEtag, decodeHeader } from './encode.ts';
import { DsomError } from './error.ts';

/** Fields of HTTP that are kept with an object and come back with it. */
export interface ContentFields {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly cacheControl?: string | undefined;
  readonly expires?: string | undefined;
}

export interface Checksum {
  readonly algorithm: string;
  /** Base64, with `-N` behind it for a composite one. */
  readonly value: string;
  readonly type?: string | undefined;
}

/** An object version. Fields that the answer did not carry are undefined. */
export interface ObjectInfo extends ContentFields {
  readonly bucket: string;
  readonly key: string;
  /** Bytes of the whole object. */
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAt: Date | undefined;
  /** The object's globally unique key. */
  readonly guk: string | undefined;
  readonly versionId: string | undefined;
  readonly storageClass: string | undefined;
  /** What its bytes are kept with now, as `copies=2` or `8+3`, with `; missing=1` where something lacks; in answers to reads and writes of bytes. */
  readonly kept: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** Only in answers of the REST side; {@link ObjectInfo.tagCount} is in those of the S3 side. */
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly tagCount: number | undefined;
  readonly checksum: Checksum | undefined;
}

export const contentHeaders = {
  contentType: 'content-type',
  contentEncoding: 'content-encoding',
  contentDisposition: 'content-disposition',
  contentLanguage: 'content-language',
  cacheControl: 'cache-control',
  expires: 'expires',
} as const satisfies Record<keyof ContentFields, string>;

const contentNames = Object.keys(contentHeaders) as (keyof ContentFields)[];
const metadataPrefixes = ['x-amz-meta-', 'x-dsom-metadata-'];
const checksumHeader = /^x-amz-checksum-(crc32c?|crc64nvme|md5|sha1|sha256|sha512|xxhash(?:3|64|128))$/;

/** The total of `bytes 0-9/100`. */
function totalOf(contentRange: string | null): number | undefined {
  const match = /\/(\d+)$/.exec(contentRange ?? '');
  return match ? Number(match[1]) : undefined;
}

/** An object as the headers of a GET, HEAD or PUT answer describe it. */
export function infoFromHeaders(bucket: string, key: string, headers: Headers, size?: number): ObjectInfo {
  const metadata: Record<string, string> = {};
  let checksum: Checksum | undefined;
  for (const [name, value] of headers) {
    for (const prefix of metadataPrefixes)
      if (name.startsWith(prefix)) metadata[name.slice(prefix.length)] = decodeHeader(value);
    const algorithm = checksumHeader.exec(name)?.[1];
    if (algorithm)
      checksum = { algorithm: algorithm.toUpperCase(), value, type: headers.get('x-amz-checksum-type') ?? undefined };
  }
  const content: Record<string, string> = {};
  for (const name of contentNames) {
    const value = headers.get(contentHeaders[name]);
    if (value !== null) content[name] = value;
  }
  const modified = Date.parse(headers.get('last-modified') ?? '');
  const length = headers.get('content-length');
  const tagCount = headers.get('x-amz-tagging-count');
  return {
    ...content,
    bucket,
    key,
    size: size ?? totalOf(headers.get('content-range')) ?? (length === null ? 0 : Number(length)),
    etag: bareEtag(headers.get('etag') ?? ''),
    modifiedAt: Number.isNaN(modified) ? undefined : new Date(modified),
    guk: headers.get('x-dsom-guk') ?? undefined,
    versionId: headers.get('x-amz-version-id') ?? headers.get('x-dsom-version-id') ?? undefined,
    storageClass: headers.get('x-amz-storage-class') ?? headers.get('x-dsom-storage-class') ?? undefined,
    kept: headers.get('x-dsom-redundancy') ?? undefined,
    metadata,
    tags: undefined,
    tagCount: tagCount === null ? undefined : Number(tagCount),
    checksum,
  };
}

/** JSON of the REST side, not trusted to have every field. */
export type Json = Readonly<Record<string, unknown>>;

export const textField = (json: Json, name: string) =>
  typeof json[name] === 'string' ? (json[name] as string) : undefined;
export const numberField = (json: Json, name: string) =>
  typeof json[name] === 'number' ? (json[name] as number) : undefined;

/** A time as ISO 8601 or as milliseconds. */
export function timeField(json: Json, name: string): Date | undefined {
  const value = json[name];
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const time = new Date(value);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** Names to texts, given as an object or as a list of pairs. */
export function recordField(json: Json, name: string): Record<string, string> | undefined {
  const value = json[name];
  if (typeof value !== 'object' || value === null) return undefined;
  const pairs = Array.isArray(value) ? (value as [string, string][]) : Object.entries(value);
  return Object.fromEntries(pairs.map(([key, text]) => [key, decodeHeader(String(text))]));
}

export function listField(json: Json, name: string): readonly Json[] {
  const value = json[name];
  if (!Array.isArray(value)) throw new DsomError('InvalidResponse', { message: `The answer has no list "${name}".` });
  return value as Json[];
}

/** An object as the REST side describes it. */
export function infoFromJson(json: Json): ObjectInfo {
  const headers = (typeof json['headers'] === 'object' && json['headers'] !== null ? json['headers'] : {}) as Json;
  const content: Record<string, string> = {};
  for (const name of contentNames) {
    const value = textField(json, name) ?? textField(headers, name);
    if (value !== undefined) content[name] = value;
  }
  return {
    ...content,
    bucket: textField(json, 'bucket') ?? '',
    key: textField(json, 'key') ?? '',
    size: numberField(json, 'size') ?? 0,
    etag: bareEtag(textField(json, 'etag') ?? ''),
    modifiedAt: timeField(json, 'modifiedAt'),
    guk: textField(json, 'guk'),
    versionId: textField(json, 'versionId'),
    storageClass: textField(json, 'storageClass'),
    kept: undefined,
    metadata: recordField(json, 'metadata') ?? {},
    tags: recordField(json, 'tags'),
    tagCount: undefined,
    checksum: (json['checksum'] as Checksum | null | undefined) ?? undefined,
  };
}
