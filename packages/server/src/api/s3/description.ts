import type { IncomingHttpHeaders } from 'node:http';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Policy } from '../../metadata/index.ts';
import type { Describing, Tags } from '../../objects/index.ts';
import { decodeWords } from '../http/header-text.ts';
import { parsePolicy } from '../http/redundancy.ts';
import { header, type S3Call } from './call.ts';
import { tagsOfHeader } from './tags.ts';

/** Fields of a description and the headers that carry them, both ways. */
export const describingHeaders = [
  ['contentType', 'content-type', 'Content-Type'],
  ['contentEncoding', 'content-encoding', 'Content-Encoding'],
  ['contentDisposition', 'content-disposition', 'Content-Disposition'],
  ['contentLanguage', 'content-language', 'Content-Language'],
  ['cacheControl', 'cache-control', 'Cache-Control'],
  ['expires', 'expires', 'Expires'],
  ['websiteRedirectLocation', 'x-amz-website-redirect-location', 'x-amz-website-redirect-location'],
] as const satisfies readonly (readonly [keyof Describing['headers'], string, string])[];

const metadataPrefix = 'x-amz-meta-';

/** aws-chunked is how the body travelled, not what it is. */
function withoutTransport(encoding: string): string {
  return encoding
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && part.toLowerCase() !== 'aws-chunked')
    .join(',');
}

export function describedHeaders(headers: IncomingHttpHeaders): Describing['headers'] {
  const described: Record<string, string> = {};
  let bytes = 0;
  for (const [field, name] of describingHeaders) {
    let value = headers[name] as string | undefined;
    if (value !== undefined && field === 'contentEncoding') value = withoutTransport(value);
    if (value === undefined || value === '') continue;
    described[field] = value;
    bytes += value.length;
  }
  if (bytes > limits.systemMetadataBytes) {
    throw new StoreError('MetadataTooLarge', {
      message: 'The headers kept with the object are too large together.',
      detail: { Size: String(bytes), MaxSizeAllowed: String(limits.systemMetadataBytes) },
    });
  }
  const redirect = described.websiteRedirectLocation;
  if (redirect !== undefined && !/^(?:\/|https?:\/\/)/.test(redirect)) throw new StoreError('InvalidRedirectLocation');
  return described;
}

/** User metadata: names in lower case without their prefix, values decoded (RFC 2047, UTF-8). */
export function describedMetadata(headers: IncomingHttpHeaders): Tags {
  let metadata: [string, string][] | undefined;
  for (const name in headers) {
    if (!name.startsWith(metadataPrefix) || name.length === metadataPrefix.length) continue;
    (metadata ??= []).push([name.slice(metadataPrefix.length), decodeWords(headers[name] as string)]);
  }
  return metadata ?? none;
}

const none: Tags = [];

/** A class that stands for something here, or the operator has defined. The others would promise a price, or a delay, that does not exist. */
export function storageClassOf(call: S3Call): string {
  const value = header(call, 'x-amz-storage-class');
  if (value === undefined || value === 'STANDARD') return 'STANDARD';
  if (call.service.objects.storageClasses().includes(value)) return value;
  throw new StoreError('InvalidStorageClass', { detail: { StorageClassRequested: value } });
}

/** Everything that a write says about its object. */
export function describe(call: S3Call): Describing {
  return {
    headers: describedHeaders(call.headers),
    metadata: describedMetadata(call.headers),
    tags: tagsOfHeader(header(call, 'x-amz-tagging')),
    storageClass: storageClassOf(call),
  };
}

const redundancyHeader = 'x-dsom-redundancy';

/** x-dsom-redundancy, in any of its forms. */
export function redundancyOf(call: S3Call): Policy | undefined {
  const text = header(call, redundancyHeader);
  return text === undefined ? undefined : parsePolicy(text);
}
