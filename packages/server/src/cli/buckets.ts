import { type BucketSettings, DsomError, type Versioning } from '@dsom/sdk';
import { type Command, Option } from 'commander';
import { formatRemote, parseBucket } from './address.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { parseCount, parsePair, parsePolicy } from './format.ts';

interface MakeOptions extends CommonOptions {
  readonly ignoreExisting?: boolean;
  readonly versioning?: boolean;
  readonly copies?: string;
  readonly redundancy?: string;
  readonly tag?: readonly string[];
}

async function makeBuckets(context: Context, addresses: readonly string[], options: MakeOptions): Promise<void> {
  const settings: BucketSettings = {
    ...(options.versioning && { versioning: 'enabled' as const }),
    ...(options.copies !== undefined && { redundancy: { copies: parseCount(options.copies) } }),
    ...(options.redundancy !== undefined && { redundancy: parsePolicy(options.redundancy) }),
    ...(options.tag && { tags: Object.fromEntries(options.tag.map(parsePair)) }),
  };
  for (const address of addresses.map(parseBucket)) {
    const shown = formatRemote(address.bucket, '', address.profile);
    try {
      const bucket = await context.client(address).buckets.create(address.bucket, settings, { signal: context.signal });
      context.succeed();
      await context.result({ action: 'create', ...bucket }, options.quiet ? [] : `made ${shown}`);
    } catch (cause) {
      if (options.ignoreExisting && cause instanceof DsomError && cause.code === 'BucketAlreadyOwnedByYou')
        context.succeed();
      else context.fail(shown, cause);
    }
  }
}

/** Deletes every version, marker and upload of a bucket, a thousand at a time. */
export async function emptyBucket(
  context: Context,
  address: { readonly bucket: string; readonly profile?: string | undefined },
  bypassGovernance?: boolean,
): Promise<number> {
  const client = context.client({ profile: address.profile });
  const { bucket } = address;
  const { signal } = context;
  let count = 0;
  const versions = async function* () {
    for await (const entry of client.versions(bucket, { signal }))
      if (entry.kind === 'version') {
        count++;
        yield { key: entry.key, versionId: entry.versionId };
      }
  };
  const failures = await client.deleteMany(bucket, versions(), { bypassGovernance, signal });
  for (const failure of failures)
    context.fail(formatRemote(bucket, failure.key), new DsomError(failure.code, { message: failure.message }));
  for await (const upload of client.uploads(bucket, { signal })) await client.abortUpload(upload, { signal });
  return count - failures.length;
}

const stillFull = 'Something in it could not be deleted (it is named above), or was written meanwhile.';

async function removeBuckets(
  context: Context,
  addresses: readonly string[],
  options: CommonOptions & { readonly force?: boolean; readonly bypassGovernance?: boolean },
): Promise<void> {
  if (options.bypassGovernance && !options.force)
    throw new UsageError('--bypass-governance goes with --force, which deletes what is in the bucket');
  for (const address of addresses.map(parseBucket)) {
    const shown = formatRemote(address.bucket, '', address.profile);
    try {
      const removed = options.force ? await emptyBucket(context, address, options.bypassGovernance) : 0;
      await context.client(address).buckets.delete(address.bucket, { signal: context.signal });
      context.succeed();
      const text = `removed ${shown}${removed > 0 ? ` and ${removed} versions in it` : ''}`;
      await context.result({ action: 'remove', bucket: address.bucket, versions: removed }, options.quiet ? [] : text);
    } catch (cause) {
      const full = options.force && cause instanceof DsomError && cause.code === 'BucketNotEmpty';
      context.fail(shown, full ? new CommandError(exitCode.conflict, cause.message, stillFull) : cause);
    }
  }
}

/** The state of versioning as an option names it. */
export function versioningOf(options: {
  readonly enable?: boolean;
  readonly suspend?: boolean;
}): Versioning | undefined {
  if (options.enable && options.suspend) throw new UsageError('--enable and --suspend exclude each other');
  return options.enable ? 'enabled' : options.suspend ? 'suspended' : undefined;
}

export function addBucketCommands(program: Command, run: Run): void {
  clientCommand(program, 'mb <bucket...>', 'make buckets')
    .option('-p, --ignore-existing', 'a bucket that is yours already is no failure')
    .option('--versioning', 'keep old versions')
    .addOption(new Option('--copies <n>', 'copies of every object, on different devices').conflicts('redundancy'))
    .addOption(
      new Option(
        '--redundancy <r>',
        'how objects are kept: N copies, K+M for K data and M parity fragments on different devices, or HOT/COLD/IDLE as 2/8+3/7d',
      ),
    )
    .option('--tag <name=value>', 'tag the bucket; may be repeated', collect)
    .action(run(makeBuckets));
  clientCommand(program, 'rb <bucket...>', 'remove buckets')
    .option('--force', 'delete every object, version and upload in it first')
    .option('--bypass-governance', 'with --force: versions that are retained in governance mode, too')
    .action(run(removeBuckets));
}
