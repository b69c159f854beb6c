import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatTable } from './format.ts';
import { Profiles } from './profiles.ts';
import type { Terminal } from './terminal.ts';
import { trust } from './trust.ts';

interface AddOptions extends CommonOptions {
  readonly endpoint?: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly region?: string;
  readonly ca?: string;
  readonly use?: boolean;
}

/** Asks on the terminal, or reads lines of standard input, so that secrets need not stand on the command line. */
async function ask({ stdin, stderr }: Terminal, questions: readonly string[]): Promise<string[]> {
  const answers: string[] = [];
  if (stdin.isTTY) {
    const prompt = createInterface({ input: stdin, output: stderr });
    for (const question of questions) answers.push((await prompt.question(`${question}: `)).trim());
    prompt.close();
    return answers;
  }
  for await (const line of createInterface({ input: stdin })) {
    answers.push(line.trim());
    if (answers.length === questions.length) break;
  }
  return answers;
}

async function add(context: Context, [name = '', given]: readonly string[], options: AddOptions): Promise<void> {
  const endpoint = given ?? options.endpoint ?? '';
  const url = URL.parse(endpoint);
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/')
    throw new UsageError(`"${endpoint}" is not an endpoint: write it like http://127.0.0.1:9000 or https://s3.example`);
  const keys = [options.accessKeyId, options.secretAccessKey];
  const questions = ['Access key id', 'Secret access key'].filter((_, index) => keys[index] === undefined);
  const answers = questions.length > 0 ? await ask(context.terminal, questions) : [];
  const [accessKeyId, secretAccessKey] = keys.map((one) => one ?? answers.shift());
  if (!accessKeyId || !secretAccessKey)
    throw new UsageError('both keys are needed: as options, or as two lines of standard input');
  const profiles = new Profiles(context.terminal.environment);
  const { region } = options;
  const ca = options.ca === undefined ? undefined : path.resolve(options.ca);
  if (ca !== undefined) trust(ca);
  profiles.add(
    name,
    {
      endpoint: url.origin,
      accessKeyId,
      secretAccessKey,
      ...(region !== undefined && { region }),
      ...(ca !== undefined && { ca }),
    },
    options.use === true,
  );
  const current = profiles.read().current === name;
  await context.result(
    { action: 'add', name, endpoint: url.origin, current },
    `profile "${name}" is kept in ${profiles.file}${current ? ' and in use' : ''}`,
  );
}

async function list(context: Context): Promise<void> {
  const { current, profiles } = new Profiles(context.terminal.environment).read();
  if (context.options.json) {
    for (const [name, { endpoint, accessKeyId, region, ca }] of Object.entries(profiles))
      await context.result({ name, endpoint, accessKeyId, region, ca, current: name === current });
    return;
  }
  const rows = Object.entries(profiles).map(([name, one]) => [
    name === current ? '*' : ' ',
    name,
    one.endpoint,
    one.accessKeyId,
  ]);
  await context.result(undefined, formatTable(rows));
  if (rows.length === 0) context.note('There are no profiles. `dsom profile add NAME ENDPOINT` makes one.');
}

async function change(context: Context, names: readonly string[], verb: 'remove' | 'use'): Promise<void> {
  const profiles = new Profiles(context.terminal.environment);
  for (const name of names) {
    profiles[verb](name);
    await context.result(
      { action: verb, name },
      verb === 'use' ? `profile "${name}" is in use` : `profile "${name}" is forgotten`,
    );
  }
}

export function addProfileCommands(program: Command, run: Run): void {
  const profile = program
    .command('profile')
    .description('named endpoints and keys, kept in ~/.config/dsom/profiles.json');
  const json = (command: Command) => command.option('--json', 'one JSON object a line');
  json(profile.command('add <name> [endpoint]'))
    .description('keep an endpoint and its keys')
    .option('--endpoint <url>', 'another way to give the endpoint')
    .option('--access-key-id <id>', 'asked for when not given')
    .option('--secret-access-key <secret>', 'asked for when not given')
    .option('--region <region>', 'region in signatures')
    .option('--ca <file>', 'certificates (PEM) of authorities to trust besides those of the system')
    .option('--use', 'use it from now on')
    .action(run(add));
  json(profile.command('list')).description('list profiles').action(run(list));
  json(profile.command('remove <name...>'))
    .description('forget profiles')
    .action(run((context, names) => change(context, names, 'remove')));
  json(profile.command('use <name>'))
    .description('use a profile from now on')
    .action(run((context, names) => change(context, names, 'use')));
}
