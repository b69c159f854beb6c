import { type Command, InvalidArgumentError } from 'commander';
import { addressHelp, parseAddress } from './address.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { parseCount, parsePair, parseSize } from './format.ts';
import { type FilterRule, filterOf } from './glob.ts';
import { planTransfers } from './plan.ts';
import { runTransfers, type TransferSettings } from './transfer.ts';

export interface TransferOptions extends CommonOptions {
  readonly parallel: string;
  readonly partSize?: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  readonly verbose?: boolean;
  readonly filter?: readonly FilterRule[];
  readonly contentType?: string;
  readonly cacheControl?: string;
  readonly contentDisposition?: string;
  readonly contentEncoding?: string;
  readonly metadata?: readonly string[];
  readonly tag?: readonly string[];
  readonly storageClass?: string;
}

interface CopyOptions extends TransferOptions {
  readonly recursive?: boolean;
  readonly clobber?: boolean;
  readonly preserve?: boolean;
  readonly versionId?: string;
}

const partSizeLimits = [5 * 1024 ** 2, 5 * 1024 ** 3] as const;

function partSizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const size = parseSize(text);
  if (size < partSizeLimits[0] || size > partSizeLimits[1]) throw new UsageError('--part-size is from 5MiB to 5GiB');
  return size;
}

/** What the options say about how bytes move. */
export function transferSettings(options: TransferOptions): TransferSettings {
  const parallel = parseCount(options.parallel);
  if (parallel > 256) throw new UsageError('--parallel is at most 256');
  return {
    parallel,
    partSize: partSizeOf(options.partSize),
    resume: options.resume !== false,
    dryRun: options.dryRun === true,
    verbose: options.verbose === true,
    noClobber: false,
    preserve: false,
    move: false,
    description: {
      ...(options.contentType !== undefined && { contentType: options.contentType }),
      ...(options.cacheControl !== undefined && { cacheControl: options.cacheControl }),
      ...(options.contentDisposition !== undefined && { contentDisposition: options.contentDisposition }),
      ...(options.contentEncoding !== undefined && { contentEncoding: options.contentEncoding }),
      ...(options.metadata && { metadata: Object.fromEntries(options.metadata.map(parsePair)) }),
      ...(options.tag && { tags: Object.fromEntries(options.tag.map(parsePair)) }),
      ...(options.storageClass !== undefined && { storageClass: options.storageClass }),
    },
  };
}

async function copy(
  context: Context,
  addresses: readonly string[],
  options: CopyOptions,
  move: boolean,
): Promise<void> {
  const target = addresses.at(-1);
  const sources = addresses.slice(0, -1);
  if (target === undefined || sources.length === 0) throw new UsageError('a source and a target are needed');
  const settings = {
    ...transferSettings(options),
    noClobber: options.clobber === false,
    preserve: options.preserve === true,
    move,
  };
  const plan = {
    recursive: options.recursive === true,
    versionId: options.versionId,
    passes: filterOf(options.filter ?? []),
  };
  await runTransfers(
    context,
    planTransfers(context, sources.map(parseAddress), parseAddress(target), plan, settings),
    settings,
  );
}

/** --include and --exclude in the order in which they were given. */
const rule = (include: boolean) => (pattern: string, before: readonly FilterRule[] | undefined) => [
  ...(before ?? []),
  { include, pattern },
];

/** Options that cp, mv and sync share. */
export function addTransferOptions(command: Command): Command {
  const filters: { rules: readonly FilterRule[] } = { rules: [] };
  const remember = (include: boolean) => (pattern: string) => {
    if (pattern === '') throw new InvalidArgumentError('An empty pattern matches nothing.');
    filters.rules = rule(include)(pattern, filters.rules);
    command.setOptionValue('filter', filters.rules);
    return pattern;
  };
  return command
    .option('--include <pattern>', 'files to take; may be repeated', remember(true))
    .option(
      '--exclude <pattern>',
      'files to leave out; may be repeated, the last that matches decides',
      remember(false),
    )
    .option('-P, --parallel <n>', 'files at the same time', '8')
    .option('--part-size <size>', 'size of parts of large files (8MiB unless they are very large)')
    .option('--no-resume', 'begin anew instead of continuing what an earlier run left')
    .option('--dry-run', 'only tell what would be done')
    .option('-v, --verbose', 'a line for every file')
    .option('--content-type <type>', 'Content-Type, instead of the one that the name suggests')
    .option('--cache-control <value>', 'Cache-Control')
    .option('--content-disposition <value>', 'Content-Disposition')
    .option('--content-encoding <value>', 'Content-Encoding')
    .option('--metadata <name=value>', 'user metadata; may be repeated', collect)
    .option('--tag <name=value>', 'tag; may be repeated', collect)
    .option('--storage-class <name>', 'storage class');
}

const rules = `
With -r, what is inside the source is put below the target; a source without slash at its end is taken as a folder, too.
In --include and --exclude: ? one character, * any but /, ** any. A pattern without / is compared with the last name.
A transfer that was interrupted goes on where it stopped when the same command is run again.

${addressHelp}`;

export function addCopyCommands(program: Command, run: Run): void {
  const both = (command: Command) =>
    addTransferOptions(command)
      .option('-r, --recursive', 'folders, with everything in them')
      .option('-n, --no-clobber', 'leave alone what exists at the target')
      .option('--preserve', 'keep modification times in metadata (mtime), and set them from there')
      .option('--version-id <id>', 'an older version of the source')
      .addHelpText('after', rules);
  const usage = '[options] <source...> <target>';
  both(clientCommand(program, 'cp <addresses...>', 'copy files and objects').usage(usage)).action(
    run<CopyOptions>((context, addresses, options) => copy(context, addresses, options, false)),
  );
  both(clientCommand(program, 'mv <addresses...>', 'move files and objects').usage(usage)).action(
    run<CopyOptions>((context, addresses, options) => copy(context, addresses, options, true)),
  );
}
