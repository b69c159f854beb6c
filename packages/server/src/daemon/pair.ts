import { existsSync } from 'node:fs';
import { fileVolume } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { LogCopies, type LogSide, LogsApart, type MirrorEvent, type MirroredLog } from '../log/index.ts';
import { ConfigError } from './config.ts';
import { type DataDirectories, type DataDirectory, folders, type Roles } from './directories.ts';

/*
 * Which directories hold the metadata, and their log.
 *
 * With two directories or more, two hold it: the primary has log, KV and keyring; the mirror has log, a snapshot of the state and keyring. The
 * roles are those of the last start as far as their directories are here. A directory takes a place that is empty: the one whose log is the
 * newest that of the primary; the first one that is new, else the first other one, that of the mirror.
 */

/** Where a mirror would come from when there is none: a new directory is meant to take the place of one that is gone. */
function successor({ all, holders }: DataDirectories): DataDirectory | undefined {
  const others = all.filter((one) => !holders.includes(one));
  return others.find(({ role }) => role === undefined) ?? others[0];
}

/** @param newest the holder whose log is the newest; undefined in a new store */
function chooseRoles(directories: DataDirectories, newest: string | undefined): Roles {
  const { holders } = directories;
  const primaries = holders.filter(({ role }) => role === 'primary');
  const primary = (primaries.length === 1 ? primaries[0]?.path : newest) ?? (holders[0] as DataDirectory).path;
  const rest = holders.filter(({ path }) => path !== primary);
  const mirror = rest.find(({ path }) => path === newest) ?? rest[0] ?? successor(directories);
  return { primary, mirror: mirror?.path };
}

export interface OpenLogs {
  readonly roles: Roles;
  readonly mirrored: MirroredLog;
}

/** @throws ConfigError when the copies contradict each other, or none is left */
async function findCopies(holders: readonly LogSide[], others: readonly LogSide[], fresh: boolean): Promise<LogCopies> {
  try {
    const copies = await LogCopies.examine(holders, others);
    if (copies.newest !== undefined || fresh) return copies;
    await copies.close();
    throw gone(holders.map(({ name }) => name));
  } catch (cause) {
    throw refused(cause);
  }
}

const gone = (holders: readonly string[]): ConfigError =>
  new ConfigError(
    `the log of this store is gone from ${holders.map(folders.log).join(' and ')}: give the directory that holds the other copy of it, or restore metadata/ from a backup`,
  );

function refused(cause: unknown): unknown {
  if (cause instanceof LogsApart) return new ConfigError(cause.message, { cause });
  if (!(cause instanceof CorruptionError)) return cause;
  return new ConfigError(
    `${cause.message}. Give all directories of the store, or restore metadata/ from a backup: what was acknowledged behind that place is nowhere else`,
    { cause },
  );
}

/**
 * Looks at the ends of the logs, where a start looks, and changes nothing.
 * @param holders directories that hold the log @returns which of them is the log
 * @throws ConfigError as a start would
 */
export async function lookAtLogs(holders: readonly string[]): Promise<string> {
  // A volume makes its folder, and nothing is to be made here.
  const there = holders.filter((name) => existsSync(folders.log(name)));
  if (there.length === 0) throw gone(holders);
  const copies = await findCopies(
    there.map((name) => ({ name, volume: fileVolume(folders.log(name)) })),
    [],
    false,
  );
  await copies.close();
  return copies.newest as string;
}

/**
 * Finds the log, settles the roles, and makes both copies equal.
 * @throws ConfigError when the copies contradict each other, or none is left
 */
export async function openLogs(
  directories: DataDirectories,
  host: Host,
  onEvent: (event: MirrorEvent) => void,
): Promise<OpenLogs> {
  const side = ({ path }: DataDirectory): LogSide => ({
    name: path,
    // Where there are two, one sync runs on this thread beside that of the other.
    volume: fileVolume(folders.log(path), { syncHere: !mirrors.has(path) }),
  });
  const { holders } = directories;
  // A volume makes its folder: an empty one would stand in the way of the one that is put back.
  if (!directories.fresh && !holders.some(({ path }) => existsSync(folders.log(path))))
    throw gone(holders.map(({ path }) => path));
  const next = holders.length === 1 ? successor(directories) : undefined;
  const mirrors = new Set([...holders.slice(1), ...(next ? [next] : [])].map(({ path }) => path));
  const copies = await findCopies(holders.map(side), next ? [side(next)] : [], directories.fresh);
  const roles = chooseRoles(directories, copies.newest);
  try {
    return { roles, mirrored: await copies.open({ ...roles, host, onEvent }) };
  } catch (cause) {
    throw refused(cause);
  }
}
