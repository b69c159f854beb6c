import type { Services } from './command.ts';
import { runServer } from './server.ts';
import { processTerminal, type Terminal } from './terminal.ts';

export type { Services } from './command.ts';
export type { Terminal } from './terminal.ts';

/** Waits until what was written has left this process, which is about to end. */
async function flushed(stream: NodeJS.WritableStream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve());
  });
}

/**
 * Runs a command line (without `node` and the script). Resolves with the exit status; the caller then ends the process, since connections that are
 * kept for the next request would keep it alive.
 */
export async function runCli(
  argv: readonly string[],
  services: Services,
  terminal: Terminal = processTerminal,
): Promise<number> {
  // The server starts without what only the other commands need.
  if (argv[0] === 'server') return runServer(argv.slice(1), services, terminal);
  const { runProgram } = await import('./program.ts');
  const status = await runProgram(argv, services, terminal);
  await Promise.all([flushed(terminal.stdout), flushed(terminal.stderr)]);
  return status;
}
