import { type Command, Option } from 'commander';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatTable, formatTime, printable } from './format.ts';
import { addMasterKeyCommands } from './master-key.ts';

interface CreateOptions extends CommonOptions {
  readonly role: string;
  readonly bucket?: readonly string[];
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

async function create(context: Context, [name = '']: readonly string[], options: CreateOptions): Promise<void> {
  const { role } = options;
  if (role !== 'readwrite' && role !== 'readonly')
    throw new UsageError(`--role is readwrite or readonly, not "${role}"`);
  if ((options.accessKeyId === undefined) !== (options.secretAccessKey === undefined))
    throw new UsageError('give both --access-key-id and --secret-access-key, or neither');
  const { accessKeyId, secretAccessKey } = options;
  const key = await context
    .client()
    .keys.create(
      { name, role, buckets: options.bucket ?? [], accessKeyId, secretAccessKey },
      { signal: context.signal },
    );
  context.succeed();
  await context.result(key, [`access key id      ${key.accessKeyId}`, `secret access key  ${key.secretAccessKey}`]);
  context.note('The secret is shown this once. `dsom profile add` keeps it for this user.');
}

async function list(context: Context): Promise<void> {
  const keys = await context.client().keys.list({ signal: context.signal });
  context.succeed();
  if (context.options.json) {
    for (const key of keys) await context.result(key);
    return;
  }
  const rows = keys.map((key) => [
    key.accessKeyId,
    key.role,
    formatTime(key.createdAt),
    key.lastUsedAt ? `${formatTime(key.lastUsedAt)} ${key.lastUsedService ?? ''}`.trim() : '-',
    printable(key.name),
    key.buckets.length === 0 ? 'all buckets' : key.buckets.join(', '),
  ]);
  await context.result(
    undefined,
    formatTable([['ACCESS KEY ID', 'ROLE', 'CREATED', 'LAST USED', 'NAME', 'BUCKETS'], ...rows]),
  );
}

async function revoke(context: Context, ids: readonly string[]): Promise<void> {
  for (const id of ids)
    try {
      await context.client().keys.revoke(id, { signal: context.signal });
      context.succeed();
      await context.result({ action: 'revoke', accessKeyId: id }, context.options.quiet ? [] : `revoked ${id}`);
    } catch (cause) {
      context.fail(id, cause);
    }
}

export function addKeyCommands(program: Command, run: Run): void {
  const key = program.command('key').description('access keys, and the master key');
  clientCommand(key, 'create <name>', 'make an access key')
    .addOption(new Option('--role <role>', 'what it may do').choices(['readwrite', 'readonly']).default('readwrite'))
    .option('--bucket <name>', 'may touch only this bucket; may be repeated', collect)
    .option('--access-key-id <id>', 'an id that clients have already')
    .option('--secret-access-key <secret>', 'the secret that belongs to it')
    .action(run(create));
  clientCommand(key, 'list', 'list access keys').action(run(list));
  clientCommand(key, 'revoke <id...>', 'refuse requests with these keys from now on').action(run(revoke));
  addMasterKeyCommands(key, run);
}
