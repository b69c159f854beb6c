/* What `cp` and `mv` have to do, one transfer at a time, as listings and folders bring it. */
import path from 'node:path';
import { type Address, formatRemote, type LocalAddress, type RemoteAddress } from './address.ts';
import type { Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { hasWildcard, unescapePattern } from './glob.ts';
import { lookAt, partSuffix, pathBelow, walk } from './local.ts';
import { expand, folderPrefix, type RemoteItem, selectionOf } from './remote.ts';
import { copy, download, type RemoteTarget, type Transfer, type TransferSettings, upload } from './transfer.ts';

export interface PlanOptions {
  readonly recursive: boolean;
  readonly versionId: string | undefined;
  readonly passes: (relative: string) => boolean;
}

/** A target, and whether names are put below it or it is the name itself. */
type Target =
  | { readonly kind: 'remote'; readonly address: RemoteAddress; readonly key: string; readonly folder: boolean }
  | { readonly kind: 'local'; readonly path: string; readonly folder: boolean }
  | { readonly kind: 'pipe' };

function targetOf(address: Address, several: boolean): Target {
  if (address.kind === 'pipe') return address;
  if (address.kind === 'remote') {
    if (address.bucket === '') throw new UsageError('the target names no bucket: write s3://BUCKET/KEY');
    if (hasWildcard(address.key)) throw new UsageError('the target must have no wildcards');
    const key = unescapePattern(address.key);
    const folder = several || key === '' || key.endsWith('/');
    return { kind: 'remote', address, key: folder ? folderPrefix(key) : key, folder };
  }
  const found = lookAt(address.path);
  if (several && found && !found.isDirectory())
    throw new CommandError(exitCode.conflict, `${address.path} is a file, and several things are to be put there`);
  return {
    kind: 'local',
    path: address.path,
    folder: several || found?.isDirectory() === true || /[/\\]$/.test(address.path),
  };
}

const remoteTarget = (
  context: Context,
  target: Extract<Target, { kind: 'remote' }>,
  relative: string,
): RemoteTarget => ({
  client: context.client(target.address),
  bucket: target.address.bucket,
  key: target.folder ? `${target.key}${relative}` : target.key,
});

function uploading(
  context: Context,
  target: Extract<Target, { kind: 'remote' }>,
  file:
    | {
        readonly path: string;
        readonly relative: string;
        readonly size: number | undefined;
        readonly modifiedMs: number;
      }
    | undefined,
  settings: TransferSettings,
): Transfer {
  const to = remoteTarget(context, target, file?.relative ?? '');
  const given = file && { path: file.path, regular: file.size !== undefined, modifiedMs: file.modifiedMs };
  return {
    action: 'upload',
    source: file?.path ?? '-',
    target: formatRemote(to.bucket, to.key, target.address.profile),
    size: file?.size,
    run: (onBytes) => upload(context, given, to, settings, onBytes),
  };
}

async function* fromLocal(
  context: Context,
  source: LocalAddress,
  target: Target,
  options: PlanOptions,
  settings: TransferSettings,
): AsyncGenerator<Transfer> {
  if (target.kind !== 'remote')
    throw new UsageError(`neither ${source.path} nor the target is at a server: write s3://BUCKET/KEY`);
  const found = lookAt(source.path);
  if (!found)
    throw new CommandError(exitCode.notFound, 'no such file or folder here', 'Objects are written s3://BUCKET/KEY.');
  if (!found.isDirectory()) {
    const size = found.isFile() ? found.size : undefined;
    yield uploading(
      context,
      target,
      { path: source.path, relative: path.basename(source.path), size, modifiedMs: found.mtimeMs },
      settings,
    );
    return;
  }
  if (!options.recursive)
    throw new CommandError(exitCode.usage, `${source.path} is a folder`, 'Add -r to copy what is in it.');
  const skipped = (file: string, why: string) => context.warn(`${file} is left out: ${why}`);
  for await (const item of walk(source.path, skipped))
    if (!item.path.endsWith(partSuffix) && options.passes(item.relative))
      yield uploading(context, target, item, settings);
}

function downloading(
  context: Context,
  from: RemoteAddress,
  item: RemoteItem,
  target: Extract<Target, { kind: 'local' }>,
  options: PlanOptions,
  settings: TransferSettings,
): Transfer {
  const client = context.client(from);
  const source = { bucket: from.bucket, ...item, versionId: options.versionId };
  return {
    action: 'download',
    source: formatRemote(from.bucket, item.key, from.profile),
    target: target.folder ? path.join(target.path, item.relative) : target.path,
    size: item.size,
    async run(onBytes) {
      // Here and not while planning, so that one key that no file can have does not end the listing.
      const file = target.folder ? pathBelow(target.path, item.relative) : target.path;
      if (settings.noClobber && lookAt(file)) return undefined;
      return download(context, client, source, file, settings, onBytes);
    },
  };
}

function writing(context: Context, from: RemoteAddress, item: RemoteItem, options: PlanOptions): Transfer {
  return {
    action: 'download',
    source: formatRemote(from.bucket, item.key, from.profile),
    target: '-',
    size: item.size,
    async run(onBytes) {
      const got = await context
        .client(from)
        .get(from.bucket, item.key, { versionId: options.versionId, signal: context.signal });
      for await (const chunk of got.body as unknown as AsyncIterable<Uint8Array>) {
        await context.write(chunk);
        onBytes(chunk.length);
      }
      return undefined;
    },
  };
}

async function* fromRemote(
  context: Context,
  source: RemoteAddress,
  target: Target,
  options: PlanOptions,
  settings: TransferSettings,
): AsyncGenerator<Transfer> {
  const client = context.client(source);
  const many = options.recursive || hasWildcard(source.key);
  if (options.versionId !== undefined && many)
    throw new UsageError('--version-id names one version of one object: no wildcards, no -r');
  const sourcePrefix = selectionOf(source.key, options.recursive).prefix;
  for await (const listed of sourceItems(context, source, options)) {
    if (many && (!options.passes(listed.relative) || listed.relative === '')) continue;
    if (target.kind === 'pipe') yield writing(context, source, listed, options);
    else if (target.kind === 'local') {
      // A key with a slash at its end is how some tools mark a folder.
      if (!(many && listed.key.endsWith('/'))) yield downloading(context, source, listed, target, options, settings);
    } else {
      const to = remoteTarget(context, target, listed.relative);
      const sameStore = client === to.client && source.bucket === to.bucket;
      // What this very command puts below its own source must not be taken for more of it.
      if (sameStore && many && target.key.startsWith(sourcePrefix) && listed.key.startsWith(target.key)) continue;
      yield {
        action: 'copy',
        source: formatRemote(source.bucket, listed.key, source.profile),
        target: formatRemote(to.bucket, to.key, target.address.profile),
        size: listed.size,
        run: (onBytes) =>
          copy(
            context,
            client,
            { bucket: source.bucket, ...listed, versionId: options.versionId },
            to,
            settings,
            onBytes,
          ),
      };
    }
  }
}

async function* sourceItems(context: Context, source: RemoteAddress, options: PlanOptions): AsyncGenerator<RemoteItem> {
  if (options.versionId === undefined) return yield* expand(context, source, options.recursive);
  const key = unescapePattern(source.key);
  const { size, etag, modifiedAt } = await context
    .client(source)
    .head(source.bucket, key, { versionId: options.versionId, signal: context.signal });
  yield { key, size, etag, modifiedAt, relative: key.slice(key.lastIndexOf('/') + 1) };
}

/** All transfers from the sources to the target. A source that cannot be read is counted as failed, and the others go on. */
export async function* planTransfers(
  context: Context,
  sources: readonly Address[],
  target: Address,
  options: PlanOptions,
  settings: TransferSettings,
): AsyncGenerator<Transfer> {
  const several =
    sources.length > 1 || options.recursive || sources.some((one) => one.kind === 'remote' && hasWildcard(one.key));
  const to = targetOf(target, several && !isOneFile(sources));
  for (const source of sources) {
    const shown =
      source.kind === 'remote'
        ? formatRemote(source.bucket, source.key, source.profile)
        : source.kind === 'local'
          ? source.path
          : '-';
    try {
      if (source.kind === 'pipe') {
        if (to.kind !== 'remote')
          throw new UsageError('what comes through the pipe can only be put at a server: write s3://BUCKET/KEY');
        if (to.folder)
          throw new UsageError('what comes through the pipe has no name: write the whole key of the target');
        yield uploading(context, to, undefined, settings);
      } else if (source.kind === 'local') yield* fromLocal(context, source, to, options, settings);
      else yield* fromRemote(context, source, to, options, settings);
    } catch (cause) {
      if (cause instanceof UsageError) throw cause;
      context.fail(shown, cause);
    }
  }
}

/** `cp -r FILE TARGET` is `cp FILE TARGET`. */
function isOneFile(sources: readonly Address[]): boolean {
  const [only] = sources;
  return sources.length === 1 && only?.kind === 'local' && lookAt(only.path)?.isDirectory() === false;
}
