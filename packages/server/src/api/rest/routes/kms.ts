import { z } from 'zod';
import { limits } from '../../../limits.ts';
import type { KmsKeyRecord } from '../../../metadata/index.ts';
import { type KmsAdministration, kmsKeyArn } from '../../../objects/index.ts';
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

/** A change of one key. */
const changing = (
  verb: 'disable' | 'enable' | 'rotate',
  summary: string,
  change: (kms: KmsAdministration, key: string) => Promise<KmsKeyRecord>,
): Route =>
  route({
    method: 'POST',
    path: `v1/kms/${verb}`,
    id: `${verb}KmsKey`,
    summary,
    access: 'admin',
    query: none,
    body: named,
    answer: { status: 200, body: keyShape },
    run: async (call) => call.json(200, keyJson(call, await change(call.service.objects.kms, call.body.key))),
  });

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
  changing('disable', 'From now on nothing is encrypted or opened with this key', (kms, key) =>
    kms.setState(key, 'disabled'),
  ),
  changing('enable', 'Lets a disabled key be used again', (kms, key) => kms.setState(key, 'enabled')),
  changing(
    'rotate',
    'A new version of the key, for new objects; what the others encrypted stays readable',
    (kms, key) => kms.rotate(key),
  ),
];
