/* `migrate`: buckets of any S3 store into this one. */
import type { Command } from 'commander';
import { parseRemote } from './address.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { formatTime, parseCount, parseDuration } from './format.ts';
import { migrateBucket } from './migrate/bucket.ts';
import { S3Connection } from './migrate/connection.ts';
import { migrateLimits } from './migrate/limits.ts';
import { OwnCopies } from './migrate/own.ts';
import { Report } from './migrate/report.ts';
import { elements, textOf } from './migrate/xml.ts';
import { type Connection, Profiles } from './profiles.ts';
import { Progress } from './progress.ts';
import { trust } from './trust.ts';

interface MigrateOptions extends CommonOptions {
  readonly as?: string;
  readonly dryRun?: boolean;
  readonly overwrite?: boolean;
  readonly delete?: boolean;
  readonly configurations: boolean;
  readonly acls: boolean;
  readonly account?: readonly string[];
  readonly parallel: string;
  readonly follow?: boolean;
  readonly readThrough?: boolean;
  readonly interval: string;
}

/** The source's address and keys: of a profile, or of the environment; never of the command line, which other users of the machine can read. @throws UsageError */
export function sourceConnection(context: Context, profile: string | undefined): Connection {
  const { environment } = context.terminal;
  if (profile !== undefined) return new Profiles(environment).get(profile);
  const names = ['DSOM_FROM_ENDPOINT', 'DSOM_FROM_ACCESS_KEY_ID', 'DSOM_FROM_SECRET_ACCESS_KEY'] as const;
  const [endpoint, accessKeyId, secretAccessKey] = names.map((name) => environment[name]);
  if (!endpoint || !accessKeyId || !secretAccessKey)
    throw new UsageError(
      `the store to copy from is not known: write s3://PROFILE@BUCKET with a profile of \`dsom profile add\`, or set ${names.filter((name) => !environment[name]).join(', ')}`,
    );
  return { endpoint, accessKeyId, secretAccessKey, region: environment['DSOM_FROM_REGION'] || undefined };
}

function connect(context: Context, connection: Connection, whose: string): S3Connection {
  if (connection.ca !== undefined) trust(connection.ca);
  const url = URL.parse(connection.endpoint);
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/')
    throw new UsageError(
      `"${connection.endpoint}", the endpoint of the ${whose}, is none: write it like https://s3.example.com`,
    );
  return new S3Connection(connection, context.host, context.signal, (ms) => context.sleep(ms));
}

/** Names of all buckets of a store, page by page where it has pages. */
async function bucketsOf(store: S3Connection): Promise<string[]> {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const { text } = await store.send({ method: 'GET', bucket: '', query: { 'continuation-token': token } });
    for (const { inner } of elements(text, 'Bucket')) names.push(textOf(inner, 'Name') ?? '');
    token = textOf(text, 'ContinuationToken') || undefined;
  } while (token !== undefined);
  return names;
}

interface Sides {
  readonly source: S3Connection;
  readonly target: S3Connection;
  readonly written: Map<string, string>;
  readonly own: OwnCopies;
  readonly named: ReadonlyMap<string, string>;
}

/** Accounts of the source as they were given. @throws UsageError */
function accountsOf(given: readonly string[]): Map<string, string> {
  return new Map(
    given.map((text) => {
      const at = text.lastIndexOf('=');
      const [there, here] = [text.slice(0, at), text.slice(at + 1)];
      if (at < 1 || !/^[0-9a-f]{64}$/.test(here))
        throw new UsageError(
          `--account ${text}: write OLD=ID, the id of the account at the old store and its canonical id here, of 64 hexadecimal digits (\`dsom tenant list\` tells them)`,
        );
      return [there, here];
    }),
  );
}

async function pass(context: Context, given: string, options: MigrateOptions, sides: Sides): Promise<Report> {
  const { bucket: named, key: prefix } = parseRemote(given);
  const buckets = named === '' ? await bucketsOf(sides.source) : [named];
  const report = new Report(context);
  const progress = new Progress(context);
  await progress.start();
  try {
    const remaining: (() => Promise<void>)[] = [];
    const failed = (bucket: string) => (cause: unknown) => {
      // The status of the command says why, where it is about one bucket.
      if (named !== '') throw cause;
      report.fail(bucket, cause);
    };
    for (const bucket of buckets)
      await migrateBucket({
        ...sides,
        bucket,
        targetBucket: options.as ?? bucket,
        prefix,
        parallel: parseCount(options.parallel),
        dryRun: options.dryRun === true,
        overwrite: options.overwrite === true,
        remove: options.delete === true,
        keeps: options.readThrough === true,
        made: () => readThrough(context, given, bucket, options),
        withConfigurations: options.configurations,
        lists: options.acls,
        report,
        now: () => context.host.clock.now(),
        advance: (bytes) => progress.advance(bytes),
        expect: (bytes) => progress.expect(bytes),
        finish: () => progress.finishFile(),
      }).then((last) => void remaining.push(() => last().catch(failed(bucket))), failed(bucket));
    for (const last of remaining) await last();
  } finally {
    progress.stop();
  }
  return report;
}

const tell = (context: Context, report: Report, dryRun: boolean, more: Record<string, unknown> = {}) =>
  context.result({ ...report.json(dryRun), ...more }, report.lines(dryRun));

/** Passes until the user ends it; each tells up to when the target has everything. */
async function follow(context: Context, given: string, options: MigrateOptions, sides: Sides): Promise<number> {
  const wait = parseDuration(options.interval) * 1000;
  let failed = 0;
  let upTo: string | undefined;
  for (;;) {
    const begun = context.host.clock.now();
    try {
      const report = await pass(context, given, options, sides);
      failed = report.failed;
      if (failed === 0) upTo = new Date(begun).toISOString();
      await tell(context, report, false, { upTo });
      if (failed === 0)
        context.note(
          `the target has all that was written before ${formatTime(new Date(begun))}; the pass took ${((context.host.clock.now() - begun) / 1000).toFixed(1)} s`,
        );
    } catch (cause) {
      if (context.signal.aborted) return Math.max(failed, 1);
      failed = 1;
      context.report(cause);
    }
    try {
      await context.sleep(wait);
    } catch {
      return failed;
    }
  }
}

/** With `--read-through`, has the target read at the source what has not moved. */
async function readThrough(context: Context, given: string, bucket: string, options: MigrateOptions): Promise<void> {
  if (!options.readThrough) return;
  const { endpoint, accessKeyId, secretAccessKey, region } = sourceConnection(context, parseRemote(given).profile);
  // Keys are the same on both sides, also where only those below a prefix are copied.
  const source = { endpoint, bucket, accessKeyId, secretAccessKey, ...(region !== undefined && { region }) };
  await context.client().admin.setBucketSource(options.as ?? bucket, source, { signal: context.signal });
}

async function migrate(context: Context, [given = '']: readonly string[], options: MigrateOptions): Promise<void> {
  const address = parseRemote(given);
  if (address.bucket === '' && options.as !== undefined)
    throw new UsageError('--as names one bucket: give the bucket to copy, s3://PROFILE@BUCKET');
  if (options.follow && options.dryRun) throw new UsageError('--follow and --dry-run exclude each other');
  if (options.readThrough && (options.dryRun || options.overwrite || options.delete))
    throw new UsageError('--read-through excludes --dry-run, --overwrite and --delete: what the target has counts');
  if (parseCount(options.parallel) > migrateLimits.parallel)
    throw new UsageError(`--parallel is ${migrateLimits.parallel} at most`);
  if (parseDuration(options.interval) < 1) throw new UsageError('--interval is a second at least');
  const named = accountsOf(options.account ?? []);
  const from = sourceConnection(context, address.profile);
  const to = context.connection();
  if (
    new URL(from.endpoint).origin === new URL(to.endpoint).origin &&
    (options.as ?? address.bucket) === address.bucket
  )
    throw new UsageError('the source and the target are the same: give another --profile or --endpoint, or --as NAME');
  const source = connect(context, from, 'source');
  const target = connect(context, to, 'target');
  const sides = { source, target, written: new Map<string, string>(), own: new OwnCopies(), named };
  try {
    let failed: number;
    if (options.follow) failed = await follow(context, given, options, sides);
    else {
      const report = await pass(context, given, options, sides);
      failed = report.failed;
      await tell(context, report, options.dryRun === true);
    }
    if (failed > 0)
      throw new CommandError(
        exitCode.failed,
        'not everything was copied',
        'See above for what and why; run it again: what is there is passed over.',
      );
    context.succeed();
  } finally {
    source.close();
    target.close();
  }
}

export function addMigrateCommand(program: Command, run: Run): void {
  clientCommand(
    program,
    'migrate <source>',
    'copy buckets of any S3 store, with versions, tags, locks and configurations, into this one',
  )
    .option('--as <bucket>', 'name of the bucket at the target')
    .option('--dry-run', 'tell what would be copied, and write nothing')
    .option('--overwrite', 'where the target has something else, the source counts')
    .option('--delete', 'delete at the target what the source does not have')
    .option('--read-through', 'the target reads at the source what has not moved, and what it has counts')
    .option('--no-configurations', 'objects only')
    .option('--no-acls', 'no access control lists, of buckets and of objects')
    .option(
      '--account <old=id>',
      'account of the old store that lists grant something to, and its canonical id here; several',
      collect,
    )
    .option('--parallel <keys>', 'keys copied at once', '8')
    .option('--follow', 'go on with pass after pass until it is interrupted')
    .option('--interval <time>', 'between two passes of --follow', '60s')
    .addHelpText(
      'after',
      `
The source is s3://PROFILE@BUCKET, s3://PROFILE@BUCKET/PREFIX, or s3://PROFILE@ for all buckets; without a profile its endpoint and keys are
those of DSOM_FROM_ENDPOINT, DSOM_FROM_ACCESS_KEY_ID, DSOM_FROM_SECRET_ACCESS_KEY (and DSOM_FROM_REGION). The target is the usual one.
A run that was ended in the middle is gone on with by running it again. See docs/migrate.md.`,
    )
    .action(run(migrate));
}
