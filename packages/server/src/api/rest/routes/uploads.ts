import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { uploadIdText } from '../../../objects/index.ts';
import { incoming } from '../body.ts';
import { guardOf, keyBytes } from '../conditions.ts';
import { redundancyOf, wireHeaders, writtenHeaders } from '../objects.ts';
import { factsWith } from '../permission.ts';
import { asFor, asForNamed, type RestCall, type Route, route } from '../route.ts';
import { headersShape, objectJson, objectShape, partJson, partShape, uploadJson, uploadShape } from '../shapes.ts';

const keyQuery = z.strictObject({ key: z.string() });
const bucketOf = (call: RestCall) => call.path['bucket'] as string;
const upload = 'v1/buckets/{bucket}/uploads/{uploadId}';
const noBytes = Buffer.alloc(0);

export const uploadRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: 'v1/buckets/{bucket}/uploads',
    id: 'createUpload',
    summary: 'Begins a multipart upload',
    access: asForNamed('CreateMultipartUpload'),
    query: z.strictObject({}),
    body: z.strictObject({
      key: z.string(),
      headers: headersShape.optional(),
      metadata: z.record(z.string(), z.string()).default({}),
      tags: z.record(z.string(), z.string()).default({}),
    }),
    answer: { status: 201, body: uploadShape },
    async run(call) {
      const { key, headers, metadata, tags } = call.body;
      const set = Object.entries(tags);
      const facts = factsWith(call.facts, key, set.length > 0 ? set : undefined);
      await call.authorization.require('CreateMultipartUpload', facts);
      const made = await call.service.objects.createUpload({
        bucket: bucketOf(call),
        key: keyBytes(key),
        owner: call.owner,
        storageClass: 'STANDARD',
        headers: wireHeaders(headers ?? {}),
        metadata: Object.entries(metadata),
        tags: Object.entries(tags),
        checksumAlgorithm: undefined,
        checksumType: undefined,
        redundancy: redundancyOf(call),
      });
      call.json(201, uploadJson(bucketOf(call), made));
    },
  }),
  route({
    method: 'GET',
    path: 'v1/buckets/{bucket}/uploads',
    id: 'listUploads',
    summary: 'Uploads under way, in order of key',
    access: asFor('ListMultipartUploads'),
    query: z.strictObject({
      prefix: z.string().default(''),
      after: z.string().default(''),
      limit: z.coerce.number().int().min(1).max(limits.uploadsPerPage).default(limits.uploadsPerPage),
    }),
    body: 'none',
    answer: { status: 200, body: z.object({ uploads: z.array(uploadShape), next: z.string().optional() }) },
    run(call) {
      const [uploadIdMarker, ...rest] = call.query.after.split(':');
      const found = call.service.objects.listUploads({
        bucket: bucketOf(call),
        prefix: Buffer.from(call.query.prefix),
        delimiter: noBytes,
        after: Buffer.from(rest.join(':')),
        uploadIdMarker: uploadIdMarker || undefined,
        limit: call.query.limit,
      });
      const uploads = found.items.flatMap((item) => ('prefix' in item ? [] : [item]));
      const last = uploads.at(-1);
      call.json(200, {
        uploads: uploads.map((one) => uploadJson(bucketOf(call), one)),
        ...(found.truncated && last && { next: `${uploadIdText(last.id)}:${last.key.toString('utf8')}` }),
      });
    },
  }),
  route({
    method: 'PUT',
    path: `${upload}/parts/{number}`,
    id: 'putPart',
    summary: 'Stores a part; the same number again replaces it',
    access: asFor('UploadPart'),
    query: keyQuery,
    body: 'bytes',
    answer: { status: 200, body: partShape },
    async run(call) {
      const number = Number(call.path['number']);
      if (!Number.isInteger(number) || number < 1 || number > limits.parts)
        throw new StoreError('InvalidArgument', { message: `A part number is 1 to ${limits.parts}.` });
      const { body, expected } = await incoming(call.exchange, call.payload, limits.partBytesMax);
      const part = await call.service.objects.putPart({
        bucket: bucketOf(call),
        key: keyBytes(call.query.key),
        uploadId: call.path['uploadId'] as string,
        number,
        body,
        expected,
      });
      call.json(200, partJson(part));
    },
  }),
  route({
    method: 'GET',
    path: `${upload}/parts`,
    id: 'listParts',
    summary: 'Parts of an upload, in order of number',
    access: asFor('ListParts'),
    query: z.strictObject({
      key: z.string(),
      after: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(limits.listPage).default(limits.listPage),
    }),
    body: 'none',
    answer: { status: 200, body: z.object({ parts: z.array(partShape), next: z.string().optional() }) },
    run(call) {
      const { page } = call.service.objects.listParts(
        bucketOf(call),
        keyBytes(call.query.key),
        call.path['uploadId'] as string,
        call.query.after,
        call.query.limit,
      );
      const last = page.items.at(-1);
      call.json(200, { parts: page.items.map(partJson), ...(page.truncated && last && { next: String(last.number) }) });
    },
  }),
  route({
    method: 'POST',
    path: `${upload}/complete`,
    id: 'completeUpload',
    summary: 'Makes the object out of the parts named, in that order',
    access: asFor('CompleteMultipartUpload'),
    query: keyQuery,
    body: z.strictObject({
      parts: z
        .array(z.strictObject({ number: z.int().min(1).max(limits.parts), etag: z.string() }))
        .min(1)
        .max(limits.parts),
    }),
    answer: { status: 200, body: objectShape },
    async run(call) {
      const key = keyBytes(call.query.key);
      const { version, position } = await call.service.objects.completeUpload({
        bucket: bucketOf(call),
        key,
        uploadId: call.path['uploadId'] as string,
        guard: guardOf(call),
        parts: call.body.parts.map((part) => ({ ...part, checksum: undefined })),
        checksum: undefined,
        size: undefined,
      });
      call.json(200, objectJson(bucketOf(call), key, version), writtenHeaders(call, version, position));
    },
  }),
  route({
    method: 'DELETE',
    path: upload,
    id: 'abortUpload',
    summary: 'Gives up an upload and its parts',
    access: asFor('AbortMultipartUpload'),
    query: keyQuery,
    body: 'none',
    answer: { status: 204, body: 'none' },
    async run(call) {
      await call.service.objects.abortUpload(bucketOf(call), keyBytes(call.query.key), call.path['uploadId'] as string);
      call.empty(204);
    },
  }),
];
