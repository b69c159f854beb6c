import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type Route, route } from '../route.ts';
import { sendNews } from './news.ts';

/* The targets of event notifications: what an operator defines. What a target is spoken to with goes in, and never comes out. */

const none = z.strictObject({});
const targets = z.object({ targets: z.array(z.record(z.string(), z.unknown())) });
const path = 'admin/v1/notifications/targets';

const newTarget = z.strictObject({
  kind: z.enum(['webhook', 'nats', 's3']),
  url: z.string().min(1).max(2048),
  headers: z
    .array(z.tuple([z.string().min(1).max(256), z.string().max(4096)]))
    .max(limits.targetHeaders)
    .default([]),
  subject: z.string().max(256).optional(),
  token: z.string().max(4096).optional(),
  eventBridge: z.boolean().default(false),
  /** Of a store that buckets are replicated to. */
  keys: z
    .strictObject({
      accessKeyId: z.string().min(1).max(128),
      secretAccessKey: z.string().min(1).max(1024),
      region: z.string().min(1).max(64).default('us-east-1'),
    })
    .optional(),
  /** Of such a store: accounts whose buckets may be replicated to it, beside the first one. */
  accounts: z
    .array(z.string().regex(/^\d{12}$/))
    .max(limits.targetAccounts)
    .optional(),
});

const failedPath = 'admin/v1/notifications/failed';
const failedEvents = z.strictObject({
  target: z.string().min(1).max(limits.targetNameChars),
  ids: z.array(z.string().min(1).max(64)).min(1).max(limits.failedEventsAtOnce),
});

export const notificationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: failedPath,
    id: 'listFailedEvents',
    summary: 'Events that targets have refused for good, the first ones first',
    access: 'admin',
    query: z.strictObject({ target: z.string().max(limits.targetNameChars).optional() }),
    body: 'none',
    answer: {
      status: 200,
      body: z.object({ events: z.array(z.record(z.string(), z.unknown())), more: z.boolean() }),
    },
    run: async (call) => call.json(200, await call.service.admin('notify.failed', call.query.target)),
  }),
  route({
    method: 'POST',
    path: `${failedPath}/retry`,
    id: 'retryFailedEvents',
    summary: 'Delivers failed events again, and takes those off the list that the target takes',
    access: 'admin',
    query: none,
    body: failedEvents,
    answer: { status: 200, body: z.object({ delivered: z.number(), failures: z.array(z.string()) }) },
    run: async (call) => call.json(200, await call.service.admin('notify.retry', call.body)),
  }),
  route({
    method: 'POST',
    path: `${failedPath}/drop`,
    id: 'dropFailedEvents',
    summary: 'Takes failed events off the list: they are never delivered',
    access: 'admin',
    query: none,
    body: failedEvents,
    answer: { status: 200, body: z.object({ dropped: z.number() }) },
    run: async (call) => call.json(200, await call.service.admin('notify.drop', call.body)),
  }),
  route({
    method: 'GET',
    path,
    id: 'listNotificationTargets',
    summary: 'The targets of event notifications, without their secrets, and how far each is behind on this server',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: targets },
    run: async (call) => call.json(200, { targets: await call.service.admin('notify.list', undefined) }),
  }),
  route({
    method: 'PUT',
    path: `${path}/{name}`,
    id: 'putNotificationTarget',
    summary: 'Defines a target of event notifications, or changes it',
    access: 'admin',
    query: none,
    body: newTarget,
    answer: { status: 200, body: targets },
    run: async (call) => {
      const target = { ...call.body, name: call.path['name'] };
      call.json(200, { targets: await call.service.admin('notify.add', target) });
    },
  }),
  route({
    method: 'DELETE',
    path: `${path}/{name}`,
    id: 'deleteNotificationTarget',
    summary: 'Takes a target away: what was not delivered to it never is',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: targets },
    run: async (call) =>
      call.json(200, { targets: await call.service.admin('notify.remove', call.path['name'] as string) }),
  }),
  route({
    method: 'POST',
    path: `${path}/{name}/test`,
    id: 'testNotificationTarget',
    summary: 'Sends a test event to a target, and says whether it has taken it',
    access: 'admin',
    query: none,
    body: 'none',
    answer: {
      status: 200,
      body: z.object({ results: z.array(z.object({ target: z.string(), failure: z.string().optional() })) }),
    },
    run: async (call) => {
      const asked = { targets: [call.path['name']], bucket: '', requestId: call.exchange.id, hostId: 'dsom' };
      call.json(200, { results: await call.service.admin('notify.test', asked) });
    },
  }),
  route({
    method: 'POST',
    path: 'admin/v1/replication/resync',
    id: 'resyncReplication',
    summary:
      'Compares all of a bucket with what it is replicated to, and writes what is missing there; lines of JSON: progress, failures, and a summary at the end',
    access: 'admin',
    query: none,
    body: z.strictObject({ bucket: z.string().min(1).max(63) }),
    answer: { status: 200, body: 'lines' },
    async run(call) {
      const { bucket } = call.body;
      // Refused before there is an answer that begins well.
      if (!call.service.objects.configuration(bucket, 'replication'))
        throw new StoreError('ReplicationConfigurationNotFoundError', { resource: bucket });
      await sendNews(call, 'replication.news', await call.service.admin('replication.start', bucket));
    },
  }),
];
