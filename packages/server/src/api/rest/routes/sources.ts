import { z } from 'zod';
import { type Route, route } from '../route.ts';

/* Where a bucket is read that has not moved here yet: what an operator sets. The secret goes in, and never comes out. */

const none = z.strictObject({});
const path = 'admin/v1/buckets/{name}/source';
const shown = z.object({ source: z.record(z.string(), z.unknown()) });
const unmoved = z.object({ keys: z.number(), first: z.array(z.string()), more: z.boolean() });

const newSource = z.strictObject({
  endpoint: z.string().min(1).max(2048),
  bucket: z.string().min(1).max(255),
  prefix: z.string().max(1024).default(''),
  region: z.string().min(1).max(64).default('us-east-1'),
  accessKeyId: z.string().min(1).max(128),
  secretAccessKey: z.string().min(1).max(1024),
  linkLocal: z.boolean().default(false).describe('addresses of the link, where clouds keep credentials, are allowed'),
});

export const sourceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path,
    id: 'getBucketSource',
    summary: 'The old store of a bucket, in which it is read where nothing has moved yet; without its secret',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: shown },
    run: async (call) => call.json(200, await call.service.admin('source.show', call.path['name'])),
  }),
  route({
    method: 'GET',
    path: `${path}/unmoved`,
    id: 'listUnmovedKeys',
    summary: 'How many keys of the old store have not moved, and the first of them',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ unmoved }) },
    run: async (call) => call.json(200, await call.service.admin('source.unmoved', call.path['name'])),
  }),
  route({
    method: 'PUT',
    path,
    id: 'putBucketSource',
    summary: 'Sets the old store of a bucket, after it was read once',
    access: 'admin',
    query: none,
    body: newSource,
    answer: { status: 200, body: shown },
    run: async (call) =>
      call.json(200, await call.service.admin('source.set', { ...call.body, name: call.path['name'] })),
  }),
  route({
    method: 'DELETE',
    path,
    id: 'deleteBucketSource',
    summary: 'Takes the old store of a bucket away; refused while keys have not moved, without `force`',
    access: 'admin',
    query: z.strictObject({ force: z.enum(['true', 'false']).default('false') }),
    body: 'none',
    answer: { status: 200, body: z.object({ unmoved: unmoved.nullable(), markers: z.number() }) },
    run: async (call) => {
      const asked = { name: call.path['name'], force: call.query.force === 'true' };
      call.json(200, await call.service.admin('source.clear', asked));
    },
  }),
];
