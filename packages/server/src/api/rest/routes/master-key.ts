import { z } from 'zod';
import { type Route, route } from '../route.ts';

/* The master key: how far a rotation is, and its beginning and end. The keys themselves never leave the servers. */

const none = z.strictObject({});
const count = z.int();
const statusShape = z.object({
  number: count,
  state: z.enum(['spreading', 'sealing', 'resealing', 'sealed', 'removing']),
  oldest: count,
  hanging: z.object({
    total: count,
    bucket: count,
    accessKey: count,
    namedKey: count,
    target: count,
    source: count,
    authority: count,
  }),
  waitsFor: z.array(z.string()),
  removableAt: z.string().nullable(),
});

const masterKeyPath = 'admin/v1/master-key';

export const masterKeyRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: masterKeyPath,
    id: 'getMasterKey',
    summary: 'How often the master key was rotated, how far a rotation is, and how much hangs on older keys',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: statusShape },
    run: async (call) => call.json(200, await call.service.admin('masterKey.status', undefined)),
  }),
  route({
    method: 'POST',
    path: masterKeyPath,
    id: 'changeMasterKey',
    summary: 'Puts a new master key in the place of the present one, or removes those on which nothing hangs any more',
    access: 'admin',
    query: none,
    body: z.union([
      z.strictObject({ action: z.literal('rotate') }),
      z.strictObject({ action: z.literal('remove'), endSessions: z.boolean().optional() }),
    ]),
    answer: { status: 202, body: statusShape },
    run: async (call) => call.json(202, await call.service.admin(`masterKey.${call.body.action}`, call.body)),
  }),
];
