import type { Command, CommandOptions } from 'commander';
import type { CommonOptions, Context } from './context.ts';

/** What the rest of the program offers to the commands. */
export interface Services {
  /** Runs the server with flags as they were typed, by their camelCase names; resolves with the exit status. */
  serve(flags: Readonly<Record<string, unknown>>): Promise<number>;
  /** Whether a failure of `serve` is the fault of the command line or the configuration. */
  isUsageError(cause: unknown): boolean;
  /** Settings of the server, by camelCase name, with what they mean. */
  settings?(): Promise<readonly (readonly [name: string, meaning: string])[]>;
  /**
   * Cross-checks the data directories of a server that does not run: lines of progress and findings, as the running server gives them.
   * @param rebuild those among them whose fragment index is made anew first
   */
  offlineCheck?(
    directories: readonly string[],
    rebuild: readonly string[],
  ): AsyncIterable<Readonly<Record<string, unknown>>>;
  /** Looks at data directories for what keeps a server from starting; changes nothing. */
  examine?(directories: readonly string[]): AsyncIterable<Examined>;
}

/** One thing that the doctor looked at. */
export interface Examined {
  readonly test: string;
  readonly outcome: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  readonly advice?: string | undefined;
}

/** Runs an action of a client command, with a context of its own. */
export type Run = <Options extends CommonOptions>(
  action: (context: Context, parameters: readonly string[], options: Options) => Promise<void>,
) => (this: Command, ...received: unknown[]) => Promise<void>;

/** Adds the options that every client command has. */
export function clientCommand(
  parent: Command,
  nameAndParameters: string,
  summary: string,
  options: CommandOptions = {},
): Command {
  return parent
    .command(nameAndParameters, options)
    .description(summary)
    .option('--profile <name>', 'profile of the endpoint and keys to use')
    .option('--endpoint <url>', 'endpoint to use instead of the one of the profile or the environment')
    .option('--ca <file>', 'certificates (PEM) of authorities to trust besides those of the system')
    .option('--json', 'one JSON object a line')
    .option('-q, --quiet', 'no progress, no remarks')
    .showHelpAfterError('(add --help for what can be given)');
}

/** For options that may be given several times. */
export const collect = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value];
