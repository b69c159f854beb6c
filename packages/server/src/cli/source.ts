/* `bucket source`: the old store in which a bucket is read where nothing has moved yet. */
import type { BucketSource } from '@dsom/sdk';
import type { Command } from 'commander';
import { parseRemote } from './address.ts';
import { type Line, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { printable } from './format.ts';
import { sourceConnection } from './migrate.ts';

/** What an address of an old store is to a server. @throws UsageError */
function sourceOf(context: Context, given: string, linkLocal: boolean): BucketSource {
  const { profile, bucket, key: prefix } = parseRemote(given);
  if (bucket === '')
    throw new UsageError('name the bucket of the old store: s3://PROFILE@BUCKET or s3://PROFILE@BUCKET/PREFIX');
  const { endpoint, region, accessKeyId, secretAccessKey } = sourceConnection(context, profile);
  return { endpoint, bucket, prefix, accessKeyId, secretAccessKey, linkLocal, ...(region !== undefined && { region }) };
}

const lines = (source: Line): string[] => [
  `read through  ${printable(text(source['endpoint']))}, bucket ${text(source['bucket'])}${source['prefix'] === '' ? '' : `, below ${printable(text(source['prefix']))}`}`,
  `as            ${text(source['accessKeyId'])} in ${text(source['region'])}`,
];

function unmovedLines(found: Line): string[] {
  const keys = Number(found['keys']);
  if (keys === 0 && found['more'] !== true) return ['everything has moved'];
  const first = (found['first'] as readonly string[]).map((key) => `  ${printable(key)}`);
  return [`${keys}${found['more'] === true ? ' or more' : ''} keys have not moved`, ...first];
}

async function set(
  context: Context,
  [bucket = '', given = '']: readonly string[],
  options: CommonOptions & { readonly linkLocal?: boolean },
): Promise<void> {
  const source = sourceOf(context, given, options.linkLocal === true);
  const shown = await context.client().admin.setBucketSource(bucket, source, { signal: context.signal });
  context.succeed();
  await context.result(shown, lines(shown));
}

async function show(context: Context, [bucket = '']: readonly string[]): Promise<void> {
  const { signal } = context;
  const shown = await context.client().admin.bucketSource(bucket, { signal });
  const { unmoved } = await context.client().admin.unmovedKeys(bucket, { signal });
  context.succeed();
  await context.result({ ...shown, unmoved }, [...lines(shown), ...unmovedLines(unmoved as Line)]);
}

async function clear(
  context: Context,
  [bucket = '']: readonly string[],
  options: CommonOptions & { readonly force?: boolean },
): Promise<void> {
  const done = await context
    .client()
    .admin.clearBucketSource(bucket, options.force === true, { signal: context.signal });
  context.succeed();
  const { unmoved } = done;
  await context.result(done, [
    `the bucket ${bucket} is not read anywhere else any more`,
    ...(unmoved === null || unmoved === undefined ? [] : unmovedLines(unmoved as Line)),
  ]);
}

export function addSourceCommands(bucket: Command, run: Run): void {
  const source = bucket
    .command('source')
    .description('the old store in which a bucket is read where nothing has moved yet');
  clientCommand(source, 'set <bucket> <source>', 'read it there: s3://PROFILE@BUCKET or s3://PROFILE@BUCKET/PREFIX')
    .option('--link-local', 'addresses of the link, where clouds keep credentials, are allowed')
    .action(run(set));
  clientCommand(source, 'show <bucket>', 'where it is read, and what has not moved').action(run(show));
  clientCommand(source, 'clear <bucket>', 'read it here only; refused while something has not moved')
    .option('-f, --force', 'also while something has not moved, which is then not there any more')
    .action(run(clear));
}
