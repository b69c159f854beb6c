import { z } from 'zod';
import { limits } from '../../../limits.ts';
import { policyOf } from '../../http/redundancy.ts';
import { textChange } from '../objects.ts';
import { asFor, type RestCall, type Route, route } from '../route.ts';
import { bucketJson, bucketPatch, bucketSettings, bucketShape } from '../shapes.ts';

type Settings = z.output<typeof bucketPatch>;

/** Only what was given; `null` takes a bucket's own redundancy away. */
function change(settings: Settings) {
  const { versioning, consistency, redundancy, tags, tagChange } = settings;
  return {
    ...(versioning !== undefined && { versioning }),
    ...(consistency !== undefined && { consistency }),
    ...(redundancy !== undefined && { redundancy: redundancy && policyOf(redundancy) }),
    ...(tags !== undefined && { tags: Object.entries(tags) }),
    ...(tagChange !== undefined && { tagChange: textChange(tagChange) }),
  };
}

const none = z.strictObject({});

/** Each setting is asked about as S3 asks about it, and those that S3 does not have as the server's own. @throws StoreError AccessDenied */
async function requireSettings(
  call: RestCall,
  { versioning, consistency, redundancy, tags, tagChange }: Settings,
): Promise<void> {
  const { authorization, facts } = call;
  const allTags = tags !== undefined || tagChange !== undefined;
  if (versioning !== undefined) await authorization.require('PutBucketVersioning', facts);
  if (allTags) {
    const set = Object.entries({ ...tags, ...tagChange }).filter((pair): pair is [string, string] => pair[1] !== null);
    await authorization.require('PutBucketTagging', { ...facts, said: { tags: set } });
  }
  const own = consistency !== undefined || redundancy !== undefined || !(allTags || versioning !== undefined);
  if (own && !authorization.allowsOwn('PutBucketSettings', facts.target.bucket)) throw authorization.denial();
}

export const bucketRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/buckets',
    id: 'listBuckets',
    summary: 'Buckets in order of name',
    access: asFor('ListBuckets'),
    query: z.strictObject({
      start: z.string().default(''),
      limit: z.coerce.number().int().min(1).max(limits.listPage).default(limits.listPage),
    }),
    body: 'none',
    answer: { status: 200, body: z.object({ buckets: z.array(bucketShape), next: z.string().optional() }) },
    run(call) {
      const page = call.service.objects.buckets(call.query.start, call.query.limit);
      const seen = page.items.filter((one) => call.authorization.sees(one));
      const last = page.items.at(-1)?.name;
      call.json(200, {
        buckets: seen.map(bucketJson),
        ...(page.truncated && last !== undefined && { next: `${last}\0` }),
      });
    },
  }),
  route({
    method: 'PUT',
    path: 'v1/buckets/{bucket}',
    id: 'createBucket',
    summary: 'Makes a bucket',
    access: asFor('CreateBucket'),
    query: none,
    body: bucketSettings,
    answer: { status: 201, body: bucketShape },
    async run(call) {
      const { objects, region } = call.service;
      const name = call.path['bucket'] as string;
      if (Object.keys(call.body).length > 0) await requireSettings(call, call.body);
      const made = await objects.createBucket({
        name,
        owner: call.owner,
        region,
        ...(call.body.versioning !== undefined && { versioning: call.body.versioning }),
      });
      const { versioning: _, ...rest } = change(call.body);
      call.json(201, bucketJson(Object.keys(rest).length > 0 ? await objects.updateBucket(name, rest) : made));
    },
  }),
  route({
    method: 'GET',
    path: 'v1/buckets/{bucket}',
    id: 'getBucket',
    summary: 'Settings and counts of a bucket',
    access: asFor('HeadBucket', 'GetBucketTagging', 'GetBucketVersioning'),
    query: none,
    body: 'none',
    answer: { status: 200, body: bucketShape },
    run: (call) => call.json(200, bucketJson(call.service.objects.bucket(call.path['bucket'] as string))),
  }),
  route({
    method: 'PATCH',
    path: 'v1/buckets/{bucket}',
    id: 'updateBucket',
    summary:
      'Changes the settings given; tagChange sets single tags, or with null removes them, and loses no change of the same moment',
    access: 'open',
    query: none,
    body: bucketPatch,
    answer: { status: 200, body: bucketShape },
    async run(call) {
      await requireSettings(call, call.body);
      const changed = await call.service.objects.updateBucket(call.path['bucket'] as string, change(call.body));
      call.json(200, bucketJson(changed));
    },
  }),
  route({
    method: 'DELETE',
    path: 'v1/buckets/{bucket}',
    id: 'deleteBucket',
    summary: 'Deletes an empty bucket',
    access: asFor('DeleteBucket'),
    query: none,
    body: 'none',
    answer: { status: 204, body: 'none' },
    async run(call) {
      await call.service.objects.deleteBucket(call.path['bucket'] as string);
      call.empty(204);
    },
  }),
];
