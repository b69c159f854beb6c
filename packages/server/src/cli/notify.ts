/* `notify target`: where event notifications go. */
import type { NotificationTarget } from '@dsom/sdk';
import type { Command } from 'commander';
import { list, text } from './answer.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { formatTable, printable } from './format.ts';

interface AddOptions extends CommonOptions {
  readonly webhook?: string;
  readonly nats?: string;
  readonly subject?: string;
  readonly token?: string;
  readonly header?: readonly string[];
  readonly eventBridge?: boolean;
}

/** `Name: value`, as curl takes it. */
function headerOf(given: string): readonly [string, string] {
  const colon = given.indexOf(':');
  if (colon < 1) throw new UsageError(`--header is written as "Name: value", not ${printable(given)}`);
  return [given.slice(0, colon).trim(), given.slice(colon + 1).trim()];
}

function targetOf({ webhook, nats, subject, token, header = [], eventBridge }: AddOptions): NotificationTarget {
  if ((webhook === undefined) === (nats === undefined))
    throw new UsageError('give the target one address: --webhook URL or --nats URL');
  if (webhook !== undefined && (subject !== undefined || token !== undefined))
    throw new UsageError('--subject and --token are for --nats');
  if (nats !== undefined && subject === undefined)
    throw new UsageError('a target of NATS needs --subject, which a stream of JetStream takes');
  return {
    kind: webhook === undefined ? 'nats' : 'webhook',
    url: (webhook ?? nats) as string,
    headers: header.map(headerOf),
    ...(subject !== undefined && { subject }),
    ...(token !== undefined && { token }),
    eventBridge: eventBridge === true,
  };
}

export const sum = (shards: unknown, field: string): number =>
  list(shards).reduce((total, one) => total + Number(one[field] ?? 0), 0);

type Shown = Readonly<Record<string, unknown>>;

const lines = (targets: readonly Shown[]): string[] =>
  targets.length === 0
    ? ['no targets: add one with `dsom notify target add NAME --webhook URL`']
    : formatTable([
        ['TARGET', 'KIND', 'ADDRESS', 'ARN', 'DELIVERED', 'WAITING', 'LAST FAILURE'],
        ...targets.map((one) => [
          text(one['name']),
          text(one['kind']) + (one['eventBridge'] === true ? ', EventBridge' : ''),
          printable(text(one['url'])),
          `arn:dsom:sqs::${text(one['name'])}:${text(one['kind'])}`,
          String(sum(one['shards'], 'delivered')),
          String(sum(one['shards'], 'waiting')),
          printable(
            text(list(one['shards']).find(({ lastFailure }) => lastFailure !== undefined)?.['lastFailure'] ?? '-'),
          ),
        ]),
      ]);

export function addNotifyCommands(program: Command, run: Run): void {
  const target = program
    .command('notify')
    .description('event notifications')
    .command('target')
    .description('where event notifications go');
  clientCommand(target, 'list', 'all targets, and how far each is behind on the server that answers', {
    isDefault: true,
  }).action(
    run(async (context) => {
      const targets = await context.client().admin.notificationTargets({ signal: context.signal });
      context.succeed();
      await context.result({ targets }, lines(targets));
    }),
  );
  clientCommand(target, 'add <name>', 'define one, or change it; buckets name it as arn:dsom:sqs::NAME:webhook')
    .option('--webhook <url>', 'events are posted to this address as JSON')
    .option('--nats <url>', 'events are published to JetStream: nats://HOST:PORT or tls://HOST:PORT')
    .option('--subject <subject>', 'where they are published in NATS')
    .option('--token <token>', 'token for NATS')
    .option('--header <line>', 'header of each post, as "Name: value"; may be repeated', collect)
    .option('--event-bridge', 'it also gets what buckets send to EventBridge')
    .action(
      run<AddOptions>(async (context, [name = ''], options) => {
        const { signal } = context;
        const targets = await context.client().admin.setNotificationTarget(name, targetOf(options), { signal });
        context.succeed();
        await context.result({ targets }, lines(targets));
      }),
    );
  clientCommand(target, 'remove <name>', 'what was not delivered to it never is').action(
    run(async (context, [name = '']) => {
      const targets = await context.client().admin.removeNotificationTarget(name, { signal: context.signal });
      context.succeed();
      await context.result({ targets }, lines(targets));
    }),
  );
  clientCommand(target, 'test <name>', 'send it a test event').action(
    run(async (context, [name = '']) => {
      const failure = await context.client().admin.testNotificationTarget(name, { signal: context.signal });
      if (failure !== undefined)
        throw new CommandError(
          exitCode.failed,
          `the target ${name} has not taken the event: ${failure}`,
          'see to it that it answers, or define it anew with `dsom notify target add`',
        );
      context.succeed();
      await context.result({ target: name }, `${name} has taken a test event`);
    }),
  );
}
