import { type ContentFields, contentHeaders, infoFromHeaders, type ObjectInfo } from './description.ts';
import { conditionHeaders } from './download.ts';
import { encodeHeader, s3Path } from './encode.ts';
import { DsomError } from './error.ts';
import { type CallOptions, readNothing, type Transport } from './request.ts';

/** Redundancy of one object: how many copies of its bytes are kept on different devices, or into how many data fragments they are cut, with how many parity fragments of which any may be lost. */
export type Redundancy = { readonly copies: number } | { readonly data: number; readonly parity: number };

/** What bytes are kept with: always the same, or `hot` until they were neither read nor written for `afterIdle` (`7d`, `36h`, `90s`), and then `cold`. */
export type Policy = Redundancy | { readonly hot: Redundancy; readonly cold: Redundancy; readonly afterIdle: string };

/** What is said about an object when it is written. */
export interface ObjectDescription extends ContentFields {
  /** User metadata: names in lower case, values of any text. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly storageClass?: string | undefined;
  readonly redundancy?: Policy | undefined;
}

/** Conditions on the object that is about to be replaced. `ifAbsent` writes only where nothing is. */
export interface WriteConditions {
  readonly ifMatch?: string | undefined;
  readonly ifAbsent?: boolean | undefined;
}

export function writeConditionHeaders(options: WriteConditions): Record<string, string | undefined> {
  return conditionHeaders({ ifMatch: options.ifMatch, ifNoneMatch: options.ifAbsent ? '*' : undefined });
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Names of the headers that say the same on the S3 side and on the REST side. */
const names = {
  s3: { metadata: 'x-amz-meta-', tags: 'x-amz-tagging', storageClass: 'x-amz-storage-class' },
  rest: { metadata: 'x-dsom-metadata-', tags: 'x-dsom-tags', storageClass: 'x-dsom-storage-class' },
} as const;

/** Headers of a PUT, or of the start of a multipart upload; on the REST side, of an append. */
export function describingHeaders(
  description: ObjectDescription,
  side: keyof typeof names = 's3',
): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {};
  for (const [field, header] of Object.entries(contentHeaders))
    headers[header] = description[field as keyof ContentFields];
  for (const [name, value] of Object.entries(description.metadata ?? {})) {
    if (!token.test(name))
      throw new DsomError('InvalidArgument', {
        message: `The metadata name ${JSON.stringify(name)} cannot be a header name.`,
      });
    headers[`${names[side].metadata}${name.toLowerCase()}`] = encodeHeader(value);
  }
  const tags = new URLSearchParams(description.tags).toString();
  if (tags !== '') headers[names[side].tags] = tags;
  headers[names[side].storageClass] = description.storageClass;
  if (description.redundancy) headers['x-dsom-redundancy'] = JSON.stringify(description.redundancy);
  return headers;
}

/** What a write answers. */
export type WriteResult = Pick<ObjectInfo, 'bucket' | 'key' | 'size' | 'etag' | 'versionId' | 'guk'>;

/** Writes an object in one request. */
export function putBytes(
  transport: Transport,
  bucket: string,
  key: string,
  body: Uint8Array,
  options: CallOptions & ObjectDescription & WriteConditions,
): Promise<WriteResult> {
  return transport.send({
    method: 'PUT',
    path: s3Path(bucket, key),
    headers: { ...describingHeaders(options), ...writeConditionHeaders(options) },
    body,
    signal: options.signal,
    timeoutMs: options.timeoutMs,
    async read(response) {
      await readNothing(response);
      const { etag, versionId, guk } = infoFromHeaders(bucket, key, response.headers);
      return { bucket, key, size: body.length, etag, versionId, guk };
    },
  });
}
