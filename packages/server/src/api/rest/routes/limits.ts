import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type RateFigures, type RateLimits, rateFigures } from '../../../metadata/index.ts';
import { type RestCall, type Route, route } from '../route.ts';

/* What tenants, access keys and anonymous readers may ask: set by whoever administers the server. */

const none = z.strictObject({});
const path = 'admin/v1/limits';

const count = z.int().min(1).max(limits.rateMost).optional();
const bytes = z.int().min(limits.rateBytesLeast).max(limits.rateMost).optional();
const figures = {
  requestsPerSecond: count,
  bytesInPerSecond: bytes,
  bytesOutPerSecond: bytes,
  concurrentRequests: count,
  connections: count,
};
const figuresForm = z.strictObject(figures);
/** One of `tenant` (with `account`), `key` and `anonymous` is there. */
const limitShape = z.object({
  tenant: z.string().optional(),
  account: z.string().optional(),
  key: z.string().optional(),
  anonymous: z.boolean().optional(),
  ...figures,
  changedAt: z.string(),
});

function limitJson(call: RestCall, { subject, changedMs, ...limit }: RateLimits): z.input<typeof limitShape> {
  const [kind, name = ''] = subject.split('/');
  const account = kind === 'tenant' ? call.service.accounts.accounts().find(({ id }) => id === name) : undefined;
  return {
    ...(kind === 'tenant' && { tenant: account?.name ?? name, account: name }),
    ...(kind === 'key' && { key: name }),
    ...(kind === 'anonymous' && { anonymous: true }),
    ...Object.fromEntries(rateFigures.flatMap((one) => (limit[one] === undefined ? [] : [[one, limit[one]]]))),
    changedAt: new Date(changedMs).toISOString(),
  };
}

/** The subject that a path names. @throws StoreError NoSuchEntity, NotFound */
type SubjectOf = (call: RestCall) => string;

const ofTenant: SubjectOf = ({ service, path: { tenant } }) => `tenant/${service.accounts.account(tenant).id}`;
const ofKey: SubjectOf = ({ service, path: { key = '' } }) => {
  if (!service.accounts.key(key))
    throw new StoreError('NotFound', {
      message: `There is no access key ${key}: \`dsom user list\` shows those of users, \`dsom key list\` the others.`,
    });
  return `key/${key}`;
};
const ofAnonymous: SubjectOf = () => 'anonymous';

/** Setting and clearing the limits of one kind of subject. */
function routesOf(below: string, name: string, whose: string, subjectOf: SubjectOf): readonly Route[] {
  return [
    route({
      method: 'PUT',
      path: `${path}/${below}`,
      id: `put${name}Limit`,
      summary: `What ${whose} may ask from now on, in the place of what was set before`,
      access: 'admin',
      query: none,
      body: figuresForm,
      answer: { status: 200, body: limitShape },
      async run(call) {
        const set = await call.service.accounts.setRates(subjectOf(call as RestCall), call.body as RateFigures);
        call.json(200, limitJson(call as RestCall, set));
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/${below}`,
      id: `delete${name}Limit`,
      summary: `Takes the limit of ${whose} away`,
      access: 'admin',
      query: none,
      body: 'none',
      answer: { status: 204, body: 'none' },
      async run(call) {
        await call.service.accounts.clearRates(subjectOf(call as RestCall));
        call.empty(204);
      },
    }),
  ];
}

export const limitRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path,
    id: 'listLimits',
    summary:
      'Limits of requests, bytes, concurrency and connections that are set; over all nodes, but for connections and anonymous addresses, which each node counts by itself',
    access: 'admin',
    query: none,
    body: 'none',
    answer: { status: 200, body: z.object({ limits: z.array(limitShape) }) },
    run: (call) =>
      call.json(200, { limits: call.service.accounts.rates().map((one) => limitJson(call as RestCall, one)) }),
  }),
  ...routesOf('tenants/{tenant}', 'Tenant', 'a tenant', ofTenant),
  ...routesOf('keys/{key}', 'Key', 'an access key', ofKey),
  ...routesOf('anonymous', 'Anonymous', 'each address without credentials', ofAnonymous),
];
