/* `events failed`: events that targets have refused for good. */
import type { Command } from 'commander';
import { list, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { formatTable, formatTime, printable } from './format.ts';

interface ChoiceOptions extends CommonOptions {
  readonly all?: boolean;
}

/** As many as one call takes. */
const atOnce = 50;

async function* chosen(context: Context, target: string, ids: readonly string[]): AsyncGenerator<readonly string[]> {
  if (ids.length > 0) {
    for (let at = 0; at < ids.length; at += atOnce) yield ids.slice(at, at + atOnce);
    return;
  }
  // What was dealt with is off the list; what is still there was seen.
  const seen = new Set<string>();
  for (;;) {
    const { events, more } = await context.client().admin.failedEvents(target, { signal: context.signal });
    const next = list(events)
      .map(({ id }) => text(id))
      .filter((id) => !seen.has(id));
    for (let at = 0; at < next.length; at += atOnce) yield next.slice(at, at + atOnce);
    for (const id of next) seen.add(id);
    if (next.length === 0 || more !== true) return;
  }
}

async function show(context: Context, [target]: readonly string[]): Promise<void> {
  const { events, more } = await context.client().admin.failedEvents(target, { signal: context.signal });
  context.succeed();
  const all = list(events);
  const rows = all.map((one) => [
    text(one['target']),
    text(one['id']),
    text(one['event']),
    printable(`${text(one['bucket'])}/${text(one['key'])}`),
    formatTime(new Date(String(one['failedAt']))),
    text(one['tries']),
    printable(text(one['failure'])),
  ]);
  const head = ['TARGET', 'ID', 'EVENT', 'OBJECT', 'FAILED', 'TRIES', 'FAILURE'];
  await context.result({ events: all, more }, all.length === 0 ? ['no failed events'] : formatTable([head, ...rows]));
  if (more === true) context.note('There are more: name a target, or deal with these first.');
}

async function retry(context: Context, [target = '', ...ids]: readonly string[]): Promise<void> {
  let delivered = 0;
  const failures = new Set<string>();
  for await (const some of chosen(context, target, ids)) {
    const answer = await context.client().admin.retryFailedEvents(target, some, { signal: context.signal });
    delivered += Number(answer['delivered']);
    for (const one of answer['failures'] as readonly string[]) failures.add(one);
  }
  await context.result({ target, delivered, failures: [...failures] }, [`${target} has taken ${delivered} events`]);
  if (failures.size > 0)
    throw new CommandError(
      exitCode.failed,
      `${target} has refused events again: ${[...failures].join('; ')}`,
      'see to it that it takes them and try again, or give them up with `dsom events failed drop`',
    );
  context.succeed();
}

async function drop(context: Context, [target = '', ...ids]: readonly string[], { all }: ChoiceOptions): Promise<void> {
  if ((ids.length === 0) !== (all === true)) throw new UsageError('name the ids of events, or give --all');
  let dropped = 0;
  for await (const some of chosen(context, target, ids))
    dropped += Number(
      (await context.client().admin.dropFailedEvents(target, some, { signal: context.signal }))['dropped'],
    );
  context.succeed();
  await context.result({ target, dropped }, [`${dropped} events are never delivered to ${target}`]);
}

export function addEventCommands(program: Command, run: Run): void {
  const failed = program
    .command('events')
    .description('events of buckets')
    .command('failed')
    .description('events that targets of notifications have refused for good');
  clientCommand(failed, 'list [target]', 'those that are kept, the first ones first', { isDefault: true }).action(
    run(show),
  );
  clientCommand(failed, 'retry <target> [id...]', 'deliver these again, or all of them').action(run(retry));
  clientCommand(failed, 'drop <target> [id...]', 'give these up')
    .option('--all', 'all that there are')
    .action(run<ChoiceOptions>(drop));
}
