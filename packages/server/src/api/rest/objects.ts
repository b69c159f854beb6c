import type { z } from 'zod';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { DescriptionChange, ObjectHeaders, ObjectVersion, Policy, TextChange } from '../../metadata/index.ts';
import { type Describing, etagText, gukText, type ReadResult, type Slice, versionIdText } from '../../objects/index.ts';
import { httpDate } from '../http/dates.ts';
import type { HeaderList } from '../http/exchange.ts';
import { decodeWords, encodeHeader } from '../http/header-text.ts';
import { parseRange } from '../http/ranges.ts';
import { parsePolicy, policyOf, storedText } from '../http/redundancy.ts';
import type { RestCall } from './route.ts';
import type { patchShape } from './shapes.ts';

const metadataPrefix = 'x-dsom-metadata-';
const described = [
  ['contentType', 'content-type'],
  ['contentEncoding', 'content-encoding'],
  ['contentDisposition', 'content-disposition'],
  ['contentLanguage', 'content-language'],
  ['cacheControl', 'cache-control'],
  ['expires', 'expires'],
] as const;

/** Header texts of JSON as they are stored: in wire form, one character per byte. */
export function wireHeaders(headers: Readonly<Record<string, string | undefined>>): ObjectHeaders {
  const wire: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) wire[name] = encodeHeader(value);
  return wire;
}

/** Names of metadata are those of headers: in lower case. */
export function lowerNames<Value>(metadata: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value]));
}

type Merge = Readonly<Record<string, string | null | undefined>> | null;

/** One member of a merge patch: null clears it. Members that are undefined say nothing. */
export function textChange(merge: Merge, encode: (text: string) => string = (text) => text): TextChange {
  const set: [string, string | null][] = [];
  for (const [name, value] of Object.entries(merge ?? {}))
    if (value !== undefined) set.push([name, value === null ? null : encode(value)]);
  return { clear: merge === null, set };
}

/** A JSON merge patch (RFC 7396) as a change. */
export function changeOf({
  metadata,
  headers,
  tags,
  redundancy,
  storageClass,
}: z.output<typeof patchShape>): DescriptionChange {
  return {
    ...(metadata !== undefined && { metadata: textChange(metadata && lowerNames(metadata)) }),
    ...(headers !== undefined && { headers: textChange(headers, encodeHeader) }),
    ...(tags !== undefined && { tags: textChange(tags) }),
    ...(redundancy !== undefined && { policy: redundancy && policyOf(redundancy) }),
    ...(storageClass !== undefined && { storageClass }),
  };
}

/** What the headers of a write say about the object. @throws StoreError MetadataTooLarge */
export function describing(call: RestCall): Describing {
  const headers: Record<string, string> = {};
  for (const [field, name] of described) {
    const value = call.header(name);
    if (value !== undefined) headers[field] = value;
  }
  const metadata: [string, string][] = [];
  let bytes = 0;
  for (const [name, value] of Object.entries(call.exchange.request.headers)) {
    if (!name.startsWith(metadataPrefix) || value === undefined) continue;
    const text = decodeWords(String(value));
    bytes += name.length - metadataPrefix.length + Buffer.byteLength(text);
    metadata.push([name.slice(metadataPrefix.length), text]);
  }
  if (bytes > limits.metadataBytes)
    throw new StoreError('MetadataTooLarge', {
      detail: { Size: String(bytes), MaxSizeAllowed: String(limits.metadataBytes) },
    });
  const tags = [...new URLSearchParams(call.header('x-dsom-tags') ?? '')];
  return { headers, metadata, tags, storageClass: call.header('x-dsom-storage-class') ?? 'STANDARD' };
}

/** @throws StoreError InvalidArgument */
export function redundancyOf(call: RestCall): Policy | undefined {
  const text = call.header('x-dsom-redundancy');
  return text === undefined ? undefined : parsePolicy(text);
}

/** How many copies of a version there are now. */
export function pushRedundancy(call: RestCall, version: ObjectVersion, headers: HeaderList): void {
  headers.push('x-dsom-redundancy', storedText(call.service.objects.stored(version)));
}

/** Headers of an answer to a write. */
export function writtenHeaders(call: RestCall, version: ObjectVersion, position: number): HeaderList {
  const headers = call.headers(position);
  pushRedundancy(call, version, headers);
  return headers;
}

/** The slice that the Range header asks for, and the status and headers to answer with. @throws StoreError InvalidRange */
export function sliceOf(
  call: RestCall,
  found: ReadResult,
): { readonly status: 200 | 206; readonly slice: Slice; readonly headers: HeaderList } {
  const headers = call.headers(found.position);
  const { size } = found.version;
  const header = call.header('range');
  const range = header === undefined ? 'whole' : parseRange(header, size);
  if (range === 'whole') return { status: 200, slice: { start: 0, end: size }, headers };
  if (range === 'unsatisfiable')
    throw new StoreError('InvalidRange', { detail: { RangeRequested: header ?? '', ActualObjectSize: String(size) } });
  headers.push('Content-Range', `bytes ${range.start}-${range.end - 1}/${size}`);
  return { status: 206, slice: range, headers };
}

/** Headers that describe a version. */
export function objectHeaders(version: ObjectVersion): HeaderList {
  const headers: HeaderList = [
    'ETag',
    etagText(version),
    'Last-Modified',
    httpDate(version.modifiedMs),
    'Accept-Ranges',
    'bytes',
    'x-dsom-guk',
    gukText(version.guk),
    'x-dsom-version-id',
    versionIdText(version),
    'x-dsom-storage-class',
    version.storageClass,
  ];
  for (const [field, name] of described) {
    const value = version.headers[field];
    if (value !== undefined) headers.push(name, value);
  }
  if (version.headers.contentType === undefined) headers.push('content-type', 'application/octet-stream');
  for (const [name, value] of version.metadata) headers.push(`${metadataPrefix}${name}`, encodeHeader(value));
  return headers;
}
