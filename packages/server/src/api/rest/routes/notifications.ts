import { z } from 'zod';
import { limits } from '../../../limits.ts';
import { type Route, route } from '../route.ts';

/* The targets of event notifications: what an operator defines. What a target is spoken to with goes in, and never comes out. */

const none = z.strictObject({});
const targets = z.object({ targets: z.array(z.record(z.string(), z.unknown())) });
const path = 'admin/v1/notifications/targets';

const newTarget = z.strictObject({
  kind: z.enum(['webhook', 'nats']),
  url: z.string().min(1).max(2048),
  headers: z
    .array(z.tuple([z.string().min(1).max(256), z.string().max(4096)]))
    .max(limits.targetHeaders)
    .default([]),
  subject: z.string().max(256).optional(),
  token: z.string().max(4096).optional(),
  eventBridge: z.boolean().default(false),
});

export const notificationRoutes: readonly Route[] = [
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
];
