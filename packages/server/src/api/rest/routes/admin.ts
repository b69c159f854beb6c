import { z } from 'zod';
import { limits } from '../../../limits.ts';
import type { Policy } from '../../../metadata/index.ts';
import type { RestoreDelays } from '../../../objects/index.ts';
import { type PolicyJson, policyJson, policyOf } from '../../http/redundancy.ts';
import { type Route, route } from '../route.ts';
import { keyJson, keyShape, redundancy } from '../shapes.ts';
import { sendNews } from './news.ts';

const none = z.strictObject({});
const anything = z.record(z.string(), z.unknown());
const restoreMs = z.int().min(0).max(limits.restoreDelayMs);
/** How long each tier of a restore takes. */
const archiveShape = z.strictObject({ standardMs: restoreMs, bulkMs: restoreMs, expeditedMs: restoreMs });
const policyShape = z.object({ name: z.string(), redundancy, archive: archiveShape.optional() });

/** What the owner answers about policies, as JSON. */
async function policies(asked: Promise<unknown>) {
  const known = (await asked) as readonly { name: string; policy: Policy; archive?: RestoreDelays }[];
  return {
    policies: known.map(({ name, policy, archive }) => ({
      name,
      redundancy: policyJson(policy) as PolicyJson,
      ...(archive && {
        archive: { standardMs: archive.Standard, bulkMs: archive.Bulk, expeditedMs: archive.Expedited },
      }),
    })),
  };
}

const secretText = z.string().min(8).max(128);

export const adminRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/openapi.json',
    id: 'getOpenApi',
    summary: 'This document',
    access: 'open',
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
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ keys: z.array(keyShape) }) },
    run: (call) => {
      const { keys } = call.service;
      return call.json(200, { keys: keys.list().map((key) => keyJson(key, keys.use(key.id))) });
    },
  }),
  route({
    method: 'POST',
    path: 'v1/keys',
    id: 'createKey',
    summary: 'Makes an access key; its secret is shown this once',
    access: 'admin',
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
    access: 'admin',
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
    access: 'admin',
    whenSilent: true,
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
    access: 'admin',
    whenSilent: true,
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
    access: 'admin',
    query: none,
    body: z.strictObject({ action: z.enum(['start', 'stop']) }),
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin(`scrub.${call.body.action}`, undefined)),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/policies',
    id: 'listPolicies',
    summary: 'The storage classes that the operator has defined, and what they stand for',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ policies: z.array(policyShape) }) },
    run: async (call) => call.json(200, await policies(call.service.admin('policy.list', undefined))),
  }),
  route({
    method: 'PUT',
    path: 'admin/v1/policies/{name}',
    id: 'putPolicy',
    summary: 'Defines a storage class, or changes it: what has the class is kept so from then on, in the background',
    access: 'admin',
    query: none,
    body: z.strictObject({ redundancy, archive: archiveShape.nullable().optional() }),
    answer: { status: 200, body: z.object({ policies: z.array(policyShape) }) },
    run: async (call) => {
      const { archive } = call.body;
      const delays = archive && {
        Standard: archive.standardMs,
        Bulk: archive.bulkMs,
        Expedited: archive.expeditedMs,
      };
      const change = { name: call.path['name'], policy: policyOf(call.body.redundancy), archive: delays };
      call.json(200, await policies(call.service.admin('policy.change', change)));
    },
  }),
  route({
    method: 'DELETE',
    path: 'admin/v1/policies/{name}',
    id: 'deletePolicy',
    summary: 'Takes a storage class of the operator away: what has it is kept as its bucket says',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ policies: z.array(policyShape) }) },
    run: async (call) =>
      call.json(200, await policies(call.service.admin('policy.change', { name: call.path['name'], policy: null }))),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/cluster',
    id: 'getCluster',
    summary: 'Nodes, devices, placement groups, and what is at risk, as this node sees them',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('cluster.status', undefined)),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/cluster/repair',
    id: 'getRepair',
    summary: 'Fragments that each node has still to write or to hand over, rate and time left',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('cluster.repair', undefined)),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/cluster/risk',
    id: 'getRisk',
    summary: 'What is below full redundancy, how long a repair takes, and nines by the model',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('cluster.risk', undefined)),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/cluster/rebalance',
    id: 'getRebalance',
    summary: 'Whether groups are being evened out over the devices, and how far that is',
    access: 'admin',
    whenSilent: true,
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('rebalance.status', undefined)),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/cluster/rebalance',
    id: 'controlRebalance',
    summary: 'Starts or pauses evening out, or bounds what each node writes for it and for repairs in a second',
    access: 'admin',
    query: none,
    body: z.union([
      z.strictObject({ action: z.enum(['start', 'pause']) }),
      z.strictObject({
        action: z.literal('limit'),
        bytesPerSecond: z.number().int().min(limits.movedBytesPerSecondLeast),
      }),
    ]),
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('rebalance.change', call.body)),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/cluster/invite',
    id: 'inviteNode',
    summary: 'A line that one further node can join with, once',
    access: 'admin',
    query: none,
    body: z.strictObject({
      seconds: z
        .number()
        .int()
        .min(60)
        .max(7 * 24 * 3600)
        .optional(),
    }),
    answer: { status: 201, body: anything },
    run: async (call) => call.json(201, await call.service.admin('cluster.invite', call.body)),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/cluster/invitations',
    id: 'listInvitations',
    summary: 'Invitations that can be used still, without their secrets',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('cluster.invitations', undefined)),
  }),
  route({
    method: 'DELETE',
    path: 'admin/v1/cluster/invitations/{id}',
    id: 'revokeInvitation',
    summary: 'From now on nobody joins with this invitation',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('cluster.revokeInvitation', { id: call.path['id'] })),
  }),
  route({
    method: 'GET',
    path: 'admin/v1/cluster/authority',
    id: 'getAuthority',
    summary: 'How often the authority of the cluster was changed, and how far a change is',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: anything },
    run: async (call) => call.json(200, await call.service.admin('cluster.authority', undefined)),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/cluster/authority',
    id: 'rotateAuthority',
    summary: 'Puts a new authority in the place of the present one, without a stop',
    access: 'admin',
    query: none,
    body: z.strictObject({ action: z.literal('rotate') }),
    answer: { status: 202, body: anything },
    run: async (call) => call.json(202, await call.service.admin('cluster.rotateAuthority', undefined)),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/cluster/nodes/{id}',
    id: 'changeNode',
    summary: 'Drains, activates, removes or labels a node',
    access: 'admin',
    query: none,
    body: z.union([
      z.strictObject({ action: z.enum(['drain', 'activate', 'remove']) }),
      z.strictObject({ action: z.literal('label'), zone: z.string().max(64) }),
    ]),
    answer: { status: 200, body: anything },
    run: async (call) =>
      call.json(200, await call.service.admin('cluster.node', { id: call.path['id'], ...call.body })),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/cluster/devices/{id}',
    id: 'changeDevice',
    summary: 'Drains, retires, activates or replaces a device',
    access: 'admin',
    query: none,
    body: z.union([
      z.strictObject({ action: z.enum(['drain', 'activate', 'retire']) }),
      z.strictObject({ action: z.literal('replace'), by: z.string().min(1).max(64) }),
    ]),
    answer: { status: 200, body: anything },
    run: async (call) =>
      call.json(200, await call.service.admin('cluster.device', { id: call.path['id'], ...call.body })),
  }),
  route({
    method: 'POST',
    path: 'admin/v1/fsck',
    id: 'runFsck',
    summary: 'Cross-checks metadata and fragments; lines of JSON: progress, findings, and a summary at the end',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: 'lines' },
    async run(call) {
      await sendNews(call, 'fsck.news', await call.service.admin('fsck.start', undefined));
    },
  }),
];
