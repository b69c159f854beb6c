import { z } from 'zod';
import { limits } from '../../../limits.ts';
import type { KmsKeyRecord } from '../../../metadata/index.ts';
import { kmsKeyArn } from '../../../objects/index.ts';
import { type RestCall, type Route, route } from '../route.ts';

/* Named keys (SSE-KMS). What they are never leaves the server: they are made, shown, disabled and rotated, by who may administer it. */

const none = z.strictObject({});
const keyShape = z.object({
  id: z.string(),
  arn: z.string(),
  alias: z.string(),
  state: z.enum(['enabled', 'disabled']),
  versions: z.int(),
  createdAt: z.string(),
});

const keyJson = ({ service }: RestCall, { id, name, state, versions, createdMs }: KmsKeyRecord) => ({
  id,
  arn: kmsKeyArn(service.region, id),
  alias: `alias/${name}`,
  state,
  versions: versions.length,
  createdAt: new Date(createdMs).toISOString(),
});

/** By id, ARN or alias: it is in the body, since two of them have slashes. */
const named = z.strictObject({ key: z.string().min(1).max(256) });

export const kmsRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/kms/keys',
    id: 'listKmsKeys',
    summary: 'Named keys',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ keys: z.array(keyShape) }) },
    run: (call) => call.json(200, { keys: call.service.objects.kms.list().map((key) => keyJson(call, key)) }),
  }),
  route({
    method: 'POST',
    path: 'v1/kms/keys',
    id: 'createKmsKey',
    summary: 'Makes a named key',
    access: 'admin',
    query: none,
    body: z.strictObject({ name: z.string().min(1).max(limits.kmsKeyNameChars) }),
    answer: { status: 201, body: keyShape },
    run: async (call) => call.json(201, keyJson(call, await call.service.objects.kms.create(call.body.name))),
  }),
  route({
    method: 'POST',
    path: 'v1/kms/disable',
    id: 'disableKmsKey',
    summary: 'From now on nothing is encrypted or opened with this key',
    access: 'admin',
    query: none,
    body: named,
    answer: { status: 200, body: keyShape },
    run: async (call) =>
      call.json(200, keyJson(call, await call.service.objects.kms.setState(call.body.key, 'disabled'))),
  }),
  route({
    method: 'POST',
    path: 'v1/kms/enable',
    id: 'enableKmsKey',
    summary: 'Lets a disabled key be used again',
    access: 'admin',
    query: none,
    body: named,
    answer: { status: 200, body: keyShape },
    run: async (call) =>
      call.json(200, keyJson(call, await call.service.objects.kms.setState(call.body.key, 'enabled'))),
  }),
  route({
    method: 'POST',
    path: 'v1/kms/rotate',
    id: 'rotateKmsKey',
    summary: 'A new version of the key, for new objects; what the others encrypted stays readable',
    access: 'admin',
    query: none,
    body: named,
    answer: { status: 200, body: keyShape },
    run: async (call) => call.json(200, keyJson(call, await call.service.objects.kms.rotate(call.body.key))),
  }),
];
