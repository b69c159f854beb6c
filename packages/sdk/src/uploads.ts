/* The requests of a multipart upload, one function each. */
import { infoFromJson, type Json, listField, numberField, textField, timeField } from './description.ts';
import { bareEtag, restPath, s3Path } from './encode.ts';
import { DsomError } from './error.ts';
import {
  describingHeaders,
  type ObjectDescription,
  type WriteConditions,
  type WriteResult,
  writeConditionHeaders,
} from './put.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';
import { textOf } from './xml.ts';

/** A multipart upload: parts that become an object when it is completed. */
export interface UploadName {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

export interface UploadInfo extends UploadName {
  readonly initiatedAt: Date | undefined;
}

export interface PartInfo {
  /** From 1. */
  readonly number: number;
  readonly size: number;
  /** MD5 of the part's bytes, in hexadecimal. */
  readonly etag: string;
}

export async function createUpload(
  transport: Transport,
  bucket: string,
  key: string,
  options: CallOptions & ObjectDescription = {},
): Promise<UploadName> {
  return transport.send({
    method: 'POST',
    path: s3Path(bucket, key),
    query: { uploads: '' },
    headers: describingHeaders(options),
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    async read(response) {
      const uploadId = textOf(await response.text(), 'UploadId');
      if (uploadId === undefined)
        throw new DsomError('InvalidResponse', { message: 'The answer has no upload id.', status: response.status });
      return { bucket, key, uploadId };
    },
  });
}

export function putPart(
  transport: Transport,
  upload: UploadName,
  number: number,
  body: Uint8Array,
  options: CallOptions = {},
): Promise<PartInfo> {
  return transport.send({
    method: 'PUT',
    path: s3Path(upload.bucket, upload.key),
    query: { partNumber: number, uploadId: upload.uploadId },
    body,
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    async read(response) {
      await readNothing(response);
      return { number, size: body.length, etag: bareEtag(response.headers.get('etag') ?? '') };
    },
  });
}

const uploadPath = (upload: UploadName) => restPath('buckets', upload.bucket, 'uploads', upload.uploadId);

/** All parts that the server has of an upload, in order. */
export async function listParts(
  transport: Transport,
  upload: UploadName,
  options: CallOptions = {},
): Promise<PartInfo[]> {
  const parts: PartInfo[] = [];
  let after: string | number | undefined;
  do {
    const page: Json = await transport.send({
      method: 'GET',
      path: `${uploadPath(upload)}/parts`,
      query: { key: upload.key, after },
      signal: options.signal,
      timeoutMs: options.timeoutMs,
      read: readJson<Json>,
    });
    for (const part of listField(page, 'parts'))
      parts.push({
        number: numberField(part, 'number') ?? 0,
        size: numberField(part, 'size') ?? 0,
        etag: bareEtag(textField(part, 'etag') ?? ''),
      });
    after = numberField(page, 'next') ?? textField(page, 'next');
  } while (after !== undefined);
  return parts;
}

export function completeUpload(
  transport: Transport,
  upload: UploadName,
  parts: readonly PartInfo[],
  options: CallOptions & WriteConditions = {},
): Promise<WriteResult> {
  return transport.send({
    method: 'POST',
    path: `${uploadPath(upload)}/complete`,
    query: { key: upload.key },
    headers: { 'content-type': 'application/json', ...writeConditionHeaders(options) },
    body: JSON.stringify({ parts: parts.map(({ number, etag }) => ({ number, etag })) }),
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    async read(response) {
      const { size, etag, versionId, guk } = infoFromJson(await readJson<Json>(response));
      return { bucket: upload.bucket, key: upload.key, size, etag, versionId, guk };
    },
  });
}

export function abortUpload(transport: Transport, upload: UploadName, options: CallOptions = {}): Promise<void> {
  return transport.send({
    method: 'DELETE',
    path: uploadPath(upload),
    query: { key: upload.key },
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    read: readNothing,
  });
}

export interface ListUploadsOptions extends CallOptions {
  readonly prefix?: string | undefined;
}

/** Uploads that were neither completed nor aborted. */
export async function* listUploads(
  transport: Transport,
  bucket: string,
  options: ListUploadsOptions = {},
): AsyncGenerator<UploadInfo> {
  let next: string | undefined;
  do {
    const page: Json = await transport.send({
      method: 'GET',
      path: restPath('buckets', bucket, 'uploads'),
      query: { prefix: options.prefix, after: next },
      signal: options.signal,
      timeoutMs: options.timeoutMs,
      read: readJson<Json>,
    });
    for (const upload of listField(page, 'uploads'))
      yield {
        bucket,
        key: textField(upload, 'key') ?? '',
        uploadId: textField(upload, 'uploadId') ?? '',
        initiatedAt: timeField(upload, 'initiatedAt') ?? timeField(upload, 'createdAt'),
      };
    next = textField(page, 'next');
  } while (next !== undefined);
}
