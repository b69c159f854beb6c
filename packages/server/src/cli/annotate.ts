import type { Command } from 'commander';
import { limits } from '../limits.ts';
import { formatRemote, parseBucket, parseObject, parseRemote } from './address.ts';
import { versioningOf } from './buckets.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatTime, parseDuration, parsePair, printable } from './format.ts';
import { hasWildcard, unescapePattern } from './glob.ts';
import { versionRow } from './listing.ts';
import { plainKey, selectionOf } from './remote.ts';

interface TagOptions extends CommonOptions {
  readonly versionId?: string;
  readonly remove?: readonly string[];
  readonly clear?: boolean;
}

/** Shows tags; with pairs, or with --remove or --clear, changes them first. */
async function tag(context: Context, [text = '', ...pairs]: readonly string[], options: TagOptions): Promise<void> {
  const address = parseRemote(text);
  const client = context.client(address);
  const { signal } = context;
  if (address.bucket === '') throw new UsageError('the address names no bucket');
  const key = address.key === '' ? undefined : plainKey(address);
  const target = { versionId: options.versionId, signal };
  const read = async () =>
    key === undefined
      ? (await client.buckets.get(address.bucket, { signal })).tags
      : client.tags(address.bucket, key, target);
  const given = Object.fromEntries(pairs.map(parsePair));
  const removed = options.remove ?? [];
  let tags: Record<string, string>;
  const change = { ...Object.fromEntries(removed.map((name) => [name, null])), ...given };
  if (pairs.length === 0 && removed.length === 0 && !options.clear) tags = { ...(await read()) };
  else if (options.clear) {
    tags = given;
    if (key === undefined) await client.buckets.update(address.bucket, { tags }, { signal });
    else await client.setTags(address.bucket, key, tags, target);
    // Below, the server works the change out, so that none is lost to another.
  } else if (key === undefined) {
    tags = { ...(await client.buckets.update(address.bucket, { tagChange: change }, { signal })).tags };
  } else {
    // Naming the version changes it in place.
    const versionId = options.versionId ?? (await client.head(address.bucket, key, { signal })).versionId ?? 'null';
    tags = { ...(await client.patch(address.bucket, key, { tags: change }, { versionId, signal })).tags };
  }
  context.succeed();
  await context.result(
    { bucket: address.bucket, key, tags },
    Object.entries(tags).map(([name, value]) => `${printable(name)}=${printable(value)}`),
  );
}

interface VersionsOptions extends CommonOptions {
  readonly enable?: boolean;
  readonly suspend?: boolean;
  readonly restore?: string;
  readonly human?: boolean;
}

async function versions(context: Context, [text = '']: readonly string[], options: VersionsOptions): Promise<void> {
  const { signal } = context;
  const state = versioningOf(options);
  if (state !== undefined) {
    const address = parseBucket(text);
    await context.client(address).buckets.update(address.bucket, { versioning: state }, { signal });
    context.succeed();
    return context.result(
      { bucket: address.bucket, versioning: state },
      `versioning of ${formatRemote(address.bucket, '', address.profile)} is ${state}`,
    );
  }
  if (options.restore !== undefined) {
    const address = parseObject(text);
    const key = plainKey(address);
    const info = await context
      .client(address)
      .copy({ bucket: address.bucket, key, versionId: options.restore }, address.bucket, key, { signal });
    context.succeed();
    return context.result(
      { action: 'restore', ...info },
      `version ${options.restore} is the newest again, as version ${info.versionId}`,
    );
  }
  const address = parseRemote(text);
  if (address.bucket === '') throw new UsageError('the address names no bucket');
  const selection = hasWildcard(address.key) ? selectionOf(address.key, false) : undefined;
  const prefix = selection?.prefix ?? unescapePattern(address.key);
  for await (const entry of context.client(address).versions(address.bucket, { prefix, signal })) {
    if (entry.kind !== 'version' || selection?.matches(entry.key) === false) continue;
    await context.result(...versionRow(entry, options.human));
  }
  context.succeed();
}

interface PresignOptions extends CommonOptions {
  readonly put?: boolean;
  readonly expires: string;
  readonly versionId?: string;
  readonly download?: string | true;
  readonly contentType?: string;
}

async function presign(context: Context, addresses: readonly string[], options: PresignOptions): Promise<void> {
  const expiresIn = parseDuration(options.expires);
  if (expiresIn < 1 || expiresIn > limits.presignSecondsMax)
    throw new UsageError(`--expires ${options.expires}: a URL can live from one second to seven days`);
  for (const text of addresses) {
    const address = parseObject(text);
    const key = plainKey(address);
    const client = context.client(address);
    const shared = { expiresIn, contentType: options.contentType };
    const name = options.download === true ? key.slice(key.lastIndexOf('/') + 1) : options.download;
    const contentDisposition =
      name === undefined ? undefined : `attachment; filename*=UTF-8''${encodeURIComponent(name)}`;
    const url = options.put
      ? await client.presignPut(address.bucket, key, shared)
      : await client.presignGet(address.bucket, key, { ...shared, versionId: options.versionId, contentDisposition });
    const expiresAt = new Date(context.host.clock.now() + expiresIn * 1000);
    context.succeed();
    await context.result({ method: options.put ? 'PUT' : 'GET', url, expiresAt }, url);
    context.note(
      `valid until ${formatTime(expiresAt)}${options.put ? `; use it as: curl -T FILE '${url.slice(0, 40)}…'` : ''}`,
    );
  }
}

export function addAnnotateCommands(program: Command, run: Run): void {
  clientCommand(program, 'tag <address> [name=value...]', 'show or change tags of an object or a bucket')
    .option('--remove <name>', 'remove a tag; may be repeated', collect)
    .option('--clear', 'remove all tags first')
    .option('--version-id <id>', 'an older version')
    .action(run(tag));
  clientCommand(program, 'versions <address>', 'list versions, or say whether a bucket keeps them')
    .option('-H, --human', 'sizes in KiB, MiB, GiB')
    .option('--enable', 'keep old versions in this bucket from now on')
    .option('--suspend', 'stop keeping them; those that exist stay')
    .option('--restore <id>', 'make an old version the newest again')
    .action(run(versions));
  clientCommand(program, 'presign <address...>', 'a URL with which anybody can read or write an object')
    .option('--put', 'for writing instead of reading')
    .option('-e, --expires <duration>', 'life of the URL, 7d at most', '1h')
    .option('--download [name]', 'browsers save it, under this name')
    .option('--content-type <type>', 'type of the answer, or with --put of the upload')
    .option('--version-id <id>', 'an older version')
    .action(run(presign));
}
