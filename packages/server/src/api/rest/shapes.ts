import { z } from 'zod';
import { checksumText } from '../../codec/index.ts';
import { limits } from '../../limits.ts';
import type {
  AccessKeyRecord,
  BucketRecord,
  KeyUse,
  ListedObject,
  ListedVersion,
  ObjectVersion,
  PartRecord,
  UploadRecord,
} from '../../metadata/index.ts';
import { etagText, gukText, uploadIdText, versionIdText } from '../../objects/index.ts';
import { decodeHeader } from '../http/header-text.ts';
import { durationForm, policyJson } from '../http/redundancy.ts';

/* The JSON of the native API: schemas that make the OpenAPI document, and the functions that fill them. */

const time = z.iso.datetime();
const textMap = z.record(z.string(), z.string());
const always = z.union([
  z.strictObject({ copies: z.int().min(1).max(limits.copies) }),
  z.strictObject({ data: z.int().min(2).max(limits.codeData), parity: z.int().min(1).max(limits.codeParity) }),
]);
/** What bytes are kept with. */
export const redundancy = z
  .union([...always.options, z.strictObject({ hot: always, cold: always, afterIdle: z.string().regex(durationForm) })])
  .describe(
    'copies of every byte, or a code: as many parity fragments may be lost; or hot until it was idle for so long (7d, 36h, 90s), then cold',
  );
const storageClass = z.string().min(1).max(limits.policyNameChars);

export const bucketShape = z.object({
  name: z.string(),
  createdAt: time,
  versioning: z.enum(['off', 'enabled', 'suspended']),
  consistency: z.enum(['strong', 'causal', 'eventual']),
  redundancy: redundancy.nullable(),
  tags: textMap,
  objects: z.int().describe('objects whose newest version is not a delete marker'),
  versions: z.int().describe('all versions and markers'),
  bytes: z.int().describe('bytes of all versions'),
});

export const bucketSettings = z.strictObject({
  versioning: z.enum(['off', 'enabled', 'suspended']).optional(),
  consistency: z.enum(['strong', 'causal', 'eventual']).optional(),
  redundancy: redundancy.nullable().optional(),
  tags: textMap.optional(),
});

const tagChange = z.record(z.string(), z.string().nullable());
/** What PATCH takes: `tags` are all of them, `tagChange` is a merge patch (RFC 7396) over those that are there. */
export const bucketPatch = bucketSettings.extend({ tagChange: tagChange.optional() });

const headerText = z.string().max(limits.headerValueBytes);
export const headersShape = z.strictObject({
  contentType: headerText.optional(),
  contentEncoding: headerText.optional(),
  contentDisposition: headerText.optional(),
  contentLanguage: headerText.optional(),
  cacheControl: headerText.optional(),
  expires: headerText.optional(),
});

/** Names of metadata travel as header names. */
const metadataName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name');

/** RFC 7396, over what an object says of itself. */
export const patchShape = z.strictObject({
  metadata: z.record(metadataName, z.string().nullable()).nullable().optional(),
  headers: z
    .strictObject({
      contentType: headerText.nullable().optional(),
      contentEncoding: headerText.nullable().optional(),
      contentDisposition: headerText.nullable().optional(),
      contentLanguage: headerText.nullable().optional(),
      cacheControl: headerText.nullable().optional(),
      expires: headerText.nullable().optional(),
    })
    .nullable()
    .optional(),
  tags: z.record(z.string(), z.string().nullable()).nullable().optional(),
  redundancy: redundancy.nullable().optional().describe('null: what the storage class or the bucket says'),
  storageClass: storageClass.optional(),
});

/** What a copy may say in place of its source. */
export const copyShape = z.strictObject({
  metadata: z.record(metadataName, z.string()).optional(),
  tags: z.record(z.string(), z.string()).optional(),
  headers: headersShape.optional(),
  storageClass: storageClass.optional(),
  redundancy: redundancy.optional(),
});

export const objectShape = headersShape.extend({
  bucket: z.string(),
  key: z.string(),
  guk: z.string().describe('globally unique key of the object: 32 hexadecimal digits'),
  versionId: z.string(),
  size: z.int(),
  etag: z.string(),
  modifiedAt: time,
  storageClass: z.string(),
  redundancy: redundancy.nullable().describe('its own; null: what its storage class or its bucket says'),
  metadata: textMap,
  tags: textMap,
  checksum: z.object({ algorithm: z.string(), type: z.string(), value: z.string() }).nullable(),
});

export const listedObjectShape = z.object({
  key: z.string(),
  size: z.int(),
  etag: z.string(),
  modifiedAt: time,
  storageClass: z.string(),
});
export const listedVersionShape = z.object({
  key: z.string(),
  versionId: z.string(),
  isLatest: z.boolean(),
  deleteMarker: z.boolean(),
  size: z.int().optional(),
  etag: z.string().optional(),
  modifiedAt: time,
  storageClass: z.string().optional(),
});
export const partShape = z.object({ number: z.int(), size: z.int(), etag: z.string(), modifiedAt: time });
export const uploadShape = z.object({ bucket: z.string(), key: z.string(), uploadId: z.string(), initiatedAt: time });
export const keyShape = z.object({
  accessKeyId: z.string(),
  name: z.string(),
  role: z.enum(['root', 'readwrite', 'readonly']),
  buckets: z.array(z.string()),
  createdAt: time,
  lastUsedAt: time.optional(),
  lastUsedService: z.string().optional(),
});

const iso = (ms: number): string => new Date(ms).toISOString();
/** Keys are bytes; JSON carries them as text, which is exact since every key is valid UTF-8. */
const text = (key: Buffer): string => key.toString('utf8');

export const bucketJson = (record: BucketRecord): z.input<typeof bucketShape> => ({
  name: record.name,
  createdAt: iso(record.createdMs),
  versioning: record.versioning,
  consistency: record.consistency,
  redundancy: record.redundancy ? policyJson(record.redundancy) : null,
  tags: Object.fromEntries(record.tags),
  objects: record.counts.objects,
  versions: record.counts.versions,
  bytes: record.counts.bytes,
});

export const objectJson = (bucket: string, key: Buffer, version: ObjectVersion): z.input<typeof objectShape> => ({
  bucket,
  key: text(key),
  guk: gukText(version.guk),
  versionId: versionIdText(version),
  size: version.size,
  etag: etagText(version),
  modifiedAt: iso(version.modifiedMs),
  storageClass: version.storageClass,
  redundancy: version.policy ? policyJson(version.policy) : null,
  ...Object.fromEntries(Object.entries(version.headers).map(([name, value]) => [name, decodeHeader(value as string)])),
  metadata: Object.fromEntries(version.metadata),
  tags: Object.fromEntries(version.tags),
  checksum: version.checksum
    ? {
        algorithm: version.checksum.algorithm,
        type: version.checksum.type,
        value: checksumText(
          version.checksum.value,
          version.checksum.type === 'COMPOSITE' ? version.partSizes.length : undefined,
        ),
      }
    : null,
});

export const listedObjectJson = (one: ListedObject): z.input<typeof listedObjectShape> => ({
  key: text(one.key),
  size: one.size,
  etag: etagText(one),
  modifiedAt: iso(one.modifiedMs),
  storageClass: one.storageClass,
});

export const listedVersionJson = ({ key, record, isLatest }: ListedVersion): z.input<typeof listedVersionShape> => ({
  key: text(key),
  versionId: versionIdText(record),
  isLatest,
  deleteMarker: record.kind === 'marker',
  modifiedAt: iso(record.modifiedMs),
  ...(record.kind === 'object' && { size: record.size, etag: etagText(record), storageClass: record.storageClass }),
});

export const partJson = (part: PartRecord): z.input<typeof partShape> => ({
  number: part.number,
  size: part.piece.size,
  etag: `"${part.piece.md5.toString('hex')}"`,
  modifiedAt: iso(part.modifiedMs),
});

export const uploadJson = (bucket: string, upload: UploadRecord): z.input<typeof uploadShape> => ({
  bucket,
  key: text(upload.key),
  uploadId: uploadIdText(upload.id),
  initiatedAt: iso(upload.initiatedMs),
});

export const keyJson = (record: AccessKeyRecord, use?: KeyUse): z.input<typeof keyShape> => ({
  accessKeyId: record.id,
  name: record.name,
  role: record.role,
  buckets: [...record.buckets],
  createdAt: iso(record.createdMs),
  ...(use && { lastUsedAt: iso(use.ms), lastUsedService: use.service }),
});
