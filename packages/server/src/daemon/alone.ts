import { existsSync } from 'node:fs';
import { fileVolume } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { KeyringError } from '../keys/index.ts';
import { KvDamaged, openKv } from '../kv/index.ts';
import type { Log, Position } from '../log/index.ts';
import { openMetadataReader } from '../metadata/index.ts';
import { closeAll, writing } from './closing.ts';
import { ConfigError } from './config.ts';
import { folders } from './directories.ts';
import { openLogs } from './pair.ts';
import type { OpenShard, ShardParts } from './shard.ts';
import { StateSnapshots } from './snapshots.ts';
import { openState } from './state.ts';

/** The shard of a server that is alone: a log on one or two of its own directories, and the one replica of it. */
export async function openOwnShard(parts: ShardParts): Promise<OpenShard & { readonly log: Log }> {
  const { directories, keyring, host, onMetadata } = parts;
  const closers: (() => Promise<unknown>)[] = [];
  const close = () => closeAll(closers);
  try {
    const { roles, mirrored } = await openLogs(directories, host, onMetadata);
    const { log } = mirrored;
    closers.push(writing('the seal of the log', () => log.close()));
    const holding = [roles.primary, ...(roles.mirror === undefined ? [] : [roles.mirror])];
    await keyring.keepIn(holding.map((one) => fileVolume(folders.keys(one)))).catch(refusedKeyring);
    // Only now: a directory is trusted with a role when it has what belongs to it.
    if (directories.fresh) directories.record(roles, keyring.fingerprint);
    if (directories.all.find((one) => one.path === roles.primary)?.role === 'mirror')
      onMetadata({ state: 'promoted', directory: roles.primary });
    const snapshots = await StateSnapshots.open({
      roles,
      log,
      host,
      mirrored: () => mirrored.lost() === undefined,
    });
    const { kv, metadata, rebuilt } = await openState({
      host,
      log,
      kv: folders.kv(roles.primary),
      snapshots: directories.holders.map((one) => folders.snapshot(one.path)),
      trimmable: (covered) => snapshots.trimmable(covered),
      onEvent: onMetadata,
    });
    closers.push(writing('a checkpoint of the metadata', () => kv.close()));
    closers.push(() => metadata.close());
    return {
      kv,
      kvs: [{ kv, directory: folders.kv(roles.primary) }],
      log,
      metadata,
      roles,
      rebuilt,
      snapshots,
      mirror: () => ({ lost: mirrored.lost(), whole: snapshots.restorable, damaged: mirrored.damaged() }),
      cluster: undefined,
      start() {
        snapshots.start(metadata, kv, parts.onSnapshotFailure);
        closers.push(() => snapshots.stop());
      },
      close,
    };
  } catch (cause) {
    await close();
    throw cause;
  }
}

export function refusedKeyring(cause: unknown): never {
  throw cause instanceof KeyringError ? new ConfigError(cause.message, { cause }) : cause;
}

/** Where a log ends, and the hash that speaks for all of it. */
export interface LogEnd {
  readonly position: Position;
  readonly hash: Buffer;
}

/**
 * Brings the state of a server that was alone to the end of its log, so that another log can go on from there. Undefined: it has no log, or an
 * empty one, or the state is beyond it: another log has gone on already.
 */
export async function endOfOwnLog(parts: ShardParts): Promise<LogEnd | undefined> {
  const { directories } = parts;
  if (directories.fresh || !directories.holders.some((one) => existsSync(folders.log(one.path)))) return undefined;
  if (await isBeyondOwnLog(parts)) return undefined;
  const shard = await openOwnShard(parts);
  try {
    await shard.metadata.checkpoint();
    return await endOf(shard.log);
  } finally {
    await shard.close();
  }
}

/** Whether the state holds entries that its own log does not have. A state that cannot be read is made anew from the log, and so is not. */
async function isBeyondOwnLog({ directories, host, onMetadata }: ShardParts): Promise<boolean> {
  const { roles, mirrored } = await openLogs(directories, host, onMetadata);
  const { head } = mirrored.log;
  await mirrored.log.close();
  const directory = folders.kv(roles.primary);
  if (!existsSync(directory)) return false;
  try {
    const kv = await openKv({ directory, host });
    try {
      return openMetadataReader(kv).position() > head;
    } finally {
      await kv.close();
    }
  } catch (cause) {
    if (cause instanceof CorruptionError || cause instanceof KvDamaged) return false;
    throw cause;
  }
}

async function endOf(log: Pick<Log, 'head' | 'read'>): Promise<LogEnd | undefined> {
  let end: LogEnd | undefined;
  if (log.head > 0)
    for await (const { position, hash } of log.read(log.head)) end = { position, hash: Buffer.from(hash) };
  return end;
}
