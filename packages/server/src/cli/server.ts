/*
 * `dsom server`. Its flags are those of the configuration, whatever they are: `--scrub-days 7` is the setting `scrubDays`. So this file knows no setting,
 * and needs neither the command-line library nor the SDK, which would only make the start slower.
 */
import { StoreError } from '../errors.ts';
import type { Services } from './command.ts';
import { exitCode } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export type Flags = Record<string, string | boolean | string[]>;

const camelCase = (name: string) => name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
/** `scrubDays` → `scrub-days`. */
export const kebabCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Flags by their camelCase names: `--name value`, `--name=value`, `--name` for true; one given several times becomes a list. A text says what is wrong. */
export function parseFlags(argv: readonly string[]): Flags | string {
  const flags: Flags = {};
  for (let i = 0; i < argv.length; i++) {
    const match = /^--([a-z][a-z0-9-]*)(?:=([\s\S]*))?$/.exec(argv[i]!);
    if (!match) return `"${argv[i]}" is not an option: options of the server look like --data DIR`;
    const name = camelCase(match[1]!);
    let value: string | boolean | undefined = match[2];
    if (value === undefined) value = argv[i + 1] === undefined || argv[i + 1]!.startsWith('--') ? true : argv[++i]!;
    const before = flags[name];
    if (before === undefined) flags[name] = value;
    else if (typeof before === 'boolean' || typeof value === 'boolean')
      return `--${match[1]} needs a value each time it is given`;
    else flags[name] = [...(Array.isArray(before) ? before : [before]), value];
  }
  return flags;
}

const intro = `Usage: dsom server --data DIR [--data DIR2…] [--address HOST:PORT] [--config FILE]

Runs the server until SIGTERM or SIGINT, which let running requests finish first.

Every option can also be given as an environment variable (--scrub-days as DSOM_SCRUB_DAYS) or in the configuration
file (as "scrubDays"); an option weighs more than the environment, which weighs more than the file. Options for lists
may be repeated.
`;

export async function serverHelp(services: Services): Promise<string> {
  const settings = [['config', 'configuration file in JSON'] as const, ...((await services.settings?.()) ?? [])];
  const rows = settings.map(([name, meaning]) => [`--${kebabCase(name)}`, meaning] as const);
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return `${intro}\nOptions:\n${rows.map(([flag, meaning]) => `  ${flag.padEnd(width)}  ${meaning}`).join('\n')}\n`;
}

const owned = 'Start the server as the user that the data directories belong to, or change their owner (chown -R).';
/** What to do about failures of the operating system, which are no fault of the program. */
const systemAdvice: Readonly<Record<string, string>> = {
  EACCES: owned,
  EPERM: owned,
  EROFS: 'The file system is mounted read-only: give another --data.',
  ENOSPC: 'Make room on that disk, for bytes (df -h) or for files (df -i), or give another --data.',
  EMFILE: 'Raise the limit of open files (ulimit -n).',
};

/** Runs the server; resolves with the exit status when it has ended. */
export async function runServer(argv: readonly string[], services: Services, terminal: Terminal): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    terminal.stdout.write(await serverHelp(services));
    return exitCode.ok;
  }
  const flags = parseFlags(argv);
  if (typeof flags === 'string') {
    terminal.stderr.write(`dsom: ${flags}\n      \`dsom server --help\` lists them.\n`);
    return exitCode.usage;
  }
  try {
    return await services.serve(flags);
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (services.isUsageError(cause)) {
      terminal.stderr.write(`dsom: ${error.message}\n`);
      return exitCode.usage;
    }
    const advice = systemAdvice['code' in error ? String(error.code) : ''];
    // A refusal says what to do next; only where the program itself is at fault does its stack tell more.
    const said = error instanceof StoreError ? error.message : (error.stack ?? error.message);
    const what = advice === undefined ? said : `${error.message}\n      ${advice}`;
    terminal.stderr.write(`dsom: the server could not start: ${what}\n`);
    return exitCode.failed;
  }
}
