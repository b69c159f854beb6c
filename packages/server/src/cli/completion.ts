/*
 * Shell completion. The scripts are small and ask the program itself what could stand at the cursor, so that commands, options, profiles, buckets and keys
 * are always those that there are.
 */
import type { DsomClient } from '@dsom/sdk';
import { type Command, Option } from 'commander';
import { formatRemote } from './address.ts';
import type { Run, Services } from './command.ts';
import { completionScripts } from './completion-scripts.ts';
import { Context } from './context.ts';
import { UsageError } from './exit.ts';
import { escapePattern, hasWildcard, unescapePattern } from './glob.ts';
import { Profiles } from './profiles.ts';
import { kebabCase } from './server.ts';
import type { Terminal } from './terminal.ts';

/** Commands whose parameters are addresses. */
const addressed = new Set(['ls', 'rm', 'cat', 'stat', 'du', 'find', 'tag', 'versions', 'presign', 'rb', 'run']);
/** Those whose parameters may also be files. */
const transfers = new Set(['cp', 'mv', 'sync']);
const fileOptions = new Set(['--data', '--config', '--ca', '--tls-certificate', '--tls-key', '--tls-client-authority']);
const answersMax = 200;
const timeoutMs = 2000;

/** What could stand where the last word is. */
interface Candidates {
  readonly words: readonly string[];
  /** Whether files could stand there, too. */
  readonly files: boolean;
}

async function bucketNames(client: DsomClient): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of client.buckets.list({ timeoutMs })) names.push(name);
  return names;
}

/** Buckets, or what is in the folder that was typed so far. */
async function addresses(context: Context, word: string): Promise<readonly string[]> {
  const match = /^((?:s3|dsom):\/\/)(?:([^/@]+)@)?([^/]*)(\/.*)?$/.exec(word);
  if (!match) return ['s3://'];
  const [, scheme = '', profile, bucket = '', path] = match;
  const address = (name: string, key: string) =>
    formatRemote(name, escapePattern(key), profile).replace('s3://', scheme);
  const client = context.client({ profile });
  if (path === undefined) return (await bucketNames(client)).map((name) => `${address(name, '')}/`);
  if (hasWildcard(path)) return [];
  const prefix = unescapePattern(path.slice(1));
  const page = await client.listPage(bucket, { prefix, delimiter: '/', limit: answersMax, timeoutMs });
  return page.entries.map((entry) => address(bucket, entry.kind === 'prefix' ? entry.prefix : entry.key));
}

/** What can be given to an option. */
async function valuesOf(option: Option, context: Context, profiles: Profiles): Promise<Candidates> {
  const name = option.long ?? '';
  if (fileOptions.has(name)) return { words: [], files: true };
  const known = () => Object.entries(profiles.read().profiles);
  const words =
    name === '--profile'
      ? known().map(([profile]) => profile)
      : name === '--endpoint'
        ? known().map(([, { endpoint }]) => endpoint)
        : name === '--bucket' || name === '--write'
          ? await bucketNames(context.client())
          : (option.argChoices ?? []);
  return { words: [...new Set(words)], files: false };
}

/** The command that the words name, and its options; those of the server are the settings. */
async function commandOf(program: Command, words: readonly string[], services: Services) {
  let command = program;
  for (const one of words) command = command.commands.find((known) => known.name() === one) ?? command;
  if (command.name() !== 'server') return { command, options: command.options };
  const settings = [['config'] as const, ...((await services.settings?.()) ?? [])];
  return { command, options: settings.map(([name]) => new Option(`--${kebabCase(name)} <value>`)) };
}

async function candidates(
  program: Command,
  words: readonly string[],
  services: Services,
  terminal: Terminal,
): Promise<Candidates> {
  const word = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const { command, options } = await commandOf(program, before, services);
  const profiles = new Profiles(terminal.environment);
  const given = (name: string) => (before.includes(name) ? before[before.indexOf(name) + 1] : undefined);
  const [profile, endpoint, ca] = [given('--profile'), given('--endpoint'), given('--ca')];
  const said = { ...(profile && { profile }), ...(endpoint && { endpoint }), ...(ca && { ca }) };
  const context = new Context(said, terminal);

  const previous = options.find(({ short, long }) => before.length > 0 && [short, long].includes(before.at(-1)));
  if (previous?.required) return valuesOf(previous, context, profiles);
  if (word.startsWith('-')) return { words: options.flatMap((option) => option.long ?? []), files: false };
  if (before[0] === 'help') return { words: program.commands.map((one) => one.name()), files: false };
  const only = (names: readonly string[]): Candidates => ({ words: names, files: false });
  const parent = command.parent?.name();
  const name = command.name();
  if (command.commands.length > 0) return only(command.commands.map((one) => one.name()));
  if (parent === 'profile' && ['use', 'remove'].includes(name)) return only(Object.keys(profiles.read().profiles));
  if (parent === 'key' && name === 'revoke')
    return only((await context.client().keys.list({ timeoutMs })).map(({ accessKeyId }) => accessKeyId));
  if (parent === 'kms' && name !== 'create' && name !== 'list')
    return only((await context.client().kms.list({ timeoutMs })).flatMap(({ id, alias }) => [alias, id]));
  if (name === 'completion') return only(Object.keys(completionScripts));
  const remote = word.includes('://');
  if (transfers.has(name)) return { words: await addresses(context, word), files: !remote };
  return only(addressed.has(name) ? await addresses(context, word) : []);
}

export function addCompletionCommands(program: Command, run: Run, services: Services): void {
  program
    .command('completion <shell>')
    .description('a script for completion in bash, zsh or fish')
    .action(
      run(async (context, [shell = '']) => {
        const script = completionScripts[shell];
        if (script === undefined) throw new UsageError(`there is no completion for "${shell}": bash, zsh or fish`);
        await context.write(script);
      }),
    );
  program
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action(
      run(async (context, words) => {
        // A failure means no candidates, never a message in the middle of what is being typed.
        const nothing: Candidates = { words: [], files: false };
        const found = await candidates(program, words, services, context.terminal).catch(() => nothing);
        const fitting = found.words.filter((one) => one.startsWith(words.at(-1) ?? '') && !one.startsWith('_'));
        await context.write([found.files ? '+' : '-', ...fitting, ''].join('\n'));
      }),
    );
}
