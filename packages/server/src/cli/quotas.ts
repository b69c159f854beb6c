/* `quota`: how much buckets, tenants and users may hold, and how much they do. */
import type { Quota, QuotaHolder, QuotaStatus } from '@dsom/sdk';
import type { Command } from 'commander';
import { parseBucket } from './address.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatSize, formatTable, parseCount, parseSize, printable } from './format.ts';

interface QuotaOptions extends CommonOptions {
  readonly tenant?: string;
  readonly user?: string;
  readonly bytes?: string;
  readonly objects?: string;
}

interface Named {
  readonly holder: QuotaHolder;
  readonly profile?: string | undefined;
  readonly shown: string;
}

/** What was named; undefined: nothing. */
function named(address: string | undefined, { tenant, user }: QuotaOptions): Named | undefined {
  if (address !== undefined && (tenant ?? user) !== undefined)
    throw new UsageError('name a bucket, or a tenant or user by --tenant or --user, not both');
  if (user !== undefined) return { holder: { user, tenant }, shown: `user ${user}` };
  if (tenant !== undefined) return { holder: { tenant }, shown: `tenant ${tenant}` };
  if (address === undefined) return undefined;
  const { bucket, profile } = parseBucket(address);
  return { holder: { bucket }, profile, shown: `s3://${bucket}` };
}

function required(address: string | undefined, options: QuotaOptions): Named {
  const found = named(address, options);
  if (!found) throw new UsageError('name what the quota is of: s3://BUCKET, --tenant TENANT or --user USER');
  return found;
}

const held = (used: number, most: number | undefined, text: (value: number) => string): string =>
  most === undefined ? `${text(used)} of any` : `${text(used)} of ${text(most)}`;

const lines = (all: readonly QuotaStatus[]): string[] =>
  formatTable([
    ['OF', 'NAME', 'BYTES', 'OBJECTS'],
    ...all.map(({ kind, name, tenant, quota, usage }) => [
      kind,
      printable(tenant === undefined ? name : `${name} of ${tenant}`),
      held(usage.bytes, quota.bytes, formatSize),
      held(usage.objects, quota.objects, String),
    ]),
  ]);

async function setQuota(context: Context, [address]: readonly string[], options: QuotaOptions): Promise<void> {
  const { holder, profile } = required(address, options);
  const quota: Quota = {
    ...(options.bytes !== undefined && { bytes: parseSize(options.bytes) }),
    ...(options.objects !== undefined && { objects: parseCount(options.objects, 0) }),
  };
  if (Object.keys(quota).length === 0)
    throw new UsageError('say what is limited: --bytes, --objects, or both; `dsom quota clear` takes a quota away');
  const status = await context.client({ profile }).quotas.set(holder, quota, { signal: context.signal });
  context.succeed();
  await context.result(status, lines([status]));
}

async function showQuotas(context: Context, [address]: readonly string[], options: QuotaOptions): Promise<void> {
  const { signal } = context;
  const one = named(address, options);
  if (one) {
    const status = await context.client({ profile: one.profile }).quotas.get(one.holder, { signal });
    context.succeed();
    await context.result(status, lines([status]));
    return;
  }
  const all: QuotaStatus[] = [];
  for await (const status of context.client().quotas.list({ signal })) all.push(status);
  context.succeed();
  if (context.options.json) for (const status of all) await context.result(status);
  else if (all.length > 0) await context.result(undefined, lines(all));
  else context.note('there are no quotas: `dsom quota set s3://BUCKET --bytes 10GiB` makes one');
}

async function clearQuota(context: Context, [address]: readonly string[], options: QuotaOptions): Promise<void> {
  const { holder, profile, shown } = required(address, options);
  await context.client({ profile }).quotas.clear(holder, { signal: context.signal });
  context.succeed();
  await context.result({ action: 'clear', ...holder }, options.quiet ? [] : `${shown} is not limited any more`);
}

export function addQuotaCommands(program: Command, run: Run): void {
  const quota = program.command('quota').description('how much buckets, tenants and users may hold');
  const ofTenant = 'all buckets of this tenant together, by name or account; with --user, the tenant that he is in';
  const ofUser = 'what this user writes, in whatever bucket';
  clientCommand(
    quota,
    'set [bucket]',
    'limit a bucket, a tenant or a user; what is not named here is not limited any more',
  )
    .option('--tenant <tenant>', ofTenant)
    .option('--user <user>', ofUser)
    .option('--bytes <size>', 'bytes of all versions and of parts of open uploads, such as 10GiB')
    .option('--objects <n>', 'versions and delete markers')
    .action(run(setQuota));
  clientCommand(quota, 'show [bucket]', 'what is allowed and what is held; all quotas when nothing is named')
    .option('--tenant <tenant>', ofTenant)
    .option('--user <user>', ofUser)
    .action(run(showQuotas));
  clientCommand(quota, 'clear [bucket]', 'limit a bucket, a tenant or a user no more')
    .option('--tenant <tenant>', ofTenant)
    .option('--user <user>', ofUser)
    .action(run(clearQuota));
}
