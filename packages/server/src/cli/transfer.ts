/*
 * One file or object on its way from one place to another, and running many of them. A transfer is planned first (plan.ts for cp and mv, sync.ts),
 * so that --dry-run shows exactly what would run.
 */
import { rm } from 'node:fs/promises';
import { type DsomClient, DsomError, partSizeFor } from '@dsom/sdk';
import type { Context } from './context.ts';
import { downloadFile, type RemoteSource } from './download.ts';
import { CommandError, exitCode } from './exit.ts';
import { printable } from './format.ts';
import { forEachParallel } from './pool.ts';
import { Progress } from './progress.ts';
import { type UploadSettings, uploadFile, uploadStream } from './upload.ts';

/** What is done, for messages. */
type TransferAction = 'upload' | 'download' | 'copy' | 'delete';

export interface Transfer {
  readonly action: TransferAction;
  /** As they are shown. */
  readonly source: string;
  readonly target: string;
  /** Bytes; undefined for a stream. */
  readonly size: number | undefined;
  /** Does it, and answers what more is to be told of it; undefined when it turned out that nothing was to be done. */
  run(onBytes: (bytes: number) => void): Promise<Readonly<Record<string, unknown>> | undefined>;
}

/** Settings of one command that moves bytes. */
export interface TransferSettings extends UploadSettings {
  readonly parallel: number;
  readonly dryRun: boolean;
  readonly verbose: boolean;
  readonly noClobber: boolean;
  readonly preserve: boolean;
  /** Delete the source afterwards. */
  readonly move: boolean;
}

export interface RemoteTarget {
  readonly client: DsomClient;
  readonly bucket: string;
  readonly key: string;
}

/** Whether nothing is there; asked before bytes are sent for nothing, and again by the server when it matters. */
async function isFree(context: Context, { client, bucket, key }: RemoteTarget): Promise<boolean> {
  try {
    await client.head(bucket, key, { signal: context.signal });
    return false;
  } catch (cause) {
    if (cause instanceof DsomError && cause.status === 404) return true;
    throw cause;
  }
}

const isTaken = (cause: unknown) => cause instanceof DsomError && cause.code === 'PreconditionFailed';

/** Sends a file (or, without one, what comes through the pipe). */
export async function upload(
  context: Context,
  file: { readonly path: string; readonly regular: boolean; readonly modifiedMs: number } | undefined,
  target: RemoteTarget,
  settings: TransferSettings,
  onBytes: (bytes: number) => void,
): Promise<Record<string, unknown> | undefined> {
  const { client, bucket, key } = target;
  if (settings.noClobber && !(await isFree(context, target))) return undefined;
  // The name and form that other tools use, too: seconds since 1970 with a fraction.
  const metadata =
    settings.preserve && file
      ? { mtime: String(file.modifiedMs / 1000), ...settings.description.metadata }
      : settings.description.metadata;
  const own = { ...settings, description: { ...settings.description, metadata }, ifAbsent: settings.noClobber };
  try {
    const { size, etag, versionId } = file?.regular
      ? await uploadFile(context, client, file.path, bucket, key, own, onBytes)
      : await uploadStream(context, client, file?.path, bucket, key, own, onBytes);
    if (settings.move && file) await rm(file.path);
    return { size, etag, versionId };
  } catch (cause) {
    if (settings.noClobber && isTaken(cause)) return undefined;
    throw cause;
  }
}

export async function download(
  context: Context,
  client: DsomClient,
  source: RemoteSource,
  target: string,
  settings: TransferSettings,
  onBytes: (bytes: number) => void,
): Promise<Record<string, unknown>> {
  await downloadFile(context, client, source, target, settings, onBytes);
  await removeSource(context, client, source, settings);
  return { size: source.size, etag: source.etag };
}

/** Copies on the server where one server has both, else through this machine. */
export async function copy(
  context: Context,
  from: DsomClient,
  source: RemoteSource,
  target: RemoteTarget,
  settings: TransferSettings,
  onBytes: (bytes: number) => void,
): Promise<Record<string, unknown> | undefined> {
  const { client, bucket, key } = target;
  const { signal } = context;
  if (from === client && source.bucket === bucket && source.key === key && settings.move)
    throw new CommandError(exitCode.usage, 'source and target are the same object');
  if (settings.noClobber && !(await isFree(context, target))) return undefined;
  const { metadata, tags, storageClass, ...headers } = settings.description;
  let result: { readonly etag: string; readonly versionId: string | undefined };
  if (from === client) {
    const { key: sourceKey, versionId } = source;
    result = await client.copy({ bucket: source.bucket, key: sourceKey, versionId }, bucket, key, {
      metadata,
      tags,
      ...(Object.keys(headers).length > 0 && { headers }),
      ...(storageClass !== undefined && { storageClass }),
      ifAbsent: settings.noClobber,
      signal,
    });
    onBytes(source.size);
  } else {
    const version = { versionId: source.versionId, signal };
    // From HEAD, since a GET hides the encoding so that nothing undoes it on the way.
    const {
      contentType,
      contentEncoding,
      contentDisposition,
      contentLanguage,
      cacheControl,
      expires,
      metadata: kept,
    } = await from.head(source.bucket, source.key, { ...version, ifMatch: source.etag });
    const got = await from.get(source.bucket, source.key, { ...version, ifMatch: source.etag });
    let told = 0;
    result = await client.put(bucket, key, got.body, {
      contentType,
      contentEncoding,
      contentDisposition,
      contentLanguage,
      cacheControl,
      expires,
      metadata: kept,
      tags: await from.tags(source.bucket, source.key, version),
      ...settings.description,
      ifAbsent: settings.noClobber,
      partSize: partSizeFor(source.size, settings.partSize),
      signal,
      onProgress({ loaded }) {
        onBytes(loaded - told);
        told = loaded;
      },
    });
  }
  await removeSource(context, from, source, settings);
  return { size: source.size, etag: result.etag, versionId: result.versionId };
}

async function removeSource(
  context: Context,
  client: DsomClient,
  { bucket, key, etag }: RemoteSource,
  { move }: TransferSettings,
): Promise<void> {
  if (!move) return;
  try {
    await client.delete(bucket, key, { ifMatch: etag, signal: context.signal });
  } catch (cause) {
    if (!isTaken(cause)) throw cause;
    throw new CommandError(exitCode.conflict, 'it was copied, but is kept: somebody replaced it meanwhile');
  }
}

/** Runs transfers, several at a time, with progress; failures are counted, and the rest goes on. */
export async function runTransfers(
  context: Context,
  transfers: AsyncIterable<Transfer>,
  settings: TransferSettings,
): Promise<void> {
  const progress = new Progress(context);
  const startedAt = context.host.clock.monotonic();
  if (!settings.dryRun) await progress.start();
  const tell = (transfer: Transfer, more: Readonly<Record<string, unknown>>) => {
    const { action, source, target } = transfer;
    const words =
      action === 'delete' ? `${action} ${printable(target)}` : `${action} ${printable(source)} -> ${printable(target)}`;
    const text = settings.verbose || settings.dryRun ? [settings.dryRun ? `would ${words}` : words] : [];
    return context.result(
      { action, source, target, ...(settings.dryRun && { dryRun: true, size: transfer.size }), ...more },
      text,
    );
  };
  try {
    await forEachParallel(transfers, settings.parallel, async (transfer) => {
      if (settings.dryRun) return tell(transfer, {});
      progress.expect(transfer.size);
      let sent = 0;
      try {
        const more = await transfer.run((bytes) => {
          sent += bytes;
          progress.advance(bytes);
        });
        context.succeed();
        progress.finishFile();
        if (more) await tell(transfer, more);
      } catch (cause) {
        progress.advance(-sent);
        context.fail(transfer.source === '' ? transfer.target : transfer.source, cause);
      }
    });
  } finally {
    progress.stop();
  }
  if (context.interactive && !settings.dryRun)
    context.note(progress.summary((context.host.clock.monotonic() - startedAt) / 1000));
}
