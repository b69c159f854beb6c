/* `cluster shards` and `bucket`: the shards of the metadata, and those that a bucket is spread over. */
import type { Command } from 'commander';
import { type Line, list, short, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatSize, formatTable } from './format.ts';
import { addSourceCommands } from './source.ts';

/** @throws UsageError */
function parseWhole(given: string, what: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`${what} is a whole number, 1 or more`);
  return value;
}

const isInUse = (found: Line): boolean => found['inUse'] === found['objectShards'];

function clusterLines(found: Line): string[] {
  const waits = Array.isArray(found['notOpenOn']) ? found['notOpenOn'].map(short) : [];
  return [
    `${text(found['inUse'])} of ${text(found['objectShards'])} object shards are in use`,
    ...(waits.length > 0
      ? [
          `not open yet on node ${waits.join(', ')}: it opens them by itself within seconds; look at its log if it does not, and remove a node that is gone for good`,
        ]
      : []),
  ];
}

/** A line on a terminal, until all object shards are in use or the user has seen enough. */
async function waitForUse(context: Context): Promise<Line> {
  for (;;) {
    const found = await context.client().admin.objectShards({ signal: context.signal });
    if (isInUse(found)) {
      context.beforeNote();
      return found;
    }
    context.lastLine(clusterLines(found).join('; '));
    await context.host.timers.sleep(1000, context.signal);
  }
}

async function grow(
  context: Context,
  given: string,
  options: CommonOptions & { readonly wait?: boolean },
): Promise<void> {
  const count = parseWhole(given, 'the number of object shards');
  const asked = await context.client().admin.growObjectShards(count, { signal: context.signal });
  const found = options.wait ? await waitForUse(context) : asked;
  context.succeed();
  await context.result(found, clusterLines(found));
}

function bucketLines(found: Line): string[] {
  const shards = list(found['shards']);
  const grew = Number(found['madeWith']) < shards.length;
  return [
    `${text(found['bucket'])} has ${shards.length} ${shards.length === 1 ? 'shard' : 'shards'}${grew ? `, and was made with ${text(found['madeWith'])}: keys from before stay where they are, new ones spread` : ''}`,
    ...formatTable([
      ['SHARD', 'OBJECTS', 'VERSIONS', 'UPLOADS', 'BYTES'],
      ...shards.map((one) => [
        text(one['shard']),
        text(one['objects']),
        text(one['versions']),
        text(one['uploads']),
        formatSize(Number(one['bytes'] ?? 0)),
      ]),
    ]),
  ];
}

async function showBucket(context: Context, name: string): Promise<void> {
  const found = await context.client().admin.bucketShards(name, { signal: context.signal });
  context.succeed();
  await context.result(found, bucketLines(found));
}

async function reshard(
  context: Context,
  name: string,
  options: CommonOptions & { readonly to?: string },
): Promise<void> {
  const shards = options.to === undefined ? undefined : parseWhole(options.to, '--to');
  const found = await context.client().admin.reshardBucket(name, shards, { signal: context.signal });
  context.succeed();
  await context.result(found, bucketLines(found));
}

/** @param shards the command `cluster shards` */
export function addShardCommands(program: Command, shards: Command, run: Run): void {
  clientCommand(shards, 'grow <count>', 'ask for more object shards: every node opens them while it runs')
    .option('--wait', 'until all of them are in use')
    .action(run((context, [count = ''], options: CommonOptions & { wait?: boolean }) => grow(context, count, options)));
  clientCommand(shards, 'use', 'how many are in use, and which nodes have yet to open some').action(
    run(async (context) => {
      const found = await context.client().admin.objectShards({ signal: context.signal });
      context.succeed();
      await context.result(found, clusterLines(found));
    }),
  );
  const bucket = program
    .command('bucket')
    .description('what only this store has of a bucket: the shards of its metadata, the store that it moves away from');
  addSourceCommands(bucket, run);
  clientCommand(bucket, 'shards <bucket>', 'how many it has, and what is in each').action(
    run((context, [name = '']) => showBucket(context, name)),
  );
  clientCommand(bucket, 'reshard <bucket>', 'give it twice as many, while it is used')
    .option('--to <n>', 'as many as this, a power of two')
    .action(run((context, [name = ''], options: CommonOptions & { to?: string }) => reshard(context, name, options)));
}
