/* Requests on objects other than reading and writing their bytes. */
import { type ContentFields, infoFromJson, type Json, listField, type ObjectInfo, textField } from './description.ts';
import { conditionHeaders } from './download.ts';
import { restObjectPath, restPath, s3Path } from './encode.ts';
import {
  describingHeaders,
  type ObjectDescription,
  type Policy,
  type WriteConditions,
  writeConditionHeaders,
} from './put.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';
import { elements, escapeXml, textOf } from './xml.ts';

const json = { 'content-type': 'application/json' };
const readInfo = async (response: Response): Promise<ObjectInfo> => infoFromJson(await readJson<Json>(response));

export interface VersionOptions extends CallOptions {
  readonly versionId?: string | undefined;
}

export interface BypassOptions extends CallOptions {
  /** What is retained in governance mode is deleted, too, by whoever may `s3:BypassGovernanceRetention`. */
  readonly bypassGovernance?: boolean | undefined;
}

export interface DeleteOptions extends VersionOptions, BypassOptions {
  readonly ifMatch?: string | undefined;
}

const bypassHeaders = ({ bypassGovernance }: BypassOptions): Record<string, string> =>
  bypassGovernance ? { 'x-amz-bypass-governance-retention': 'true' } : {};

/** `versionId` is that of the marker that was written, or of the version that was removed. */
export interface DeleteResult {
  readonly versionId: string | undefined;
  readonly deleteMarker: boolean;
}

/** Deletes an object or a version; that it is not there is no error. */
export function deleteObject(
  transport: Transport,
  bucket: string,
  key: string,
  options: DeleteOptions = {},
): Promise<DeleteResult> {
  return transport.send({
    method: 'DELETE',
    path: s3Path(bucket, key),
    query: { versionId: options.versionId },
    headers: { ...conditionHeaders({ ifMatch: options.ifMatch }), ...bypassHeaders(options) },
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    async read(response) {
      await readNothing(response);
      const { headers } = response;
      return {
        versionId: headers.get('x-amz-version-id') ?? undefined,
        deleteMarker: headers.get('x-amz-delete-marker') === 'true',
      };
    },
  });
}

export interface DeleteItem {
  readonly key: string;
  readonly versionId?: string | undefined;
}

export interface DeleteFailure extends DeleteItem {
  readonly code: string;
  readonly message: string;
}

/** Items of one request. */
export const deleteManyMax = 1000;

/** Deletes up to 1,000 objects or versions; answers those that could not be deleted. */
export async function deleteMany(
  transport: Transport,
  bucket: string,
  items: readonly DeleteItem[],
  options: BypassOptions = {},
): Promise<DeleteFailure[]> {
  const answer = await transport.send({
    method: 'POST',
    path: restPath('buckets', bucket, 'delete'),
    headers: { ...json, ...bypassHeaders(options) },
    body: JSON.stringify({ items }),
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readJson<Json>,
  });
  return listField(answer, 'errors').map((row) => ({
    key: textField(row, 'key') ?? '',
    versionId: textField(row, 'versionId'),
    code: textField(row, 'code') ?? 'InternalError',
    message: textField(row, 'message') ?? textField(row, 'detail') ?? '',
  }));
}

export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

export interface CopyOptions extends CallOptions, WriteConditions {
  /** Replaces the source's metadata, tags or HTTP fields; what is left out is taken over. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly headers?: ContentFields | undefined;
  /** STANDARD when left out, whatever the source has. */
  readonly storageClass?: string | undefined;
  /** The bytes are shared at once, and kept so as soon as the server comes to it. */
  readonly redundancy?: Policy | undefined;
}

/** Copies on the server: no bytes travel, and within a store none are written. */
export function copy(
  transport: Transport,
  source: CopySource,
  bucket: string,
  key: string,
  options: CopyOptions = {},
): Promise<ObjectInfo> {
  return transport.send({
    method: 'POST',
    path: restPath('buckets', bucket, 'copy'),
    headers: { ...json, ...writeConditionHeaders(options) },
    body: JSON.stringify({
      source: { bucket: source.bucket, key: source.key, versionId: source.versionId },
      key,
      metadata: options.metadata,
      tags: options.tags,
      headers: options.headers,
      storageClass: options.storageClass,
      redundancy: options.redundancy,
    }),
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readInfo,
  });
}

export interface AppendOptions extends CallOptions, ObjectDescription, WriteConditions {
  /** The size that the object must have before; makes sure that nothing is appended twice or in between. */
  readonly offset?: number | undefined;
}

/**
 * Adds bytes behind an object, or makes it. Not tried again when an answer is lost: the bytes might be there twice.
 * With `offset`, look at the size and repeat the call yourself.
 */
export function append(
  transport: Transport,
  bucket: string,
  key: string,
  bytes: Uint8Array | string,
  options: AppendOptions = {},
): Promise<ObjectInfo> {
  return transport.send({
    method: 'POST',
    path: restObjectPath(bucket, key),
    query: { append: '', offset: options.offset },
    headers: { ...describingHeaders(options, 'rest'), ...writeConditionHeaders(options) },
    body: bytes,
    repeatable: false,
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readInfo,
  });
}

/** A JSON merge patch (RFC 7396): each name is set, or removed with null; others stay. null in place of names removes all. */
export interface PatchRequest {
  readonly metadata?: Readonly<Record<string, string | null>> | null | undefined;
  /** HTTP fields. */
  readonly headers?: { readonly [Field in keyof ContentFields]: ContentFields[Field] | null } | null | undefined;
  readonly tags?: Readonly<Record<string, string | null>> | null | undefined;
  /** Its bytes are kept so as soon as the server comes to it; with null as the storage class or the bucket says. */
  readonly redundancy?: Policy | null | undefined;
  readonly storageClass?: string | undefined;
}

/**
 * Changes what is said about an object without touching its bytes. With versioning this makes a new version, unless `versionId` names the one
 * to change. The server works it out in one step: no change is lost to another of the same moment.
 */
export function patch(
  transport: Transport,
  bucket: string,
  key: string,
  request: PatchRequest,
  options: VersionOptions & WriteConditions = {},
): Promise<ObjectInfo> {
  return transport.send({
    method: 'PATCH',
    path: restObjectPath(bucket, key),
    query: { versionId: options.versionId },
    headers: { ...json, ...writeConditionHeaders(options) },
    body: JSON.stringify(request),
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readInfo,
  });
}

export function getTags(
  transport: Transport,
  bucket: string,
  key: string,
  options: VersionOptions = {},
): Promise<Record<string, string>> {
  return transport.send({
    method: 'GET',
    path: s3Path(bucket, key),
    query: { tagging: '', versionId: options.versionId },
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    async read(response) {
      const tags = elements(await response.text(), 'Tag');
      return Object.fromEntries(tags.map((tag) => [textOf(tag, 'Key') ?? '', textOf(tag, 'Value') ?? '']));
    },
  });
}

/** Replaces all tags of an object or version, in place. */
export function setTags(
  transport: Transport,
  bucket: string,
  key: string,
  tags: Readonly<Record<string, string>>,
  options: VersionOptions = {},
): Promise<void> {
  const rows = Object.entries(tags).map(
    ([name, value]) => `<Tag><Key>${escapeXml(name)}</Key><Value>${escapeXml(value)}</Value></Tag>`,
  );
  return transport.send({
    method: 'PUT',
    path: s3Path(bucket, key),
    query: { tagging: '', versionId: options.versionId },
    headers: { 'content-type': 'application/xml' },
    body: `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>${rows.join('')}</TagSet></Tagging>`,
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readNothing,
  });
}

/** Finds an object by its globally unique key, wherever it is. */
export function byGuk(transport: Transport, guk: string, options: CallOptions = {}): Promise<ObjectInfo> {
  return transport.send({ ...options, method: 'GET', path: restPath('guks', guk), read: readInfo });
}
