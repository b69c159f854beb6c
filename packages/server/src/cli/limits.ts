/* `limit`: what tenants, access keys and anonymous readers may ask. */
import type { Limit, LimitSubject } from '@dsom/sdk';
import type { Command } from 'commander';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatSize, formatTable, formatTime, parseCount, parseSize, printable } from './format.ts';

interface SubjectOptions extends CommonOptions {
  readonly key?: string;
  readonly anonymous?: boolean;
}

interface SetOptions extends SubjectOptions {
  readonly requests?: string;
  readonly bytesIn?: string;
  readonly bytesOut?: string;
  readonly concurrent?: string;
  readonly connections?: string;
}

function subjectsOf(names: readonly string[], { key, anonymous }: SubjectOptions): LimitSubject[] {
  const others: LimitSubject[] = [
    ...(key === undefined ? [] : [{ key }]),
    ...(anonymous ? [{ anonymous: true } as const] : []),
  ];
  return [...names.map((tenant) => ({ tenant })), ...others];
}

function oneSubject(name: string | undefined, options: SubjectOptions): LimitSubject {
  const [subject, more] = subjectsOf(name === undefined ? [] : [name], options);
  if (!subject || more) throw new UsageError('give one of: a tenant, --key ID, --anonymous');
  return subject;
}

const nameOf = (subject: LimitSubject): string =>
  'tenant' in subject ? subject.tenant : 'key' in subject ? `key ${subject.key}` : 'each anonymous address';

const size = (bytes: number | undefined): string => (bytes === undefined ? '-' : `${formatSize(bytes)}/s`);

const lines = (all: readonly Limit[]): string[] =>
  formatTable([
    ['LIMIT OF', 'REQUESTS', 'IN', 'OUT', 'AT ONCE', 'CONNECTIONS', 'SINCE'],
    ...all.map((one) => [
      printable(nameOf(one.subject)),
      one.requestsPerSecond === undefined ? '-' : `${one.requestsPerSecond}/s`,
      size(one.bytesInPerSecond),
      size(one.bytesOutPerSecond),
      one.concurrentRequests === undefined ? '-' : String(one.concurrentRequests),
      one.connections === undefined ? '-' : String(one.connections),
      formatTime(one.changedAt),
    ]),
  ]);

const shown = ({ subject, ...limit }: Limit) => ({ ...subject, ...limit });

async function setLimit(context: Context, [name]: readonly string[], options: SetOptions): Promise<void> {
  const subject = oneSubject(name, options);
  const { requests, bytesIn, bytesOut, concurrent, connections } = options;
  const figures = {
    ...(requests !== undefined && { requestsPerSecond: parseCount(requests) }),
    ...(bytesIn !== undefined && { bytesInPerSecond: parseSize(bytesIn) }),
    ...(bytesOut !== undefined && { bytesOutPerSecond: parseSize(bytesOut) }),
    ...(concurrent !== undefined && { concurrentRequests: parseCount(concurrent) }),
    ...(connections !== undefined && { connections: parseCount(connections) }),
  };
  if (Object.keys(figures).length === 0)
    throw new UsageError('give at least one of --requests, --bytes-in, --bytes-out, --concurrent, --connections');
  const limit = await context.client().limits.set(subject, figures, { signal: context.signal });
  context.succeed();
  await context.result(shown(limit), lines([limit]));
  context.note('It is in force on every node within a second.');
}

async function showLimits(context: Context, [name]: readonly string[], options: SubjectOptions): Promise<void> {
  const wanted = subjectsOf(name === undefined ? [] : [name], options).map(nameOf);
  const isWanted = ({ subject, account = '' }: Limit): boolean =>
    wanted.length === 0 || wanted.includes(nameOf(subject)) || wanted.includes(account);
  const all = await context.client().limits.list({ signal: context.signal });
  const found = all.filter(isWanted);
  context.succeed();
  if (context.options.json) {
    for (const limit of found) await context.result(shown(limit));
    return;
  }
  const empty = `no limit${wanted.length === 0 ? 's' : ` of ${wanted.join(', ')}`}: set one with \`dsom limit set TENANT --requests N\``;
  await context.result(undefined, found.length === 0 ? [empty] : lines(found));
}

async function clearLimits(context: Context, names: readonly string[], options: SubjectOptions): Promise<void> {
  const subjects = subjectsOf(names, options);
  if (subjects.length === 0) throw new UsageError('give tenants, --key ID or --anonymous');
  for (const subject of subjects)
    try {
      await context.client().limits.clear(subject, { signal: context.signal });
      context.succeed();
      await context.result({ action: 'clear', ...subject }, context.options.quiet ? [] : `cleared ${nameOf(subject)}`);
    } catch (cause) {
      context.fail(nameOf(subject), cause);
    }
}

export function addLimitCommands(program: Command, run: Run): void {
  const limit = program.command('limit').description('how much tenants may ask');
  const of = (command: Command): Command =>
    command
      .option('--key <id>', 'of this access key, whoever has it')
      .option('--anonymous', 'of each address that sends requests without credentials');
  of(clientCommand(limit, 'set [tenant]', 'limits from now on, instead of those that were set before'))
    .option('--requests <number>', 'requests in a second')
    .option('--bytes-in <size>', 'bytes of request bodies in a second, such as 50MiB')
    .option('--bytes-out <size>', 'bytes of answers in a second')
    .option('--concurrent <number>', 'requests under way at the same time')
    .option('--connections <number>', 'open connections of a tenant, to each node')
    .action(run(setLimit));
  of(clientCommand(limit, 'show [tenant]', 'limits that are set', { isDefault: true })).action(run(showLimits));
  of(clientCommand(limit, 'clear [tenant...]', 'take limits away')).action(run(clearLimits));
}
