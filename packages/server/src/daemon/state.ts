import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileVolume } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { checkKvFile, KvDamaged, type KvLook, openKv, type SharedKv } from '../kv/index.ts';
import type { Log } from '../log/index.ts';
import {
  findSnapshot,
  type Metadata,
  openMetadata,
  ReplicaError,
  restoreSnapshot,
  type StoredSnapshot,
} from '../metadata/index.ts';
import { putAside } from './aside.ts';
import { ConfigError } from './config.ts';
import { pendingBytesOf } from './space.ts';

/*
 * The state: the KV of the primary directory, and the shard over it. It is derived: a snapshot and the log behind it give it again. So a KV that
 * is gone, does not open, or does not fit the log is put aside and made anew, by itself and loudly. A log that lacks entries which the KV
 * has applied is another matter: then something acknowledged is lost, and the start is refused.
 */

/** What happens to the state at a start, for the operator. */
export type StateEvent =
  /** A store that has a log has no KV. */
  | { readonly state: 'missing'; readonly directory: string }
  | { readonly state: 'put aside'; readonly reason: string; readonly kept: string | undefined }
  | { readonly state: 'restoring'; readonly position: number; readonly bytes: number; readonly bytesInAll: number }
  | { readonly state: 'replaying'; readonly from: number; readonly to: number }
  | { readonly state: 'snapshot refused'; readonly position: number; readonly reason: string }
  | { readonly state: 'rebuilt'; readonly position: number }
  /** Lives before this one ended without order, so the structure of the file is read first. */
  | ({ readonly state: 'looking' } & KvLook)
  /** Its file contradicts itself, and there is nothing to make it anew from. */
  | { readonly state: 'opened as it is'; readonly directory: string; readonly reason: string; readonly advice: string };

/** What to do where a damaged state was opened as it is. @param whole what a backup of would cure it */
export const salvage = (whole: string): string =>
  `Much of it can be read still: copy what you need to another place at once, then restore ${whole} from a backup. A read that meets the damage may find nothing where there is something, or end the process`;

export interface StateOptions {
  readonly host: Host;
  readonly log: Log;
  /** Folder of the KV. */
  readonly kv: string;
  /** Folders that may hold a snapshot. */
  readonly snapshots: readonly string[];
  readonly trimmable: (covered: number) => number;
  readonly onEvent: (event: StateEvent) => void;
}

export interface OpenState {
  readonly kv: SharedKv;
  readonly metadata: Metadata;
  /** Why it was made anew by this start, and what from; undefined when it was not. */
  readonly rebuilt: string | undefined;
}

const missingText = (directory: string): string => `there was none in ${directory}`;

/** @param snapshot undefined: the log was enough */
const madeFrom = (reason: string, snapshot: StoredSnapshot | undefined): string =>
  snapshot
    ? `${reason}; it comes from the snapshot of position ${snapshot.position} and the log behind it`
    : `${reason}; it comes from the log, which goes back to the first entry`;

/** Bytes of a snapshot between two lines about its progress. */
const progressBytes = 64 * 1024 * 1024;

/** Whether another state made from a snapshot and the log would do. */
const isDerived = (cause: unknown): cause is ReplicaError =>
  cause instanceof ReplicaError && (cause.kind === 'diverged' || cause.kind === 'behind');

/** @throws ConfigError when the state cannot be used, nor made anew */
export async function openState(options: StateOptions): Promise<OpenState> {
  const { kv: directory, log, onEvent } = options;
  const existed = existsSync(path.join(directory, 'data.mdb'));
  // The log has all of a store that is as small or as young as that.
  const isMissing = !existed && log.head > 0;
  if (isMissing) onEvent({ state: 'missing', directory });
  try {
    const opened = await open(options);
    if (!isMissing) return { ...opened, rebuilt: undefined };
    onEvent({ state: 'rebuilt', position: log.head });
    return { ...opened, rebuilt: madeFrom(missingText(directory), undefined) };
  } catch (cause) {
    if (cause instanceof ReplicaError && cause.kind === 'unknown') throw new ConfigError(cause.message, { cause });
    // What else is damaged is the log.
    if (cause instanceof CorruptionError && !(cause instanceof ReplicaError))
      throw new ConfigError(
        `what the log has beyond the metadata in ${options.kv} cannot be read, from any directory that is given: ${cause.message}. Give all directories of the store, or restore metadata/ from a backup`,
        { cause },
      );
    if (!isDerived(cause)) throw cause;
    const snapshots = await usable(options);
    return (
      (snapshots.length === 0 && log.tail > 1 && (await openedAsItIs(options, cause))) ||
      rebuild(options, snapshots, cause, existed)
    );
  }
}

/** A state that only the look at its structure refused, and that nothing else has; undefined when it does not open. */
async function openedAsItIs(options: StateOptions, damage: ReplicaError): Promise<OpenState | undefined> {
  if (!(damage.cause instanceof KvDamaged)) return undefined;
  try {
    const opened = await open(options, undefined, true);
    const { kv: directory } = options;
    options.onEvent({ state: 'opened as it is', directory, reason: damage.message, advice: salvage('metadata/') });
    return { ...opened, rebuilt: undefined };
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    return undefined;
  }
}

/** @param fill brings an empty KV to the state of a snapshot @param asItIs although its file contradicts itself */
async function open(
  { host, log, kv: directory, trimmable, onEvent }: StateOptions,
  fill?: (kv: SharedKv) => Promise<unknown>,
  asItIs = false,
): Promise<{ readonly kv: SharedKv; readonly metadata: Metadata }> {
  const onLook = (look: KvLook) => onEvent({ state: 'looking', ...look });
  const kv = await openKv({ directory, host, asItIs, onLook }).catch((cause: unknown) => {
    throw cause instanceof CorruptionError ? new ReplicaError('diverged', cause.message, cause) : cause;
  });
  try {
    await fill?.(kv);
    const metadata = await openMetadata({
      log,
      kv,
      host,
      shard: 0,
      pendingBytes: pendingBytesOf(directory),
      trimmable,
    });
    return { kv, metadata };
  } catch (cause) {
    await kv.close().catch(() => {});
    const damage = cause instanceof KvDamaged ? cause : asItIs ? undefined : await damageBehind(cause, directory);
    throw damage ? new ReplicaError('diverged', damage.message, damage) : cause;
  }
}

/** Rows from a damaged page can be anything, and so can be what fails over them. */
async function damageBehind(cause: unknown, directory: string): Promise<KvDamaged | undefined> {
  if (cause instanceof CorruptionError || cause instanceof StoreError) return undefined;
  try {
    await checkKvFile(directory);
  } catch (damage) {
    if (damage instanceof KvDamaged) return damage;
  }
  return undefined;
}

/** Snapshots from which the log goes on, the newest first. */
async function usable({ snapshots, log }: StateOptions): Promise<StoredSnapshot[]> {
  const found: StoredSnapshot[] = [];
  for (const folder of snapshots) {
    const one = existsSync(folder) ? await findSnapshot(fileVolume(folder)) : undefined;
    if (one && one.position >= log.tail - 1 && one.position <= log.head) found.push(one);
  }
  return found.sort((a, b) => b.position - a.position);
}

async function rebuild(
  options: StateOptions,
  snapshots: readonly StoredSnapshot[],
  damage: ReplicaError,
  existed: boolean,
): Promise<OpenState> {
  const { log, kv: directory, onEvent } = options;
  const reason = existed ? damage.message : missingText(directory);
  if (snapshots.length === 0 && log.tail > 1) {
    // What is no state stands in the way of one that is put back.
    if (!existed) rmSync(directory, { recursive: true, force: true });
    throw new ConfigError(
      `the metadata in ${directory} cannot be used (${reason}), and cannot be made anew: the log begins at position ${log.tail}, and there is no snapshot of the state behind it. ` +
        'A second data directory would hold one: give all directories of the store, or restore metadata/ from a backup',
      { cause: damage },
    );
  }
  if (existed) onEvent({ state: 'put aside', reason, kept: putAside(directory) });
  let refused: unknown = damage;
  for (const snapshot of [...snapshots, ...(log.tail === 1 ? [undefined] : [])]) {
    rmSync(directory, { recursive: true, force: true });
    try {
      const opened = await open(options, async (kv) => {
        if (snapshot) await restoreSnapshot(kv, withProgress(snapshot, onEvent));
        onEvent({ state: 'replaying', from: snapshot?.position ?? 0, to: log.head });
      });
      onEvent({ state: 'rebuilt', position: log.head });
      return { ...opened, rebuilt: madeFrom(reason, snapshot) };
    } catch (cause) {
      if (!(cause instanceof CorruptionError)) throw cause;
      refused = cause;
      if (snapshot) onEvent({ state: 'snapshot refused', position: snapshot.position, reason: cause.message });
    }
  }
  rmSync(directory, { recursive: true, force: true });
  throw new ConfigError(
    `the metadata in ${directory} cannot be used (${reason}), and could not be made anew: ${(refused as Error).message}. Restore metadata/ from a backup`,
    { cause: refused },
  );
}

async function* withProgress(snapshot: StoredSnapshot, onEvent: StateOptions['onEvent']): AsyncGenerator<Buffer> {
  const { position, bytes: bytesInAll } = snapshot;
  let bytes = 0;
  let told = Number.NEGATIVE_INFINITY;
  for await (const chunk of snapshot.read()) {
    if (bytes - told >= progressBytes) {
      told = bytes;
      onEvent({ state: 'restoring', position, bytes, bytesInAll });
    }
    bytes += chunk.length;
    yield chunk;
  }
  onEvent({ state: 'restoring', position, bytes, bytesInAll });
}
