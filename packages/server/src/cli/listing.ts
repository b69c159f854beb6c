import type { BucketInfo, ListedVersion } from '@dsom/sdk';
import type { Command } from 'commander';
import { addressHelp, formatRemote, parseRemote, type RemoteAddress } from './address.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatSize, formatTime, parseCount, parseDuration, parseSize, printable } from './format.ts';
import { hasWildcard, patternToRegExp, unescapePattern } from './glob.ts';
import { type RemoteItem, selectionOf } from './remote.ts';

interface ListOptions extends CommonOptions {
  readonly recursive?: boolean;
  readonly human?: boolean;
  readonly versions?: boolean;
  readonly uploads?: boolean;
  readonly summary?: boolean;
}

const sizeColumn = (size: number, human: boolean | undefined) =>
  human ? formatSize(size).padStart(9) : String(size).padStart(12);

async function listBuckets(context: Context, address: RemoteAddress): Promise<void> {
  for await (const bucket of context.client(address).buckets.list({ signal: context.signal }))
    await context.result(bucketJson(bucket), `${formatTime(bucket.createdAt)}  ${bucket.name}`);
}

const bucketJson = (bucket: BucketInfo) => ({ type: 'bucket', ...bucket });

async function listUploads(context: Context, { bucket, key, profile }: RemoteAddress): Promise<void> {
  for await (const upload of context
    .client({ profile })
    .uploads(bucket, { prefix: unescapePattern(key), signal: context.signal }))
    await context.result(
      { type: 'upload', ...upload },
      `${formatTime(upload.initiatedAt)}  ${upload.uploadId}  ${printable(upload.key)}`,
    );
}

/** The line and the JSON of one version. */
export function versionRow(entry: ListedVersion, human: boolean | undefined): readonly [json: unknown, text: string] {
  const { kind: _, ...rest } = entry;
  const what = entry.deleteMarker ? 'deleted'.padStart(human ? 9 : 12) : sizeColumn(entry.size, human);
  return [
    { type: 'version', ...rest },
    `${formatTime(entry.modifiedAt)}  ${what}  ${entry.versionId.padEnd(32)}  ${entry.isLatest ? '*' : ' '} ${printable(entry.key)}`,
  ];
}

async function listEntries(context: Context, address: RemoteAddress, options: ListOptions): Promise<void> {
  const { bucket, key } = address;
  const client = context.client(address);
  const { signal } = context;
  const wild = hasWildcard(key);
  const selection = wild ? selectionOf(key, options.recursive === true) : undefined;
  const prefix = selection?.prefix ?? unescapePattern(key);
  // One folder at a time, as a person looks at it; a pattern says itself how far it reaches.
  const delimiter = options.recursive || wild ? undefined : '/';
  let count = 0;
  let bytes = 0;
  if (options.versions) {
    for await (const entry of client.versions(bucket, { prefix, delimiter, signal })) {
      if (entry.kind === 'prefix')
        await context.result({ type: 'prefix', prefix: entry.prefix }, `${' '.repeat(21)}${printable(entry.prefix)}`);
      else if (selection?.matches(entry.key) ?? true) await context.result(...versionRow(entry, options.human));
    }
    return;
  }
  for await (const entry of client.list(bucket, { prefix, delimiter, signal })) {
    if (entry.kind === 'prefix') {
      const column = ''.padStart(options.human ? 9 : 12);
      await context.result(
        { type: 'prefix', prefix: entry.prefix },
        `${' '.repeat(19)}  ${column}  ${printable(entry.prefix)}`,
      );
      continue;
    }
    if (selection && !selection.matches(entry.key)) continue;
    count++;
    bytes += entry.size;
    const { kind: _, ...rest } = entry;
    await context.result(
      { type: 'object', ...rest },
      `${formatTime(entry.modifiedAt)}  ${sizeColumn(entry.size, options.human)}  ${printable(entry.key)}`,
    );
  }
  if (options.summary)
    await context.result({ type: 'summary', objects: count, bytes }, `${count} objects, ${formatSize(bytes)}`);
}

async function list(context: Context, addresses: readonly string[], options: ListOptions): Promise<void> {
  for (const text of addresses.length === 0 ? [undefined] : addresses) {
    const address = parseRemote(text ?? 's3://');
    try {
      if (address.bucket === '') await listBuckets(context, address);
      else if (options.uploads) await listUploads(context, address);
      else await listEntries(context, address, options);
      context.succeed();
    } catch (cause) {
      context.fail(text, cause);
    }
  }
}

interface UsageOptions extends CommonOptions {
  readonly depth?: string;
  readonly human?: boolean;
  readonly versions?: boolean;
}

/** Sums per folder down to a depth; folders come after what is in them, the whole last. */
async function diskUsage(context: Context, addresses: readonly string[], options: UsageOptions): Promise<void> {
  const depth = options.depth === undefined ? 0 : parseCount(options.depth, 0);
  for (const text of addresses) {
    const address = parseRemote(text);
    if (address.bucket === '') throw new UsageError('the address names no bucket: write s3://BUCKET');
    const { prefix, base, matches } = selectionOf(address.key, true);
    const client = context.client(address);
    const sums = new Map<string, { objects: number; bytes: number }>();
    const add = (folder: string, size: number) => {
      const sum = sums.get(folder) ?? { objects: 0, bytes: 0 };
      sum.objects++;
      sum.bytes += size;
      sums.set(folder, sum);
    };
    const count = (key: string, size: number) => {
      if (!matches(key)) return;
      add('', size);
      const segments = key.slice(base).split('/').slice(0, -1);
      for (let level = 1; level <= Math.min(depth, segments.length); level++)
        add(`${segments.slice(0, level).join('/')}/`, size);
    };
    const query = { prefix, signal: context.signal };
    if (options.versions) {
      for await (const entry of client.versions(address.bucket, query))
        if (entry.kind === 'version' && !entry.deleteMarker) count(entry.key, entry.size);
    } else
      for await (const entry of client.list(address.bucket, query))
        if (entry.kind === 'object') count(entry.key, entry.size);
    if (sums.size === 0) sums.set('', { objects: 0, bytes: 0 });
    const whole = sums.get('')!;
    sums.delete('');
    for (const [folder, { objects, bytes }] of [...sums, ['', whole] as const]) {
      const shown = formatRemote(address.bucket, `${prefix.slice(0, base)}${folder}`, address.profile);
      const size = options.human === false ? String(bytes).padStart(15) : formatSize(bytes).padStart(9);
      await context.result(
        { type: 'usage', address: shown, objects, bytes },
        `${size}  ${String(objects).padStart(10)} objects  ${printable(shown)}`,
      );
    }
    context.succeed();
  }
}

interface FindOptions extends CommonOptions {
  readonly name?: string;
  readonly path?: string;
  readonly larger?: string;
  readonly smaller?: string;
  readonly newer?: string;
  readonly older?: string;
  readonly print0?: boolean;
}

function findTest(context: Context, options: FindOptions): (item: RemoteItem) => boolean {
  const now = context.host.clock.now();
  const name = options.name === undefined ? undefined : patternToRegExp(options.name);
  const whole = options.path === undefined ? undefined : patternToRegExp(options.path);
  const larger = options.larger === undefined ? undefined : parseSize(options.larger);
  const smaller = options.smaller === undefined ? undefined : parseSize(options.smaller);
  const newer = options.newer === undefined ? undefined : now - parseDuration(options.newer) * 1000;
  const older = options.older === undefined ? undefined : now - parseDuration(options.older) * 1000;
  return ({ key, size, modifiedAt, relative }) => {
    const time = modifiedAt?.getTime() ?? 0;
    if (name && !name.test(key.slice(key.lastIndexOf('/') + 1))) return false;
    if (whole && !whole.test(relative)) return false;
    if ((larger !== undefined && size <= larger) || (smaller !== undefined && size >= smaller)) return false;
    return (newer === undefined || time > newer) && (older === undefined || time < older);
  };
}

async function find(context: Context, addresses: readonly string[], options: FindOptions): Promise<void> {
  const test = findTest(context, options);
  for (const text of addresses) {
    const address = parseRemote(text);
    if (address.bucket === '') throw new UsageError('the address names no bucket: write s3://BUCKET');
    const { prefix, base, matches } = selectionOf(address.key, true);
    for await (const entry of context.client(address).list(address.bucket, { prefix, signal: context.signal })) {
      if (entry.kind !== 'object' || !matches(entry.key)) continue;
      if (!test({ ...entry, relative: entry.key.slice(base) })) continue;
      const shown = formatRemote(address.bucket, entry.key, address.profile);
      const { kind: _, ...rest } = entry;
      if (options.print0) await context.write(`${shown}\0`);
      else await context.result({ type: 'object', bucket: address.bucket, ...rest }, printable(shown));
    }
    context.succeed();
  }
}

export function addListingCommands(program: Command, run: Run): void {
  clientCommand(program, 'ls [address...]', 'list buckets, or what is in one')
    .option('-r, --recursive', 'everything below, not one folder')
    .option('-H, --human', 'sizes in KiB, MiB, GiB')
    .option('--versions', 'all versions and delete markers')
    .option('--uploads', 'uploads that were not completed')
    .option('--summary', 'a last line with the sums')
    .addHelpText('after', `\n${addressHelp}`)
    .action(run(list));
  clientCommand(program, 'du <address...>', 'count objects and bytes')
    .option('-d, --depth <n>', 'also for every folder down to this depth', '0')
    .option('--versions', 'count old versions, too')
    .option('--no-human', 'sizes in bytes')
    .action(run(diskUsage));
  clientCommand(program, 'find <address...>', 'find objects')
    .option('--name <pattern>', 'last name matches, such as "*.jpg"')
    .option('--path <pattern>', 'name below the address matches, such as "2024/**"')
    .option('--larger <size>', 'more bytes than this')
    .option('--smaller <size>', 'fewer bytes than this')
    .option('--newer <duration>', 'changed within, such as 7d')
    .option('--older <duration>', 'not changed within')
    .option('--print0', 'addresses with a zero byte behind each, for xargs -0')
    .action(run(find));
}
