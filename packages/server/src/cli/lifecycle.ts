/* `lifecycle`: what the rules of buckets have done, and what they would do. */
import type { Command } from 'commander';
import { parseRemote } from './address.ts';
import { type Line, part, size, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';

const done = [
  ['expired', 'expired'],
  ['removed', 'noncurrent versions removed'],
  ['markers', 'markers removed'],
  ['transitioned', 'moved to another class'],
  ['aborted', 'uploads aborted'],
] as const;
const left = [
  ['changed', 'changed meanwhile'],
  ['refused', 'refused: they are locked'],
  ['failed', 'failed: see the log of the server'],
] as const;

/** `expired 3, uploads aborted 1`: what is not zero. */
function counted(counts: Line, names: readonly (readonly [string, string])[]): string {
  const said = names.flatMap(([name, words]) => (Number(counts[name]) > 0 ? [`${words} ${text(counts[name])}`] : []));
  return said.join(', ');
}

const lookedAt = (counts: Line): string =>
  `${text(counts['versions'])} versions and ${text(counts['uploads'])} uploads looked at`;

function countLines(counts: Line): string[] {
  const acted = counted(counts, done);
  const rest = counted(counts, left);
  return [
    `${lookedAt(counts)}: ${acted === '' ? 'nothing to do' : `${acted}, ${size(counts['bytes'])}`}`,
    ...(rest === '' ? [] : [`left for the next pass: ${rest}`]),
  ];
}

function lastLines(last: Line): string[] {
  if (last['beganAt'] === undefined) return ['last pass  none since the server started'];
  const ended = last['endedAt'] === null ? 'not ended' : `ended ${text(last['endedAt'])}`;
  return [
    `last pass  began ${text(last['beganAt'])}, ${ended}`,
    ...countLines(part(last, 'counts')).map((one) => `           ${one}`),
  ];
}

function statusLines(status: Line): string[] {
  const progress = part(status, 'progress');
  const elsewhere = Array.isArray(status['elsewhere']) ? status['elsewhere'].length : 0;
  const days = Number(status['dayMs']) / 1000;
  return [
    `now        ${progress['phase'] === 'idle' ? 'no pass runs' : `${text(progress['phase'])}, ${text(progress['done'])} of ${text(progress['total'])}`}`,
    ...lastLines(part(status, 'last')),
    ...countLines(part(status, 'totals')).map((one, at) => `${at === 0 ? 'in all     ' : '           '}${one}`),
    ...(days < 86_400 ? [`days       last ${days} seconds (DSOM_LIFECYCLE_DAY_SECONDS)`] : []),
    ...(elsewhere > 0 ? [`elsewhere  ${elsewhere} shards are walked by the nodes that own them: ask those`] : []),
  ];
}

const actionLine = (line: Line): string =>
  `${text(line['action'])}${line['storageClass'] === undefined ? '' : ` to ${text(line['storageClass'])}`}  ${text(line['key'])}  (rule ${text(line['rule'])}, due ${text(line['due'])})`;

interface RunOptions extends CommonOptions {
  readonly dryRun?: boolean;
}

async function runBucket(context: Context, [given = '']: readonly string[], options: RunOptions): Promise<void> {
  const address = parseRemote(given);
  if (address.bucket === '' || address.key !== '') throw new UsageError('name a bucket: s3://BUCKET');
  const dryRun = options.dryRun === true;
  const { signal } = context;
  let summary: Line | undefined;
  for await (const line of context.client(address).admin.runLifecycle({ bucket: address.bucket, dryRun }, { signal })) {
    if (line['type'] === 'error')
      throw new CommandError(exitCode.failed, text(line['message']), 'Look at the log of the server.');
    if (line['type'] === 'summary') summary = line;
    await context.result(line, line['type'] === 'action' ? [actionLine(line)] : []);
  }
  if (!summary)
    throw new CommandError(
      exitCode.unreachable,
      'the run ended before it was done',
      'It may go on in the server: `dsom lifecycle status` tells.',
    );
  const counts = part(summary, 'counts');
  const all = done.reduce((sum, [name]) => sum + Number(counts[name] ?? 0), 0);
  const listed = Number(summary['listed'] ?? 0);
  context.succeed();
  await context.result(undefined, [
    ...(dryRun && all > listed ? [`… and ${all - listed} more`] : []),
    ...countLines(counts),
    ...(dryRun ? ['nothing was done: without --dry-run it is'] : []),
  ]);
}

export function addLifecycleCommands(program: Command, run: Run): void {
  const group = program.command('lifecycle').description('what the lifecycle rules of buckets do');
  clientCommand(group, 'status', 'how far the pass is, and what was done', { isDefault: true }).action(
    run(async (context) => {
      const status = await context.client().admin.lifecycle({ signal: context.signal });
      context.succeed();
      await context.result(status, statusLines(status));
    }),
  );
  clientCommand(group, 'run <address>', 'do now what the rules of a bucket ask for')
    .option('--dry-run', 'tell what would be done, and do nothing')
    .action(run(runBucket));
}
