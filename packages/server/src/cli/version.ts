import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Run } from './command.ts';
import type { Context } from './context.ts';

/** The version of this package. */
export const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

async function tell(context: Context): Promise<void> {
  const runtime = process.version;
  const platform = `${process.platform}-${process.arch}`;
  await context.result({ version, runtime, platform }, `dsom ${version} (Node ${runtime.slice(1)}, ${platform})`);
}

export function addVersionCommand(program: Command, run: Run): void {
  program
    .command('version')
    .description('the version of this program')
    .option('--json', 'one JSON object a line')
    .action(run(tell));
}
