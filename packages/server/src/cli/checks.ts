/* `fsck` and `scrub`: what the server can say about its own bytes. */
import type { Command } from 'commander';
import { isLine, type Line, part } from './answer.ts';
import { clientCommand, collect, type Run, type Services } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { formatSize, formatTime, printable } from './format.ts';

const number = (line: Line, name: string): number | undefined =>
  typeof line[name] === 'number' ? line[name] : undefined;
const text = (line: Line, name: string): string => (typeof line[name] === 'string' ? printable(line[name]) : '');
const words = (name: string) => name.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);

/** `objects 12, fragment bytes 1.20 MiB`: every number of a line. */
function describeNumbers(line: Line): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(line))
    if (typeof value === 'number') parts.push(`${words(name)} ${/bytes$/i.test(name) ? formatSize(value) : value}`);
  return parts.join(', ');
}

/** `phase 12 %, 3.4 GiB` on the terminal's last line. */
function showProgress(context: Context, progress: Line): void {
  if (!context.interactive) return;
  const total = number(progress, 'total') ?? 0;
  const share = total > 0 ? ` ${Math.min(100, Math.floor(((number(progress, 'done') ?? 0) / total) * 100))} %` : '';
  context.lastLine(`${text(progress, 'phase')}${share}, ${formatSize(number(progress, 'bytes') ?? 0)}`);
}

/** One finding, and what to do about it. */
const findingLines = (line: Line) => [
  `${text(line, 'kind')}  ${text(line, 'where')}  ${text(line, 'what')}`,
  ...(text(line, 'remedy') === '' ? [] : [`  ${text(line, 'remedy')}`]),
];

/** An index that was put aside or made anew: nothing is wrong for that, and the operator should know. */
function noteIndex(context: Context, line: Line): void {
  const device = `the fragment index of device ${text(line, 'device')}`;
  if (line['state'] === 'put aside')
    context.note(`${device} is put aside as ${text(line, 'kept')}: ${text(line, 'reason')}`);
  else context.note(`${device} was made anew: ${describeNumbers(line)}`);
}

/** Metadata that a check of a stopped store has made anew when it opened it. */
function noteMetadata(context: Context, line: Line): void {
  if (line['state'] === 'missing')
    context.note(`there are no metadata in ${text(line, 'directory')}: they are made anew`);
  if (line['state'] === 'put aside')
    context.note(`the metadata cannot be used, and are put aside as ${text(line, 'kept')}: ${text(line, 'reason')}`);
  if (line['state'] === 'opened as it is')
    context.note(
      `the metadata are damaged, and looked at as they are: ${text(line, 'reason')}. ${text(line, 'advice')}`,
    );
  if (line['state'] === 'rebuilt')
    context.note(`the metadata were made anew, up to position ${number(line, 'position')}`);
}

/** Shows the lines of a check: progress, findings, and a summary at the end, without which the check did not come to its end. */
async function showCheck(context: Context, lines: AsyncIterable<Line>): Promise<void> {
  let summary: Line | undefined;
  for await (const line of lines) {
    if (line['type'] === 'progress') showProgress(context, line);
    else context.beforeNote();
    if (line['type'] === 'error')
      throw new CommandError(exitCode.failed, text(line, 'message'), 'Look at the log of the server.');
    if (line['type'] === 'summary') summary = line;
    await context.result(line, line['type'] === 'finding' ? findingLines(line) : []);
    if (line['type'] === 'index') noteIndex(context, line);
    if (line['type'] === 'metadata') noteMetadata(context, line);
  }
  context.beforeNote();
  if (!summary)
    throw new CommandError(
      exitCode.unreachable,
      'the check ended before it was done',
      'Look at the log of the server, and run it again.',
    );
  for (const one of Array.isArray(summary['unchecked']) ? summary['unchecked'] : [])
    context.warn(printable(String(one)));
  const counts = part(summary, 'counts');
  const found = Object.values(counts).reduce<number>((sum, count) => sum + Number(count), 0);
  if (found > 0)
    throw new CommandError(
      exitCode.damaged,
      `${found} findings: ${Object.entries(counts)
        .map(([kind, count]) => `${String(count)} ${kind}`)
        .join(', ')}`,
    );
  context.succeed();
  await context.result(undefined, `no findings: ${describeNumbers(part(summary, 'totals'))}`);
}

interface CheckOptions extends CommonOptions {
  readonly data?: readonly string[];
  readonly rebuildIndex?: readonly string[];
}

async function check(context: Context, options: CheckOptions, services: Services): Promise<void> {
  const { signal } = context;
  if (!options.data) {
    if (options.rebuildIndex)
      throw new UsageError('--rebuild-index needs --data, and the server stopped: give all directories of the store');
    return showCheck(context, context.client().admin.fsck({ signal }));
  }
  if (!services.offlineCheck)
    throw new CommandError(
      exitCode.failed,
      'this build cannot check directories',
      'Start the server and run fsck without --data.',
    );
  try {
    await showCheck(context, services.offlineCheck(options.data, options.rebuildIndex ?? []));
  } catch (cause) {
    if (services.isUsageError(cause)) throw new CommandError(exitCode.failed, (cause as Error).message);
    throw cause;
  }
}

/** Tells how far the scrub is; a pass that left damage behind is a failure. */
async function tell(context: Context, status: Line): Promise<void> {
  const running = status['running'] === true;
  const report = part(status, 'lastReport');
  const progress = part(status, 'progress');
  const lastFull = typeof status['lastFullAt'] === 'string' ? formatTime(new Date(status['lastFullAt'])) : 'never';
  await context.result(status, [
    `running    ${running ? `yes: ${text(progress, 'phase')}, ${describeNumbers(progress)}` : 'no'}`,
    `last full  ${lastFull}`,
    ...(Object.keys(report).length === 0 ? [] : [`last pass  ${describeNumbers(report)}`]),
  ]);
  context.succeed();
  const failed = text(status, 'failed');
  if (failed !== '') throw new CommandError(exitCode.failed, `the pass came to no end: ${failed}`);
  const unrepaired = Array.isArray(report['unrepaired']) ? report['unrepaired'].filter(isLine) : [];
  const metadata = Array.isArray(report['damagedMetadata']) ? report['damagedMetadata'] : [];
  if (running || unrepaired.length + metadata.length === 0) return;
  for (const one of unrepaired)
    context.warn(`stripe ${text(one, 'stripe')} on device ${text(one, 'device')}: ${text(one, 'reason')}`);
  for (const directory of metadata) context.warn(`the metadata in ${printable(String(directory))} are damaged`);
  const found = [
    ...(unrepaired.length > 0 ? [`${unrepaired.length} copies are bad and could not be repaired`] : []),
    ...(metadata.length > 0 ? ['metadata are not what was written'] : []),
  ];
  throw new CommandError(exitCode.damaged, found.join(', and '), '`dsom fsck` tells which objects are concerned.');
}

async function wait(context: Context): Promise<void> {
  const { admin } = context.client();
  let status = await admin.scrubStatus({ signal: context.signal });
  while (status['running'] === true) {
    showProgress(context, part(status, 'progress'));
    await context.sleep(500);
    status = await admin.scrubStatus({ signal: context.signal });
  }
  context.beforeNote();
  await tell(context, status);
}

async function scrub(
  context: Context,
  action: 'start' | 'stop',
  options: CommonOptions & { readonly wait?: boolean },
): Promise<void> {
  const status = await context.client().admin.scrub(action, { signal: context.signal });
  if (options.wait) await wait(context);
  else await tell(context, status);
}

export function addCheckCommands(program: Command, run: Run, services: Services): void {
  clientCommand(program, 'fsck', 'cross-check metadata against stored bytes')
    .option('--data <dir>', 'check directories of a server that does not run; give all of them', collect)
    .option(
      '--rebuild-index <dir>',
      'one of them whose fragment index is to be made anew from its slabs first',
      collect,
    )
    .action(run((context, _, options: CheckOptions) => check(context, options, services)));
  const group = program.command('scrub').description('verify every stored byte, and repair from copies');
  clientCommand(group, 'start', 'begin a pass now', { isDefault: true })
    .option('--wait', 'show progress until it is over')
    .action(run((context, _, options) => scrub(context, 'start', options)));
  clientCommand(group, 'stop', 'stop the pass that runs').action(
    run((context, _, options) => scrub(context, 'stop', options)),
  );
  clientCommand(group, 'status', 'how far it is, and what it found')
    .option('--wait', 'show progress until it is over')
    .action(
      run(async (context, _, options: CommonOptions & { wait?: boolean }) => {
        if (options.wait) return wait(context);
        return tell(context, await context.client().admin.scrubStatus({ signal: context.signal }));
      }),
    );
}
