import { createInterface } from 'node:readline/promises';
import { type ByteRange, DsomError } from '@dsom/sdk';
import type { Command } from 'commander';
import { formatRemote, parseObject, parseRemote, type RemoteAddress } from './address.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { formatRedundancy, formatSize, formatTime, printable } from './format.ts';
import { hasWildcard, unescapePattern } from './glob.ts';
import { expand, plainKey, selectionOf } from './remote.ts';

interface CatOptions extends CommonOptions {
  readonly versionId?: string;
  readonly range?: string;
}

/** `10-19` (both included), `10-`, `-20` as in HTTP. */
function parseRange(text: string): ByteRange {
  const match = /^(\d*)-(\d*)$/.exec(text);
  if (!match || text === '-') throw new UsageError(`"${text}" is not a range: write it like 0-99, 100- or -100`);
  if (match[1] === '') return { last: Number(match[2]) };
  return { start: Number(match[1]), ...(match[2] !== '' && { end: Number(match[2]) + 1 }) };
}

async function concatenate(context: Context, addresses: readonly string[], options: CatOptions): Promise<void> {
  const range = options.range === undefined ? undefined : parseRange(options.range);
  for (const text of addresses) {
    const address = parseObject(text);
    try {
      for await (const { key } of expand(context, address, false)) {
        const got = await context
          .client(address)
          .get(address.bucket, key, { versionId: options.versionId, range, signal: context.signal });
        for await (const chunk of got.body as unknown as AsyncIterable<Uint8Array>) await context.write(chunk);
      }
      context.succeed();
    } catch (cause) {
      context.fail(text, cause);
    }
  }
}

async function describeBucket(context: Context, { bucket, profile }: RemoteAddress): Promise<void> {
  const info = await context.client({ profile }).buckets.get(bucket, { signal: context.signal });
  await context.result({ type: 'bucket', ...info }, [
    `bucket       ${formatRemote(bucket, '', profile)}`,
    `created      ${formatTime(info.createdAt)}`,
    `objects      ${info.objects}`,
    `versions     ${info.versions}`,
    `size         ${formatSize(info.bytes)} (${info.bytes} bytes, all versions)`,
    `versioning   ${info.versioning}`,
    `consistency  ${info.consistency}`,
    `redundancy   ${formatRedundancy(info.redundancy)}`,
    ...Object.entries(info.tags).map(([name, value]) => `tag          ${printable(name)}=${printable(value)}`),
  ]);
}

async function describeObject(
  context: Context,
  address: RemoteAddress,
  key: string,
  versionId: string | undefined,
): Promise<void> {
  const client = context.client(address);
  const { signal } = context;
  const info = await client.head(address.bucket, key, { versionId, signal });
  const tags = await client.tags(address.bucket, key, { versionId, signal });
  const line = (name: string, value: string | undefined) =>
    value === undefined ? [] : [`${name.padEnd(13)}${printable(value)}`];
  await context.result({ type: 'object', ...info, tags }, [
    ...line('object', formatRemote(address.bucket, key, address.profile)),
    ...line('size', `${formatSize(info.size)} (${info.size} bytes)`),
    ...line('modified', formatTime(info.modifiedAt)),
    ...line('etag', info.etag),
    ...line('version', info.versionId),
    ...line('guk', info.guk),
    ...line('class', info.storageClass),
    ...line('kept with', info.kept),
    ...line('checksum', info.checksum && `${info.checksum.algorithm} ${info.checksum.value}`),
    ...line('content-type', info.contentType),
    ...line('encoding', info.contentEncoding),
    ...line('disposition', info.contentDisposition),
    ...line('language', info.contentLanguage),
    ...line('cache', info.cacheControl),
    ...line('expires', info.expires),
    ...Object.entries(info.metadata).flatMap(([name, value]) => line('metadata', `${name}=${value}`)),
    ...Object.entries(tags).flatMap(([name, value]) => line('tag', `${name}=${value}`)),
  ]);
}

async function describe(
  context: Context,
  addresses: readonly string[],
  options: CommonOptions & { readonly versionId?: string },
): Promise<void> {
  for (const text of addresses) {
    const address = parseRemote(text);
    if (address.bucket === '')
      throw new UsageError('the address names no bucket: write s3://BUCKET or s3://BUCKET/KEY');
    try {
      if (address.key === '') await describeBucket(context, address);
      else
        for await (const { key } of expand(context, address, false))
          await describeObject(context, address, key, options.versionId);
      context.succeed();
    } catch (cause) {
      context.fail(text, cause);
    }
  }
}

interface RemoveOptions extends CommonOptions {
  readonly recursive?: boolean;
  readonly versionId?: string;
  readonly versions?: boolean;
  readonly uploads?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly bypassGovernance?: boolean;
}

async function confirmed(context: Context, question: string): Promise<boolean> {
  const { stdin, stderr } = context.terminal;
  if (!stdin.isTTY || !stderr.isTTY) return false;
  const prompt = createInterface({ input: stdin, output: stderr });
  const answer = await prompt.question(`${question} Type yes: `, { signal: context.signal });
  prompt.close();
  return answer.trim().toLowerCase() === 'yes';
}

interface Doomed {
  readonly key: string;
  readonly versionId?: string | undefined;
}

async function* doomed(context: Context, address: RemoteAddress, options: RemoveOptions): AsyncGenerator<Doomed> {
  if (!options.versions) {
    for await (const { key } of expand(context, address, options.recursive === true)) yield { key };
    return;
  }
  const client = context.client(address);
  const many = options.recursive === true || hasWildcard(address.key);
  const { prefix, matches } = many
    ? selectionOf(address.key, options.recursive === true)
    : { prefix: plainKey(address), matches: (key: string) => key === plainKey(address) };
  for await (const entry of client.versions(address.bucket, { prefix, signal: context.signal }))
    if (entry.kind === 'version' && matches(entry.key)) yield { key: entry.key, versionId: entry.versionId };
}

/** Deletes in batches; tells of each once it is gone. */
async function removeMany(context: Context, address: RemoteAddress, options: RemoveOptions): Promise<void> {
  const client = context.client(address);
  const told = (item: Doomed) => {
    const shown = formatRemote(address.bucket, item.key, address.profile);
    const version = item.versionId === undefined ? '' : ` (version ${item.versionId})`;
    const verb = options.dryRun ? 'would remove' : 'removed';
    return context.result(
      { action: 'remove', dryRun: options.dryRun === true, bucket: address.bucket, ...item },
      options.quiet ? [] : `${verb} ${printable(shown)}${version}`,
    );
  };
  let batch: Doomed[] = [];
  const flush = async () => {
    const { bypassGovernance } = options;
    const failures = options.dryRun
      ? []
      : await client.deleteMany(address.bucket, batch, { bypassGovernance, signal: context.signal });
    const failed = new Set(failures.map((one) => `${one.key}\0${one.versionId ?? ''}`));
    for (const item of batch) {
      if (failed.has(`${item.key}\0${item.versionId ?? ''}`)) continue;
      context.succeed();
      await told(item);
    }
    for (const one of failures)
      context.fail(formatRemote(address.bucket, one.key), new DsomError(one.code, { message: one.message }));
    batch = [];
  };
  for await (const item of doomed(context, address, options)) if (batch.push(item) === 1000) await flush();
  if (batch.length > 0) await flush();
}

async function removeUploads(context: Context, address: RemoteAddress, options: RemoveOptions): Promise<void> {
  const client = context.client(address);
  for await (const upload of client.uploads(address.bucket, {
    prefix: unescapePattern(address.key),
    signal: context.signal,
  })) {
    if (!options.dryRun) await client.abortUpload(upload, { signal: context.signal });
    const text = `${options.dryRun ? 'would abort' : 'aborted'} the upload ${upload.uploadId} of ${printable(upload.key)}`;
    await context.result({ action: 'abort', dryRun: options.dryRun === true, ...upload }, options.quiet ? [] : text);
  }
}

async function remove(context: Context, addresses: readonly string[], options: RemoveOptions): Promise<void> {
  if (options.bypassGovernance && options.versionId === undefined && !options.versions)
    throw new UsageError(
      '--bypass-governance goes with --versions or --version-id: without them a delete marker is written, and what is retained stays below it',
    );
  for (const text of addresses) {
    const address = parseRemote(text);
    if (address.bucket === '') throw new UsageError('the address names no bucket: write s3://BUCKET/KEY');
    const everything = options.recursive && unescapePattern(address.key).replace(/\*+$/, '') === '';
    if (everything && !options.force && !options.dryRun && !(await confirmed(context, `Delete everything in ${text}?`)))
      throw new CommandError(
        exitCode.usage,
        `${text} is a whole bucket`,
        'Add --force to delete everything in it, or --dry-run to see what that is.',
      );
    try {
      if (options.uploads) await removeUploads(context, address, options);
      else if (options.versionId !== undefined) {
        const key = plainKey(address);
        if (!options.dryRun)
          await context.client(address).delete(address.bucket, key, {
            versionId: options.versionId,
            bypassGovernance: options.bypassGovernance,
            signal: context.signal,
          });
        await context.result(
          { action: 'remove', bucket: address.bucket, key, versionId: options.versionId },
          options.quiet ? [] : `removed version ${options.versionId} of ${printable(text)}`,
        );
      } else await removeMany(context, address, options);
      context.succeed();
    } catch (cause) {
      context.fail(text, cause);
    }
  }
}

export function addObjectCommands(program: Command, run: Run): void {
  clientCommand(program, 'cat <address...>', 'write objects to standard output')
    .option('--version-id <id>', 'an older version')
    .option('--range <bytes>', 'some bytes: 0-99, 100- or -100')
    .action(run(concatenate));
  clientCommand(program, 'stat <address...>', 'everything that is known of an object or a bucket')
    .option('--version-id <id>', 'an older version')
    .action(run(describe));
  clientCommand(program, 'rm <address...>', 'delete objects')
    .option('-r, --recursive', 'everything below the address')
    .option('--version-id <id>', 'one version, for good')
    .option('--versions', 'all versions and delete markers, for good')
    .option('--bypass-governance', 'versions that are retained in governance mode, too')
    .option('--uploads', 'abort uploads that were not completed, instead')
    .option('--dry-run', 'only tell what would be deleted')
    .option('-f, --force', 'allow -r on a whole bucket')
    .action(run(remove));
}
