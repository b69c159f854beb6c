import { z } from 'zod';
import { type Route, route } from '../route.ts';
import { keyJson, keyShape } from '../shapes.ts';

const none = z.strictObject({});
const anything = z.record(z.string(), z.unknown());
const secretText = z.string().min(8).max(128);

export const adminRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/openapi.json',
    id: 'getOpenApi',
    summary: 'This document',
    kind: 'open',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: (call) => call.json(200, call.service.openapi()),
  }),
  route({
    method: 'GET',
    path: 'v1/keys',
    id: 'listKeys',
    summary: 'Access keys, without their secrets',
    kind: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ keys: z.array(keyShape) }) },
    run: (call) => call.json(200, { keys: call.service.keys.list().map(keyJson) }),
  }),
  route({
    method: 'POST',
    path: 'v1/keys',
    id: 'createKey',
    summary: 'Makes an access key; its secret is shown this once',
    kind: 'admin',
    query: none,
    body: z.strictObject({
      name: z.string().max(128).default(''),
      role: z.enum(['readwrite', 'readonly']).default('readwrite'),
      buckets: z.array(z.string()).max(1000).default([]),
      accessKeyId: z
        .string()
        .regex(/^[A-Za-z0-9_-]{3,128}$/, 'letters, digits, _ and -, 3 to 128 of them')
        .optional(),
      secretAccessKey: secretText.optional(),
    }),
    answer: { status: 201, body: keyShape.extend({ secretAccessKey: z.string() }) },
    async run(call) {
      const { record, secretAccessKey } = await call.service.keys.create(call.body);
      call.json(201, { ...keyJson(record), secretAccessKey });
    },
  }),
  route({
    method: 'DELETE',
    path: 'v1/keys/{id}',
    id: 'revokeKey',
    summary: 'From now on requests with this key are refused',
    kind: 'admin',
    query: none,
    body: 'none',
    answer: { status: 204, body: 'none' },
    async run(call) {
      await call.service.keys.revoke(call.path['id'] as string);
      call.empty(204);
    },
  }),
  route({
    method: 'GET',
    path: 'admin/v1/status',
    id: 'getStatus',
    summary: 'Log, devices, garbage, scrub',
    kind: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('status', undefined)),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/scrub',
    id: 'getScrub',
    summary: 'How far the scrub is, and what it found',
    kind: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('scrub.status', undefined)),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/scrub',
    id: 'controlScrub',
    summary: 'Starts or stops a scrub of every byte',
    kind: 'admin',
    query: none,
    body: z.strictObject({ action: z.enum(['start', 'stop']) }),
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin(`scrub.${call.body.action}`, undefined)),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/fsck',
    id: 'runFsck',
    summary: 'Cross-checks metadata and fragments; lines of JSON: progress, findings, and a summary at the end',
    kind: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: 'lines' },
    async run(call) {
      const { admin, host } = call.service;
      const headers = [...call.headers(), 'Content-Type', 'application/x-ndjson'];
      const { response } = call.exchange;
      const id = await admin('fsck.start', undefined);
      response.writeHead(200, headers);
      // One line now and then, so that the client sees progress and the server sees a client that went away.
      for (let done = false; !done && !response.destroyed; ) {
        await host.timers.sleep(200);
        const news = (await admin('fsck.news', id)) as { readonly lines: readonly unknown[]; readonly done: boolean };
        for (const line of news.lines) response.write(`${JSON.stringify(line)}\n`);
        done = news.done;
      }
      call.exchange.finish(200);
    },
  }),
];
