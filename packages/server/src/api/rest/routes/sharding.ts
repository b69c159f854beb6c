import { z } from 'zod';
import { limits } from '../../../limits.ts';
import { type Route, route } from '../route.ts';

const none = z.strictObject({});
const clusterShards = z.object({
  objectShards: z.number().int(),
  inUse: z.number().int(),
  notOpenOn: z.array(z.string()),
});
const bucketShards = z.object({
  bucket: z.string(),
  madeWith: z.number().int(),
  objectShardsInUse: z.number().int(),
  shards: z.array(
    z.object({
      shard: z.number().int(),
      objects: z.number().int(),
      versions: z.number().int(),
      uploads: z.number().int(),
      bytes: z.number().int(),
    }),
  ),
});

/** Shards of the cluster's metadata, and of its buckets. */
export const shardingRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'admin/v1/cluster/shards',
    id: 'getObjectShards',
    summary: 'How many object shards the cluster has and uses, and which nodes do not have all of them open',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: clusterShards },
    run: async (call) => call.json(200, clusterShards.parse(await call.service.admin('cluster.shards', undefined))),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/cluster/shards',
    id: 'growObjectShards',
    summary:
      'Asks for more object shards: each node opens them while it runs, and they are used when all nodes have them',
    access: 'admin',
    query: none,
    body: z.strictObject({ count: z.number().int().min(1).max(limits.objectShards) }),
    answer: { status: 202, body: clusterShards },
    run: async (call) => call.json(202, clusterShards.parse(await call.service.admin('cluster.growShards', call.body))),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/buckets/{name}/shards',
    id: 'getBucketShards',
    summary: 'The shards of a bucket, and what is in each of them',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: bucketShards },
    run: async (call) =>
      call.json(200, bucketShards.parse(await call.service.admin('cluster.bucketShards', { name: call.path['name'] }))),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/buckets/{name}/shards',
    id: 'reshardBucket',
    summary: 'Gives a bucket twice as many shards, or as many as are named, while it is used',
    access: 'admin',
    query: none,
    body: z.strictObject({ shards: z.number().int().min(1).max(limits.bucketShards).optional() }),
    answer: { status: 200, body: bucketShards },
    run: async (call) =>
      call.json(
        200,
        bucketShards.parse(
          await call.service.admin('cluster.reshardBucket', { name: call.path['name'], ...call.body }),
        ),
      ),
  }),
];
