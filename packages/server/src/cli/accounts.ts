import type { Command } from 'commander';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatTable, formatTime, printable } from './format.ts';

/* Tenants and their users. Groups, roles, policies and further keys are IAM's: `aws iam --endpoint-url …` speaks it. */

interface UserOptions extends CommonOptions {
  readonly tenant?: string;
  readonly email?: string;
  readonly policy?: readonly string[];
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

async function createTenant(context: Context, [name = '']: readonly string[]): Promise<void> {
  const tenant = await context.client().tenants.create(name, { signal: context.signal });
  context.succeed();
  await context.result(tenant, [`account       ${tenant.account}`, `canonical id  ${tenant.canonicalId}`]);
  context.note(`Nobody is in it yet: \`dsom user create NAME --tenant ${name} --policy AdministratorAccess\`.`);
}

async function listTenants(context: Context): Promise<void> {
  const tenants = await context.client().tenants.list({ signal: context.signal });
  context.succeed();
  if (context.options.json) {
    for (const tenant of tenants) await context.result(tenant);
    return;
  }
  const rows = tenants.map((one) => [printable(one.name), one.account, formatTime(one.createdAt), one.canonicalId]);
  await context.result(undefined, formatTable([['TENANT', 'ACCOUNT', 'CREATED', 'CANONICAL ID'], ...rows]));
}

async function deleteTenants(context: Context, names: readonly string[]): Promise<void> {
  for (const name of names)
    try {
      await context.client().tenants.delete(name, { signal: context.signal });
      context.succeed();
      await context.result({ action: 'delete', tenant: name }, context.options.quiet ? [] : `deleted ${name}`);
    } catch (cause) {
      context.fail(name, cause);
    }
}

async function createUser(context: Context, [name = '']: readonly string[], options: UserOptions): Promise<void> {
  const { tenant, email, policy, accessKeyId, secretAccessKey } = options;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new UsageError('give both --access-key-id and --secret-access-key, or neither');
  const user = await context
    .client()
    .users.create(
      { name, tenant, email, policies: policy ?? [], accessKeyId, secretAccessKey },
      { signal: context.signal },
    );
  context.succeed();
  await context.result(user, [
    `arn                ${user.arn}`,
    `canonical id       ${user.canonicalId}`,
    `access key id      ${user.accessKeyId}`,
    `secret access key  ${user.secretAccessKey}`,
  ]);
  context.note('The secret is shown this once. `dsom profile add` keeps it for this user.');
  if (user.policies.length === 0)
    context.note(
      'He has no policy and may do nothing yet: `dsom user policy NAME --policy AmazonS3FullAccess`, or IAM.',
    );
}

async function listUsers(context: Context, _: readonly string[], options: UserOptions): Promise<void> {
  const users = await context.client().users.list(options.tenant, { signal: context.signal });
  context.succeed();
  if (context.options.json) {
    for (const user of users) await context.result(user);
    return;
  }
  const rows = users.map((user) => [
    printable(user.name),
    user.tenant,
    formatTime(user.createdAt),
    user.accessKeyIds.join(', '),
    user.policies.map((arn) => arn.slice(arn.lastIndexOf('/') + 1)).join(', '),
  ]);
  await context.result(undefined, formatTable([['USER', 'TENANT', 'CREATED', 'ACCESS KEYS', 'POLICIES'], ...rows]));
}

async function deleteUsers(context: Context, names: readonly string[], options: UserOptions): Promise<void> {
  for (const name of names)
    try {
      await context.client().users.delete(name, options.tenant, { signal: context.signal });
      context.succeed();
      await context.result({ action: 'delete', user: name }, context.options.quiet ? [] : `deleted ${name}`);
    } catch (cause) {
      context.fail(name, cause);
    }
}

async function setPolicies(context: Context, [name = '']: readonly string[], options: UserOptions): Promise<void> {
  const { tenant, policy = [] } = options;
  const user = await context.client().users.setPolicies(name, policy, tenant, { signal: context.signal });
  context.succeed();
  await context.result(user, user.policies.length === 0 ? 'no managed policy' : [...user.policies]);
}

export function addAccountCommands(program: Command, run: Run): void {
  const tenant = program.command('tenant').description('tenants: accounts that own buckets and users');
  clientCommand(tenant, 'create <name>', 'make a tenant').action(run(createTenant));
  clientCommand(tenant, 'list', 'list tenants').action(run(listTenants));
  clientCommand(tenant, 'delete <name...>', 'take away tenants that own nothing any more').action(run(deleteTenants));

  const user = program.command('user').description('users of tenants');
  const inTenant = 'tenant that the user is in, by name or account; the first account when left out';
  clientCommand(user, 'create <name>', 'make a user with an access key')
    .option('--tenant <tenant>', inTenant)
    .option('--email <address>', 'where he is reached')
    .option('--policy <policy>', 'managed policy that he gets, by name or ARN; may be repeated', collect)
    .option('--access-key-id <id>', 'an id that clients have already')
    .option('--secret-access-key <secret>', 'the secret that belongs to it')
    .action(run(createUser));
  clientCommand(user, 'list', 'list users').option('--tenant <tenant>', inTenant).action(run(listUsers));
  clientCommand(user, 'delete <name...>', 'take away users with their keys, policies and places in groups')
    .option('--tenant <tenant>', inTenant)
    .action(run(deleteUsers));
  clientCommand(user, 'policy <name>', 'the managed policies that a user has from now on; none takes all away')
    .option('--tenant <tenant>', inTenant)
    .option('--policy <policy>', 'by name or ARN; may be repeated', collect)
    .action(run(setPolicies));
}
