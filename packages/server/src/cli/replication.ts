/* `replication`: stores that buckets are replicated to. The rules are those of S3 (PutBucketReplication). */
import type { Command } from 'commander';
import { parseRemote } from './address.ts';
import { type Line, list, text } from './answer.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { formatTable, printable } from './format.ts';
import { sourceConnection } from './migrate.ts';
import { sum } from './notify.ts';

const isStore = (target: Line): boolean => target['kind'] === 's3';

const lines = (targets: readonly Line[]): string[] =>
  targets.length === 0
    ? ['no stores: add one with `dsom replication target add NAME PROFILE`']
    : formatTable([
        ['STORE', 'ADDRESS', 'KEY', 'ALSO FOR', 'ARN OF A BUCKET', 'SENT', 'WAITING', 'FAILED', 'LAST FAILURE'],
        ...targets.map((one) => [
          text(one['name']),
          printable(text(one['url'])),
          text(one['accessKeyId']),
          Array.isArray(one['accounts']) ? one['accounts'].map(text).join(' ') : '-',
          `arn:dsom:s3::${text(one['name'])}:BUCKET`,
          String(sum(one['shards'], 'delivered')),
          String(sum(one['shards'], 'waiting')),
          String(sum(one['shards'], 'failed')),
          printable(
            text(list(one['shards']).find(({ lastFailure }) => lastFailure !== undefined)?.['lastFailure'] ?? '-'),
          ),
        ]),
      ]);

async function show(context: Context, all: readonly Line[]): Promise<void> {
  const targets = all.filter(isStore);
  context.succeed();
  await context.result({ targets }, lines(targets));
}

async function add(
  context: Context,
  [name = '', profile = '']: readonly string[],
  { account }: CommonOptions & { readonly account?: readonly string[] },
): Promise<void> {
  const { endpoint, accessKeyId, secretAccessKey, region } = sourceConnection(context, profile);
  const target = {
    kind: 's3',
    url: endpoint,
    headers: [],
    eventBridge: false,
    keys: { accessKeyId, secretAccessKey, ...(region !== undefined && { region }) },
    ...(account && { accounts: account }),
  } as const;
  await show(context, await context.client().admin.setNotificationTarget(name, target, { signal: context.signal }));
}

const countsText = (line: Line): string =>
  `${text(line['looked'])} looked at, ${text(line['sent'])} sent, ${text(line['there'])} there already, ${text(line['left'])} left as the rules say, ${text(line['refused'])} refused, ${text(line['failed'])} failed`;

async function resync(context: Context, [given = '']: readonly string[]): Promise<void> {
  const address = parseRemote(given);
  const { bucket, key } = address;
  if (bucket === '' || key !== '') throw new UsageError('name a bucket: s3://BUCKET');
  const { signal } = context;
  let summary: Line | undefined;
  for await (const line of context.client(address).admin.resyncReplication(bucket, { signal })) {
    if (line['type'] === 'error')
      throw new CommandError(exitCode.failed, text(line['message']), 'Look at the log of the server.');
    if (line['type'] === 'summary') summary = line;
    else if (line['type'] === 'progress') context.note(countsText(line));
    if (line['type'] !== 'progress')
      await context.result(
        line,
        line['type'] === 'failure' ? [`${printable(text(line['key']))}: ${text(line['failure'])}`] : [],
      );
  }
  if (!summary)
    throw new CommandError(
      exitCode.unreachable,
      'the comparison ended before it was done',
      'Ask again: what is there already is not sent once more.',
    );
  if (Number(summary['failed']) + Number(summary['refused']) > 0)
    throw new CommandError(
      exitCode.failed,
      `${bucket} is not whole there: ${countsText(summary)}`,
      'See to what the lines say, and ask again.',
    );
  context.succeed();
  await context.result(undefined, [countsText(summary)]);
}

export function addReplicationCommands(program: Command, run: Run): void {
  const group = program.command('replication').description('stores that buckets are replicated to');
  const target = group.command('target').description('the stores that rules may name');
  clientCommand(target, 'list', 'all stores, and how far each is behind on the server that answers', {
    isDefault: true,
  }).action(
    run(async (context) => show(context, await context.client().admin.notificationTargets({ signal: context.signal }))),
  );
  clientCommand(
    target,
    'add <name> <profile>',
    'define one, or change it, by a profile of `dsom profile add`; rules name it as arn:dsom:s3::NAME:BUCKET',
  )
    .option('--account <id>', 'buckets of this account may be replicated to it too; may be repeated', collect)
    .action(run(add));
  clientCommand(target, 'remove <name>', 'refused while a bucket is replicated to it').action(
    run(async (context, [name = '']) =>
      show(context, await context.client().admin.removeNotificationTarget(name, { signal: context.signal })),
    ),
  );
  clientCommand(target, 'test <name>', 'see whether it answers, and knows the key').action(
    run(async (context, [name = '']) => {
      const failure = await context.client().admin.testNotificationTarget(name, { signal: context.signal });
      if (failure !== undefined)
        throw new CommandError(
          exitCode.failed,
          `the store ${name} does not answer as it should: ${failure}`,
          'see to it, or define it anew with `dsom replication target add`',
        );
      context.succeed();
      await context.result({ target: name }, `${name} answers`);
    }),
  );
  clientCommand(
    group,
    'resync <bucket>',
    'compare all of a bucket with what it is replicated to, and send what is missing',
  ).action(run(resync));
}
