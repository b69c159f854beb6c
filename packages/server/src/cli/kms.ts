import type { Command } from 'commander';
import { clientCommand, type Run } from './command.ts';
import type { Context } from './context.ts';
import { formatTable, formatTime, printable } from './format.ts';

type KmsKey = Awaited<ReturnType<ReturnType<Context['client']>['kms']['create']>>;

async function show(context: Context, key: KmsKey): Promise<void> {
  context.succeed();
  await context.result(key, [
    `alias     ${key.alias}`,
    `id        ${key.id}`,
    `arn       ${key.arn}`,
    `state     ${key.state}`,
    `versions  ${key.versions}`,
  ]);
}

async function create(context: Context, [name = '']: readonly string[]): Promise<void> {
  await show(context, await context.client().kms.create(name, { signal: context.signal }));
}

async function list(context: Context): Promise<void> {
  const keys = await context.client().kms.list({ signal: context.signal });
  context.succeed();
  if (context.options.json) {
    for (const key of keys) await context.result(key);
    return;
  }
  const rows = keys.map((key) => [
    key.id,
    printable(key.alias),
    key.state,
    String(key.versions),
    formatTime(key.createdAt),
  ]);
  await context.result(undefined, formatTable([['KEY ID', 'ALIAS', 'STATE', 'VERSIONS', 'CREATED'], ...rows]));
}

/** The name that a key was made with is an alias of it, as `alias/NAME` is; ids and ARNs stay what they are. */
const named = (key: string): string =>
  /^(?:alias\/|arn:|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$)/i.test(key) ? key : `alias/${key}`;

const acting =
  (action: 'disable' | 'enable' | 'rotate') =>
  async (context: Context, [key = '']: readonly string[]): Promise<void> =>
    show(context, await context.client().kms[action](named(key), { signal: context.signal }));

export function addKmsCommands(program: Command, run: Run): void {
  const kms = program.command('kms').description('named keys for x-amz-server-side-encryption: aws:kms');
  clientCommand(kms, 'create <name>', 'make a key, called alias/<name>').action(run(create));
  clientCommand(kms, 'list', 'list the keys').action(run(list));
  clientCommand(kms, 'disable <key>', 'refuse to encrypt and to open with a key (id, ARN, name or alias/NAME)').action(
    run(acting('disable')),
  );
  clientCommand(kms, 'enable <key>', 'let a disabled key be used again').action(run(acting('enable')));
  clientCommand(kms, 'rotate <key>', 'encrypt new objects with a new version of a key').action(run(acting('rotate')));
}
