import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type PutRequest, parseGuk, versionIdText } from '../../../objects/index.ts';
import { policyOf } from '../../http/redundancy.ts';
import { about } from '../../s3/permissions.ts';
import { incoming } from '../body.ts';
import { guardOf, keyBytes } from '../conditions.ts';
import {
  changeOf,
  describing,
  lowerNames,
  objectHeaders,
  pushRedundancy,
  redundancyOf,
  sliceOf,
  wireHeaders,
  writtenHeaders,
} from '../objects.ts';
import { factsWith } from '../permission.ts';
import { asFor, asForNamed, type RestCall, type Route, route } from '../route.ts';
import { copyShape, objectJson, objectShape, patchShape } from '../shapes.ts';

const path = 'v1/buckets/{bucket}/objects/{key...}';
const versionQuery = z.strictObject({ versionId: z.string().min(1).optional() });
const bypassing = 'With x-amz-bypass-governance-retention: true a version that is retained in governance mode, too';
const bucketOf = (call: RestCall) => call.path['bucket'] as string;
const keyOf = (call: RestCall) => keyBytes(call.path['key'] as string);

/** The same answer serves GET and HEAD. */
async function read(call: RestCall<z.output<typeof versionQuery>, undefined>): Promise<void> {
  const isHead = call.exchange.request.method === 'HEAD';
  const found = await call.service.objects.read({
    bucket: bucketOf(call),
    key: keyOf(call),
    versionId: call.query.versionId,
    guard: guardOf(call),
    withoutBytes: isHead,
  });
  const { status, slice, headers } = sliceOf(call, found);
  const length = slice.end - slice.start;
  headers.push(...objectHeaders(found.version), 'Content-Length', String(length));
  pushRedundancy(call, found.version, headers);
  if (isHead || length === 0) return call.exchange.send(status, headers);
  const body = found.immediate(slice);
  if (body) return call.exchange.send(status, headers, body);
  await call.exchange.stream(status, headers, length, found.open(slice), () => {});
}

/** What PUT and append are given alike. */
async function writeOf(call: RestCall): Promise<PutRequest> {
  const key = keyOf(call);
  return {
    ...(await incoming(call.exchange, call.payload, limits.singlePutBytes)),
    ...describing(call),
    bucket: bucketOf(call),
    key,
    owner: call.owner,
    guard: guardOf(call),
    redundancy: redundancyOf(call),
  };
}

const copySource = z.strictObject({ bucket: z.string(), key: z.string(), versionId: z.string().optional() });

/** A copy reads one object and writes another, and takes the tags of the first along unless it is given others. @throws StoreError AccessDenied */
async function requireCopy(
  call: RestCall,
  body: {
    readonly source: z.output<typeof copySource>;
    readonly key: string;
    readonly tags?: Readonly<Record<string, string>> | undefined;
    readonly metadata?: unknown;
  },
): Promise<void> {
  const { bucket, key, versionId } = body.source;
  const source = { bucket, key, versionId };
  const headers = new Map([
    ['x-amz-copy-source', `${bucket}/${key}`],
    ['x-amz-metadata-directive', body.metadata === undefined ? 'COPY' : 'REPLACE'],
  ]);
  const tags = Object.entries(body.tags ?? {});
  const facts = { ...factsWith(call.facts, body.key, body.tags && tags), source, said: { headers, tags } };
  await call.authorization.require('CopyObject', facts);
  const withTags = { ...facts, causes: new Set([...facts.causes, 'copied-tags' as const]) };
  if (body.tags !== undefined || (await call.authorization.allows('CopyObject', withTags))) return;
  const found = call.service.objects.look({ bucket, key: keyBytes(key), versionId });
  if (found.version.tags.length > 0) throw call.authorization.denial();
}

export const objectRoutes: readonly Route[] = [
  route({
    method: 'PUT',
    path,
    id: 'putObject',
    summary:
      'Stores an object, or a new version of it. Metadata in x-dsom-metadata-NAME headers, tags as URL query in x-dsom-tags',
    access: asFor('PutObject'),
    query: z.strictObject({}),
    body: 'bytes',
    answer: { status: 200, body: objectShape },
    async run(call) {
      const request = await writeOf(call);
      const { version, position } = await call.service.objects.put(request);
      call.json(200, objectJson(request.bucket, request.key, version), writtenHeaders(call, version, position));
    },
  }),
  route({
    method: 'GET',
    path,
    id: 'getObject',
    summary: 'The bytes of an object; Range as in HTTP',
    access: asFor('GetObject'),
    query: versionQuery,
    body: 'none',
    answer: { status: 200, body: 'bytes' },
    run: read,
  }),
  route({
    method: 'HEAD',
    path,
    id: 'headObject',
    summary: 'The headers of an object',
    access: asFor('HeadObject'),
    query: versionQuery,
    body: 'none',
    answer: { status: 200, body: 'none' },
    run: read,
  }),
  route({
    method: 'DELETE',
    path,
    id: 'deleteObject',
    summary: `Deletes an object or one version; with versioning, a delete without a version writes a delete marker. ${bypassing}`,
    access: asFor('DeleteObject'),
    query: versionQuery,
    body: 'none',
    answer: { status: 204, body: 'none' },
    async run(call) {
      const item = { key: keyOf(call), versionId: call.query.versionId, guard: guardOf(call) };
      const bypasses = call.facts.causes.has('bypass');
      const [result] = await call.service.objects.delete(bucketOf(call), call.owner, [item], bypasses);
      if (result?.error) throw new StoreError(result.error.code, { message: result.error.message });
      const headers = call.headers();
      if (result?.version) headers.push('x-dsom-version-id', versionIdText(result.version));
      if (result?.marker) headers.push('x-dsom-delete-marker', 'true');
      call.empty(204, headers);
    },
  }),
  route({
    method: 'PATCH',
    path,
    id: 'patchObject',
    summary:
      'Changes metadata, headers, tags, storage class or redundancy without touching the bytes, as a JSON merge patch (RFC 7396): null removes a name, or all of them; atomic',
    access: asFor('GetObject', 'PutObject'),
    query: versionQuery,
    body: patchShape,
    bodyType: 'application/merge-patch+json',
    answer: { status: 200, body: objectShape },
    async run(call) {
      const key = keyOf(call);
      if (call.body.tags !== undefined) {
        const set = Object.entries(call.body.tags ?? {}).filter((pair): pair is [string, string] => pair[1] !== null);
        await call.authorization.require('PutObjectTagging', factsWith(call.facts, key.toString('utf8'), set));
      }
      const { version, position } = await call.service.objects.patch({
        bucket: bucketOf(call),
        key,
        owner: call.owner,
        versionId: call.query.versionId,
        guard: guardOf(call),
        ...changeOf(call.body),
      });
      call.json(200, objectJson(bucketOf(call), key, version), writtenHeaders(call, version, position));
    },
  }),
  route({
    method: 'POST',
    path,
    id: 'appendObject',
    summary:
      'Appends bytes (?append); with offset, only when the object has exactly that size; atomic, without copying what is there',
    access: asFor('PutObject'),
    query: z.strictObject({ append: z.literal(''), offset: z.coerce.number().int().min(0).optional() }),
    body: 'bytes',
    answer: { status: 200, body: objectShape },
    async run(call) {
      const request = await writeOf(call);
      const { version, position } = await call.service.objects.append({ ...request, offset: call.query.offset });
      call.json(200, objectJson(request.bucket, request.key, version), writtenHeaders(call, version, position));
    },
  }),
  route({
    method: 'POST',
    path: 'v1/buckets/{bucket}/copy',
    id: 'copyObject',
    summary: 'Makes an object that shares the bytes of another',
    access: asForNamed('CopyObject'),
    query: z.strictObject({}),
    body: copyShape.extend({ source: copySource, key: z.string() }),
    answer: { status: 200, body: objectShape },
    async run(call) {
      const { source, metadata, tags, headers, storageClass, redundancy } = call.body;
      const key = keyBytes(call.body.key);
      await requireCopy(call, call.body);
      const { version, position } = await call.service.objects.copy({
        source: { bucket: source.bucket, key: keyBytes(source.key), versionId: source.versionId, guard: undefined },
        bucket: bucketOf(call),
        key,
        owner: call.owner,
        guard: guardOf(call),
        storageClass: storageClass ?? 'STANDARD',
        ...(redundancy && { redundancy: policyOf(redundancy) }),
        checksumAlgorithm: undefined,
        ...(metadata !== undefined && { metadata: Object.entries(lowerNames(metadata)) }),
        ...(tags !== undefined && { tags: Object.entries(tags) }),
        ...(headers !== undefined && {
          headers: wireHeaders(headers),
        }),
      });
      call.json(200, objectJson(bucketOf(call), key, version), writtenHeaders(call, version, position));
    },
  }),
  route({
    method: 'POST',
    path: 'v1/buckets/{bucket}/delete',
    id: 'deleteObjects',
    summary: `Deletes up to ${limits.deleteMany} objects or versions. ${bypassing}`,
    access: asForNamed('DeleteObjects'),
    query: z.strictObject({}),
    body: z.strictObject({
      items: z
        .array(z.strictObject({ key: z.string(), versionId: z.string().optional() }))
        .min(1)
        .max(limits.deleteMany),
    }),
    answer: {
      status: 200,
      body: z.object({
        deleted: z.array(
          z.object({ key: z.string(), versionId: z.string().optional(), deleteMarker: z.boolean().optional() }),
        ),
        errors: z.array(
          z.object({ key: z.string(), versionId: z.string().optional(), code: z.string(), message: z.string() }),
        ),
      }),
    },
    async run(call) {
      const { target } = call.facts;
      const may = ({ key, versionId }: (typeof call.body.items)[number]) =>
        call.authorization.allows('DeleteObjects', { ...call.facts, each: [{ ...target, key, versionId }] });
      const asked: { readonly item: (typeof call.body.items)[number]; readonly allowed: boolean }[] = [];
      for (const item of call.body.items) asked.push({ item, allowed: await may(item) });
      const items = asked.filter(({ allowed }) => allowed).map(({ item }) => item);
      const named = items.map((item) => ({ key: keyBytes(item.key), versionId: item.versionId, guard: undefined }));
      const bypasses = call.facts.causes.has('bypass');
      const { objects } = call.service;
      const results = named.length === 0 ? [] : await objects.delete(bucketOf(call), call.owner, named, bypasses);
      const deleted: object[] = [];
      const errors: object[] = asked
        .filter(({ allowed }) => !allowed)
        .map(({ item }) => ({ ...item, code: 'AccessDenied', message: 'Access Denied' }));
      for (const [index, result] of results.entries()) {
        const item = items[index] as (typeof items)[number];
        if (result.error) errors.push({ ...item, ...result.error });
        else
          deleted.push({
            key: item.key,
            ...(result.version && { versionId: versionIdText(result.version) }),
            ...(result.marker && { deleteMarker: true }),
          });
      }
      call.json(200, { deleted, errors });
    },
  }),
  route({
    method: 'GET',
    path: 'v1/guks/{guk}',
    id: 'getByGuk',
    summary: 'The object of a globally unique key',
    access: 'open',
    query: z.strictObject({}),
    body: 'none',
    answer: { status: 200, body: objectShape },
    async run(call) {
      const place = call.service.objects.byGuk(parseGuk(call.path['guk'] as string));
      // Whether it exists is itself an answer, so a key that may not read the bucket learns nothing.
      if (!(await call.authorization.allows('GetObject', about(place.bucket, place.key.toString('utf8')))))
        throw new StoreError('NoSuchKey');
      const found = call.service.objects.look({ bucket: place.bucket, key: place.key, versionId: undefined });
      call.json(
        200,
        objectJson(place.bucket, place.key, found.version),
        writtenHeaders(call, found.version, found.position),
      );
    },
  }),
];
