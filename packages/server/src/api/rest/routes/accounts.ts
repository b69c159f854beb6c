import { z } from 'zod';
import { canonicalIdOf, userArn } from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { AccountRecord, UserRecord } from '../../../metadata/index.ts';
import { type RestCall, type Route, route } from '../route.ts';

/*
 * Tenants, which IAM has no API for, and users of any of them: what whoever administers the server does before there is anybody in a tenant who could. All
 * the rest is IAM's.
 */

const none = z.strictObject({});
const nameForm = z
  .string()
  .max(limits.userNameChars)
  .regex(/^[\w+=,.@-]+$/, 'letters, digits and +=,.@_-');
const tenantQuery = z.strictObject({ tenant: z.string().optional() });

const tenantShape = z.object({
  name: z.string(),
  account: z.string(),
  canonicalId: z.string(),
  createdAt: z.string().optional(),
});
const userShape = z.object({
  name: z.string(),
  tenant: z.string(),
  account: z.string(),
  canonicalId: z.string(),
  arn: z.string(),
  id: z.string(),
  email: z.string(),
  policies: z.array(z.string()),
  accessKeyIds: z.array(z.string()),
  createdAt: z.string(),
});

const iso = (ms: number): string => new Date(ms).toISOString();

const tenantJson = ({ id, name, canonicalId, createdMs }: AccountRecord): z.input<typeof tenantShape> => ({
  name,
  account: id,
  canonicalId,
  ...(createdMs > 0 && { createdAt: iso(createdMs) }),
});

const userJson = (account: AccountRecord, user: UserRecord): z.input<typeof userShape> => ({
  name: user.name,
  tenant: account.name,
  account: account.id,
  canonicalId: canonicalIdOf(account.id),
  arn: userArn(user),
  id: user.id,
  email: user.email,
  policies: [...user.attached],
  accessKeyIds: [...user.accessKeys],
  createdAt: iso(user.createdMs),
});

const shown = (call: RestCall, account: AccountRecord, name: string) =>
  userJson(account, call.service.accounts.get(account.id, 'user', name));

export const accountRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/tenants',
    id: 'listTenants',
    summary: 'Accounts: what owns buckets and users',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ tenants: z.array(tenantShape) }) },
    run: (call) => call.json(200, { tenants: call.service.accounts.accounts().map(tenantJson) }),
  }),
  route({
    method: 'POST',
    path: 'v1/tenants',
    id: 'createTenant',
    summary: 'Makes an account, in which there is nobody yet',
    access: 'admin',
    query: none,
    body: z.strictObject({ name: nameForm }),
    answer: { status: 201, body: tenantShape },
    run: async (call) => call.json(201, tenantJson(await call.service.accounts.createAccount(call.body.name))),
  }),
  route({
    method: 'DELETE',
    path: 'v1/tenants/{name}',
    id: 'deleteTenant',
    summary: 'Takes away an account that owns nothing any more',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 204, body: 'none' },
    async run(call) {
      await call.service.accounts.removeAccount(call.path['name'] as string);
      call.empty(204);
    },
  }),
  route({
    method: 'GET',
    path: 'v1/users',
    id: 'listUsers',
    summary: 'Users of a tenant, those of the first account when none is named',
    access: 'admin',
    query: tenantQuery,
    body: 'none',
    answer: { status: 200, body: z.object({ users: z.array(userShape) }) },
    run(call) {
      const { accounts } = call.service;
      const account = accounts.account(call.query.tenant);
      const { items } = accounts.identities.identities(account.id, 'user', '', limits.users);
      call.json(200, { users: items.map((user) => userJson(account, user)) });
    },
  }),
  route({
    method: 'POST',
    path: 'v1/users',
    id: 'createUser',
    summary: 'Makes a user with an access key; the secret is shown this once',
    access: 'admin',
    query: none,
    body: z.strictObject({
      name: nameForm,
      tenant: z.string().optional(),
      email: z.string().max(limits.emailChars).default(''),
      policies: z.array(z.string()).max(limits.attachedPolicies).default([]),
      accessKeyId: z
        .string()
        .regex(/^[A-Za-z0-9_-]{3,128}$/, 'letters, digits, _ and -, 3 to 128 of them')
        .optional(),
      secretAccessKey: z.string().min(8).max(128).optional(),
    }),
    answer: { status: 201, body: userShape.extend({ accessKeyId: z.string(), secretAccessKey: z.string() }) },
    async run(call) {
      const { accounts } = call.service;
      const { name, email, policies, accessKeyId, secretAccessKey } = call.body;
      if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
        throw new StoreError('InvalidArgument', { message: 'Give both accessKeyId and secretAccessKey, or neither.' });
      const account = accounts.account(call.body.tenant);
      const attached = policies.map((policy) => accounts.policyNamed(account.id, policy));
      // Before anything is made: a user without the key that was asked for would be half of what was wanted.
      if (accessKeyId !== undefined && accounts.key(accessKeyId))
        throw new StoreError('EntityAlreadyExists', {
          message: `The access key ${accessKeyId} exists already: choose another id, or delete it first.`,
        });
      const about = { account: account.id, name, path: '/', tags: [], inline: [], groups: [], boundary: undefined };
      await accounts.create('user', { ...about, attached, email });
      const given =
        accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey };
      const made = await accounts.createKey(account.id, name, given);
      const key = { accessKeyId: made.record.id, secretAccessKey: made.secretAccessKey };
      call.json(201, { ...shown(call as RestCall, account, name), ...key });
    },
  }),
  route({
    method: 'DELETE',
    path: 'v1/users/{name}',
    id: 'deleteUser',
    summary: 'Takes away a user with his keys, policies and places in groups',
    access: 'admin',
    query: tenantQuery,
    body: 'none',
    answer: { status: 204, body: 'none' },
    async run(call) {
      const { accounts } = call.service;
      await accounts.removeUser(accounts.account(call.query.tenant).id, call.path['name'] as string);
      call.empty(204);
    },
  }),
  route({
    method: 'PUT',
    path: 'v1/users/{name}/policies',
    id: 'setUserPolicies',
    summary: 'The managed policies that a user has, in the place of those he had',
    access: 'admin',
    query: tenantQuery,
    body: z.strictObject({ policies: z.array(z.string()).max(limits.attachedPolicies) }),
    answer: { status: 200, body: userShape },
    async run(call) {
      const { accounts } = call.service;
      const account = accounts.account(call.query.tenant);
      const name = call.path['name'] as string;
      const attached = [...new Set(call.body.policies.map((policy) => accounts.policyNamed(account.id, policy)))];
      await accounts.change(account.id, 'user', name, (user) => ({ ...user, attached }));
      call.json(200, shown(call as RestCall, account, name));
    },
  }),
];
