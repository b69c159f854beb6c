import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { type Route, route } from '../route.ts';
import { sendNews } from './news.ts';

const none = z.strictObject({});
const anything = z.record(z.string(), z.unknown());

/** What the lifecycles of buckets do. */
export const lifecycleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'admin/v1/lifecycle',
    id: 'getLifecycle',
    summary: 'What the lifecycle of this node has done since it started, how far it is, and how its last pass was',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, (await call.service.admin('lifecycle.status', undefined)) as object),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/lifecycle',
    id: 'runLifecycle',
    summary:
      'Does now what the lifecycle of a bucket asks for, or with dryRun tells it; lines of JSON: actions, and a summary at the end',
    access: 'admin',
    query: none,
    body: z.strictObject({ bucket: z.string().min(1).max(63), dryRun: z.boolean().default(false) }),
    answer: { status: 200, body: 'lines' },
    async run(call) {
      const { bucket, dryRun } = call.body;
      // Refused before there is an answer that begins well.
      if (!call.service.objects.configuration(bucket, 'lifecycle'))
        throw new StoreError('NoSuchLifecycleConfiguration', { resource: bucket });
      const id = await call.service.admin('lifecycle.start', { bucket, dry: dryRun });
      await sendNews(call, 'lifecycle.news', id);
    },
  }),
];
