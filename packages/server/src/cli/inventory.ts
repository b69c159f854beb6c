/* `inventory run`: a list of what is in a bucket, now. */
import type { Command } from 'commander';
import { parseRemote } from './address.ts';
import { type Line, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';

async function runInventory(context: Context, [given = '', id = '']: readonly string[]): Promise<void> {
  const address = parseRemote(given);
  if (address.bucket === '' || address.key !== '') throw new UsageError('name a bucket: s3://BUCKET');
  const { signal } = context;
  let summary: Line | undefined;
  for await (const line of context.client(address).admin.runInventory({ bucket: address.bucket, id }, { signal })) {
    if (line['type'] === 'error')
      throw new CommandError(exitCode.failed, text(line['message']), 'Look at the log of the server.');
    if (line['type'] === 'summary') summary = line;
    else context.note(`${text(line['rows'])} of ${counted(line['total'], 'row')}`);
  }
  if (!summary)
    throw new CommandError(
      exitCode.unreachable,
      'the run ended before it was done',
      'It may go on in the server: look for its manifest in the destination.',
    );
  context.succeed();
  await context.result(summary, [
    `${counted(summary['rows'], 'row')} in ${counted(summary['files'], 'file')}: ${text(summary['manifest'])}`,
  ]);
}

const counted = (count: unknown, name: string): string => `${text(count)} ${name}${count === 1 ? '' : 's'}`;

export function addInventoryCommands(program: Command, run: Run): void {
  const group = program.command('inventory').description('lists of what is in buckets, as files');
  clientCommand(group, 'run <bucket> <id>', 'write the inventory with this id now, whatever its schedule').action(
    run<CommonOptions>(runInventory),
  );
}
