/* `redundancy` and `policy`: what buckets and objects are kept with, and what storage classes stand for. */
import type { NamedPolicy, RestoreTimes } from '@dsom/sdk';
import type { Command } from 'commander';
import { addExplainCommand } from './access-policy.ts';
import { formatRemote, parseRemote } from './address.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatRedundancy, formatTable, parseDuration, parsePolicy, printable } from './format.ts';
import { plainKey } from './remote.ts';

interface RedundancyOptions extends CommonOptions {
  readonly storageClass?: string;
  readonly reset?: boolean;
  readonly versionId?: string;
}

/** Shows what a bucket or an object is kept with; with a value, a class or --reset, changes it first. */
async function redundancy(
  context: Context,
  [text = '', value]: readonly string[],
  options: RedundancyOptions,
): Promise<void> {
  const address = parseRemote(text);
  if (address.bucket === '') throw new UsageError('the address names no bucket: write s3://BUCKET or s3://BUCKET/KEY');
  if (options.reset && value !== undefined) throw new UsageError('--reset and a redundancy exclude each other');
  const client = context.client(address);
  const { signal } = context;
  const wanted = options.reset ? null : value === undefined ? undefined : parsePolicy(value);
  const shown = formatRemote(address.bucket, address.key, address.profile);
  if (address.key === '') {
    if (options.storageClass !== undefined)
      throw new UsageError('a bucket has no storage class: give it a redundancy, or name an object');
    const info =
      wanted === undefined
        ? await client.buckets.get(address.bucket, { signal })
        : await client.buckets.update(address.bucket, { redundancy: wanted }, { signal });
    context.succeed();
    return context.result(
      { bucket: address.bucket, redundancy: info.redundancy ?? null },
      `${shown}: ${formatRedundancy(info.redundancy)}`,
    );
  }
  const key = plainKey(address);
  const { versionId, storageClass } = options;
  const change = {
    ...(wanted !== undefined && { redundancy: wanted }),
    ...(storageClass !== undefined && { storageClass }),
  };
  if (Object.keys(change).length > 0) await client.patch(address.bucket, key, change, { versionId, signal });
  const info = await client.head(address.bucket, key, { versionId, signal });
  context.succeed();
  await context.result(
    { bucket: address.bucket, key, storageClass: info.storageClass, kept: info.kept },
    `${shown}: kept with ${printable(info.kept ?? 'what nobody knows')} now, class ${printable(info.storageClass ?? 'STANDARD')}`,
  );
}

const policyLines = (policies: readonly NamedPolicy[]): string[] =>
  policies.length === 0
    ? ['no storage classes of your own']
    : formatTable([
        ['CLASS', 'READ', 'KEPT WITH'],
        ...policies.map((one) => [one.name, readText(one.archive), formatRedundancy(one.redundancy)]),
      ]);

const readText = (archive: RestoreTimes | undefined): string => {
  if (!archive) return 'at once';
  const times = [archive.standardMs, archive.bulkMs, archive.expeditedMs].map((ms) => `${ms / 1000}s`);
  return `restored in ${new Set(times).size === 1 ? times[0] : times.join('/')}`;
};

/** `3h/5h/1m`: how long Standard, Bulk and Expedited take; a single one: all of them. */
function parseArchive(text: string): RestoreTimes {
  const parts = text.split('/');
  if (parts.length !== 1 && parts.length !== 3)
    throw new UsageError(
      `"${text}" is no time for restores: write it like 0s, or 3h/5h/1m for Standard, Bulk, Expedited`,
    );
  const [standardMs = 0, bulkMs = standardMs, expeditedMs = standardMs] = parts.map((one) => parseDuration(one) * 1000);
  return { standardMs, bulkMs, expeditedMs };
}

export function addRedundancyCommands(program: Command, run: Run): void {
  clientCommand(program, 'redundancy <address> [value]', 'show or change what a bucket or an object is kept with')
    .option('--storage-class <name>', 'storage class of the object')
    .option('--reset', 'an object: what its class or its bucket says; a bucket: what the layout gives')
    .option('--version-id <id>', 'an older version')
    .action(run(redundancy));
  const policy = program
    .command('policy')
    .description('storage classes of your own, and what they stand for; why access policies allow or deny');
  clientCommand(policy, 'list', 'all of them', { isDefault: true }).action(
    run(async (context) => {
      const policies = await context.client().admin.policies({ signal: context.signal });
      context.succeed();
      await context.result({ policies }, policyLines(policies));
    }),
  );
  clientCommand(policy, 'set <name> <redundancy>', 'define one, or change it: 3, 8+3, or 2/8+3/7d')
    .option('--archive <times>', 'GLACIER, DEEP_ARCHIVE: objects are restored before they are read, in 0s, or 3h/5h/1m')
    .option('--no-archive', 'objects are read at once')
    .action(
      run<CommonOptions & { readonly archive?: string | false }>(async (context, [name = '', value = ''], options) => {
        const { signal } = context;
        const { archive: said } = options;
        const archive = said === undefined ? undefined : said === false ? null : parseArchive(said);
        const policies = await context.client().admin.setPolicy(name, parsePolicy(value), { signal, archive });
        context.succeed();
        await context.result({ policies }, policyLines(policies));
      }),
    );
  clientCommand(policy, 'remove <name>', 'objects of that class are kept as their bucket says from then on').action(
    run(async (context, [name = '']) => {
      const policies = await context.client().admin.removePolicy(name, { signal: context.signal });
      context.succeed();
      await context.result({ policies }, policyLines(policies));
    }),
  );
  addExplainCommand(policy, run);
}
