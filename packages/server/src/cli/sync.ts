/*
 * `sync` makes the target equal to the source. Both are walked in the order of their keys, side by side, so that memory does not grow with their size.
 *
 * What counts as equal, when the sizes are:
 *   upload    the object is not older than the file
 *   download  the file has the object's time (a download sets it)
 *   copy      the ETags are equal
 * Where times differ, the ETag is compared with the file's MD5 before any byte travels. With --checksum it is always compared.
 */
import { unlink, utimes } from 'node:fs/promises';
import path from 'node:path';
import { compareKeys } from '@dsom/sdk';
import type { Command } from 'commander';
import {
  type Address,
  addressHelp,
  formatRemote,
  type LocalAddress,
  parseAddress,
  type RemoteAddress,
} from './address.ts';
import { clientCommand, type Run } from './command.ts';
import type { Context } from './context.ts';
import { addTransferOptions, type TransferOptions, transferSettings } from './copy.ts';
import { matchesEtag } from './digest.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { filterOf, hasWildcard, unescapePattern } from './glob.ts';
import { lookAt, partSuffix, pathBelow, walk } from './local.ts';
import { expand, folderPrefix } from './remote.ts';
import { copy, download, runTransfers, type Transfer, type TransferSettings, upload } from './transfer.ts';

interface SyncOptions extends TransferOptions {
  readonly delete?: boolean;
  readonly checksum?: boolean;
  readonly sizeOnly?: boolean;
}

/** A file or object on one side. */
interface Entry {
  readonly relative: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** Objects only. */
  readonly etag: string | undefined;
  readonly modifiedAt: Date | undefined;
}

/** One side: where it is, and what is there. */
type Side =
  | { readonly kind: 'local'; readonly root: string; entries(): AsyncIterable<Entry> }
  | {
      readonly kind: 'remote';
      readonly address: RemoteAddress;
      readonly prefix: string;
      entries(): AsyncIterable<Entry>;
    };

function localSide(context: Context, { path: root }: LocalAddress, isSource: boolean): Side {
  const found = lookAt(root);
  if (isSource && !found) throw new CommandError(exitCode.notFound, `${root} does not exist`);
  if (found && !found.isDirectory())
    throw new UsageError(`${root} is not a folder: sync works on folders, cp on files`);
  const skipped = (file: string, why: string) => context.warn(`${file} is left out: ${why}`);
  return {
    kind: 'local',
    root,
    async *entries() {
      if (!found) return;
      for await (const { relative, size, modifiedMs } of walk(root, skipped))
        if (!relative.endsWith(partSuffix))
          yield { relative, size, modifiedMs, etag: undefined, modifiedAt: undefined };
    },
  };
}

function remoteSide(context: Context, address: RemoteAddress): Side {
  if (address.bucket === '') throw new UsageError('the address names no bucket: write s3://BUCKET');
  if (hasWildcard(address.key)) throw new UsageError('sync takes no wildcards: use --include and --exclude');
  return {
    kind: 'remote',
    address,
    prefix: folderPrefix(unescapePattern(address.key)),
    async *entries() {
      for await (const { relative, size, etag, modifiedAt } of expand(context, address, true)) {
        // A key with a slash at its end is how some tools mark a folder.
        if (relative !== '' && !relative.endsWith('/'))
          yield { relative, size, etag, modifiedAt, modifiedMs: modifiedAt?.getTime() ?? 0 };
      }
    },
  };
}

function sideOf(context: Context, address: Address, isSource: boolean): Side {
  if (address.kind === 'pipe') throw new UsageError('sync works on folders, not on pipes');
  return address.kind === 'local' ? localSide(context, address, isSource) : remoteSide(context, address);
}

/** What is on either side or on both, in key order. */
async function* sideBySide(
  source: AsyncIterable<Entry>,
  target: AsyncIterable<Entry>,
): AsyncGenerator<readonly [Entry | undefined, Entry | undefined]> {
  const left = source[Symbol.asyncIterator]();
  const right = target[Symbol.asyncIterator]();
  let [a, b] = await Promise.all([left.next(), right.next()]);
  while (!a.done || !b.done) {
    const order = a.done ? 1 : b.done ? -1 : compareKeys(a.value.relative, b.value.relative);
    yield [order <= 0 ? (a.value as Entry) : undefined, order >= 0 ? (b.value as Entry) : undefined];
    [a, b] = await Promise.all([order <= 0 ? left.next() : a, order >= 0 ? right.next() : b]);
  }
}

/** File systems keep times more coarsely than servers tell them. */
const coarseMs = 2;

interface Sync {
  readonly context: Context;
  readonly source: Side;
  readonly target: Side;
  readonly options: SyncOptions;
  readonly settings: TransferSettings;
}

/** Whether a file has an object's bytes, as far as the ETag tells. */
const sameBytes = async (sync: Sync, root: string, object: Entry): Promise<boolean> =>
  (await matchesEtag(pathBelow(root, object.relative), object.size, object.etag ?? '', sync.settings.partSize)) ===
  true;

async function isEqual(sync: Sync, from: Entry, to: Entry): Promise<boolean> {
  const { source, target, options } = sync;
  if (from.size !== to.size) return false;
  if (options.sizeOnly) return true;
  if (source.kind === 'remote' && target.kind === 'remote') return from.etag === to.etag;
  if (source.kind === 'local') {
    if (!options.checksum && from.modifiedMs <= to.modifiedMs) return true;
    return sameBytes(sync, source.root, to);
  }
  if (target.kind === 'remote') return false;
  if (!options.checksum && Math.abs(from.modifiedMs - to.modifiedMs) <= coarseMs) return true;
  if (!(await sameBytes(sync, target.root, from))) return false;
  // Next time the times are equal.
  if (from.modifiedAt && !options.dryRun)
    await utimes(pathBelow(target.root, to.relative), from.modifiedAt, from.modifiedAt);
  return true;
}

const shown = (side: Side, relative: string) =>
  side.kind === 'local'
    ? path.join(side.root, relative)
    : formatRemote(side.address.bucket, `${side.prefix}${relative}`, side.address.profile);

function transferring({ context, source, target, settings }: Sync, from: Entry): Transfer {
  const { relative, size } = from;
  const names = { source: shown(source, relative), target: shown(target, relative), size };
  if (source.kind === 'local') {
    if (target.kind === 'local') throw new UsageError('neither side is at a server: write s3://BUCKET');
    const { bucket } = target.address;
    const to = { client: context.client(target.address), bucket, key: `${target.prefix}${relative}` };
    const file = { path: path.join(source.root, relative), regular: true, modifiedMs: from.modifiedMs };
    return { ...names, action: 'upload', run: (onBytes) => upload(context, file, to, settings, onBytes) };
  }
  const client = context.client(source.address);
  const object = {
    bucket: source.address.bucket,
    key: `${source.prefix}${relative}`,
    size,
    etag: from.etag ?? '',
    modifiedAt: from.modifiedAt,
  };
  if (target.kind === 'local')
    return {
      ...names,
      action: 'download',
      run: async (onBytes) => download(context, client, object, pathBelow(target.root, relative), settings, onBytes),
    };
  const to = {
    client: context.client(target.address),
    bucket: target.address.bucket,
    key: `${target.prefix}${relative}`,
  };
  return { ...names, action: 'copy', run: (onBytes) => copy(context, client, object, to, settings, onBytes) };
}

function deleting({ context, target }: Sync, { relative }: Entry): Transfer {
  return {
    action: 'delete',
    source: '',
    target: shown(target, relative),
    size: 0,
    async run() {
      if (target.kind === 'local') await unlink(pathBelow(target.root, relative));
      else
        await context
          .client(target.address)
          .delete(target.address.bucket, `${target.prefix}${relative}`, { signal: context.signal });
      return {};
    },
  };
}

async function* planSync(sync: Sync): AsyncGenerator<Transfer> {
  const { options, source, target } = sync;
  const passes = filterOf(options.filter ?? []);
  for await (const [from, to] of sideBySide(source.entries(), target.entries())) {
    if (!passes((from ?? to)!.relative)) continue;
    if (!from) {
      if (options.delete) yield deleting(sync, to!);
      continue;
    }
    let equal = false;
    try {
      equal = to !== undefined && (await isEqual(sync, from, to));
    } catch (cause) {
      sync.context.fail(shown(source, from.relative), cause);
      continue;
    }
    if (!equal) yield transferring(sync, from);
  }
}

async function synchronise(
  context: Context,
  [from = '', to = '']: readonly string[],
  options: SyncOptions,
): Promise<void> {
  const source = sideOf(context, parseAddress(from), true);
  const target = sideOf(context, parseAddress(to), false);
  if (source.kind === 'local' && target.kind === 'local')
    throw new UsageError('neither side is at a server: write s3://BUCKET');
  if (source.kind === 'remote' && target.kind === 'remote') {
    const same =
      context.client(source.address) === context.client(target.address) &&
      source.address.bucket === target.address.bucket;
    if (same && (source.prefix.startsWith(target.prefix) || target.prefix.startsWith(source.prefix)))
      throw new UsageError('one side is inside the other');
  }
  const settings = transferSettings(options);
  await runTransfers(context, planSync({ context, source, target, options, settings }), settings);
}

const rules = `
Equal means: equal size, and for uploads the object is not older than the file, for downloads the file has the object's time, for copies equal ETags.
Where times differ, MD5 and ETag are compared before anything is sent. --delete spares what --exclude leaves out.

${addressHelp}`;

export function addSyncCommand(program: Command, run: Run): void {
  addTransferOptions(clientCommand(program, 'sync <source> <target>', 'make the target equal to the source'))
    .option('--delete', 'delete at the target what the source does not have')
    .option('--checksum', 'always compare MD5 and ETag, never trust times')
    .option('--size-only', 'compare sizes only')
    .addHelpText('after', rules)
    .action(run<SyncOptions>(synchronise));
}
