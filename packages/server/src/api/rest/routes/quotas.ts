import { z } from 'zod';
import type { QuotaHolder, QuotaStatus } from '../../../access/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { asFor, type RestCall, type Route, route } from '../route.ts';

/* How many bytes and objects buckets, tenants and users may hold, and how many they do (docs/quotas.md). */

const none = z.strictObject({});
const amount = z.int().min(0);
const newQuota = z
  .strictObject({ bytes: amount.nullable().optional(), objects: amount.nullable().optional() })
  .describe('in the place of what was there: what is left out or null is not limited');

const statusShape = z.object({
  kind: z.enum(['bucket', 'tenant', 'user']),
  name: z.string(),
  tenant: z.string().optional().describe('of a user'),
  quota: z.object({ bytes: z.int().nullable(), objects: z.int().nullable() }).describe('null: not limited'),
  usage: z.object({ bytes: z.int(), objects: z.int() }).describe('bytes of versions and parts; versions and markers'),
});

const statusJson = ({ holder, quota, usage }: QuotaStatus): z.input<typeof statusShape> => ({
  ...('bucket' in holder
    ? { kind: 'bucket', name: holder.bucket }
    : 'user' in holder
      ? { kind: 'user', name: holder.user, tenant: holder.tenant }
      : { kind: 'tenant', name: holder.tenant }),
  quota: { bytes: quota.bytes ?? null, objects: quota.objects ?? null },
  usage: { bytes: usage.bytes, objects: usage.objects },
});

/** `bucket/NAME`, `tenant/NAME` or `user/NAME/TENANT`: where a page goes on. */
function holderAt(text: string): QuotaHolder | undefined {
  if (text === '') return undefined;
  const [, kind, name = '', tenant] = /^(bucket|tenant|user)\/([^/]+)(?:\/([^/]+))?$/.exec(text) ?? [];
  if (kind === 'bucket') return { bucket: name };
  if (kind === 'tenant') return { tenant: name };
  if (kind === 'user') return { user: name, tenant };
  throw new StoreError('InvalidArgument', { message: 'after is what the page before gave as next.' });
}

const inTenant = z.strictObject({ tenant: z.string().optional() });

function routesOf(kind: 'bucket' | 'tenant' | 'user', Kind: string): Route[] {
  const holderOf = ({ path, query }: Pick<RestCall, 'path' | 'query'>): QuotaHolder => {
    const name = path[kind] as string;
    if (kind === 'user') return { user: name, tenant: (query as z.output<typeof inTenant>).tenant };
    return kind === 'bucket' ? { bucket: name } : { tenant: name };
  };
  const query = kind === 'user' ? inTenant : none;
  const path = `v1/quotas/${kind}s/{${kind}}`;
  return [
    route({
      method: 'GET',
      path,
      id: `get${Kind}Quota`,
      summary: `What a ${kind} may hold, and what is held, which is shown without a quota too`,
      // Who may list a bucket may count what is in it.
      access: kind === 'bucket' ? asFor('HeadBucket') : 'admin',
      query,
      body: 'none',
      answer: { status: 200, body: statusShape },
      run: (call) => call.json(200, statusJson(call.service.quotas.of(holderOf(call)))),
    }),
    route({
      method: 'PUT',
      path,
      id: `put${Kind}Quota`,
      summary: `Limits what a ${kind} may hold; what is held already stays`,
      access: 'admin',
      query,
      body: newQuota,
      answer: { status: 200, body: statusShape },
      async run(call) {
        const { bytes, objects } = call.body;
        const quota = { ...(bytes != null && { bytes }), ...(objects != null && { objects }) };
        call.json(200, statusJson(await call.service.quotas.set(holderOf(call), quota)));
      },
    }),
    route({
      method: 'DELETE',
      path,
      id: `delete${Kind}Quota`,
      summary: `Limits a ${kind} no more`,
      access: 'admin',
      query,
      body: 'none',
      answer: { status: 204, body: 'none' },
      async run(call) {
        await call.service.quotas.set(holderOf(call), null);
        call.empty(204);
      },
    }),
  ];
}

export const quotaRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/quotas',
    id: 'listQuotas',
    summary: 'Quotas that there are, with what is held',
    access: 'admin',
    query: z.strictObject({
      after: z.string().default(''),
      limit: z.coerce.number().int().min(1).max(limits.listPage).default(limits.listPage),
    }),
    body: 'none',
    answer: { status: 200, body: z.object({ quotas: z.array(statusShape), next: z.string().optional() }) },
    run(call) {
      const { after, limit } = call.query;
      const page = call.service.quotas.list(holderAt(after), limit);
      const quotas = page.items.map(statusJson);
      const last = quotas.at(-1);
      call.json(200, {
        quotas,
        ...(page.truncated &&
          last && { next: [last.kind, last.name, ...(last.tenant === undefined ? [] : [last.tenant])].join('/') }),
      });
    },
  }),
  ...routesOf('bucket', 'Bucket'),
  ...routesOf('tenant', 'Tenant'),
  ...routesOf('user', 'User'),
];
