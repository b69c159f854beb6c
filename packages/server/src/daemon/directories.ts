import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { isSpaceExhausted, randomUuid, roomOf } from '../device/index.ts';
import type { Entropy } from '../host/index.ts';
import { limits } from '../limits.ts';
import { ConfigError } from './config.ts';
import { decodeIdentity, type Identity, identityFile, type Role, writeIdentity } from './identity.ts';

export interface DataDirectory {
  readonly path: string;
  /** What it was at the last start; undefined when it holds nothing of ours yet. */
  readonly role: Role | undefined;
  /** True when it becomes a part of the store by this start, or by an earlier one that never got further than that. */
  readonly fresh: boolean;
}

/** Which directories hold the metadata. */
export interface Roles {
  readonly primary: string;
  readonly mirror: string | undefined;
}

export interface DataDirectories {
  /** UUID, made at the first start. */
  readonly store: string;
  /** True as long as the store cannot hold anything: at its first start, or after one that broke off. */
  readonly fresh: boolean;
  /** Fingerprint of the keyring that the store was last opened with; undefined when it is new, or was last opened by a version that kept none. */
  readonly keyring: string | undefined;
  readonly all: readonly DataDirectory[];
  /** Those of them that hold the log and the keyring, or held them; in a new store the first one. Never empty. */
  readonly holders: readonly DataDirectory[];
  /** Writes the identity files that say something else, or are missing. */
  record(roles: Roles, keyring: string): void;
}

/** Folders for metadata below a data directory. */
export const folders = {
  log: (directory: string): string => path.join(directory, 'metadata/log'),
  kv: (directory: string): string => path.join(directory, 'metadata/kv'),
  /** Small files that only save work, such as the place of the scrub. */
  state: (directory: string): string => path.join(directory, 'metadata/state'),
  snapshot: (directory: string): string => path.join(directory, 'metadata/snapshot'),
  keys: (directory: string): string => path.join(directory, 'keys'),
  /** What a node of a cluster keeps for itself. */
  cluster: (directory: string): string => path.join(directory, 'cluster'),
} as const;

/** The errors of parsers go over many lines. */
const reasonOf = (cause: unknown): string =>
  cause instanceof z.ZodError || cause instanceof SyntaxError ? 'it is torn or was changed' : (cause as Error).message;

function readIdentity(directory: string): Identity | undefined {
  const file = identityFile(directory);
  const bytes = allowed(directory, () => (existsSync(file) ? readFileSync(file, 'utf8') : undefined));
  if (bytes === undefined) return undefined;
  try {
    return decodeIdentity(bytes);
  } catch (cause) {
    throw new ConfigError(
      `${file} is not an identity file this version can read (${reasonOf(cause)}). Restore it from a backup, or take the directory off --data.`,
      { cause },
    );
  }
}

/** What the operating system forbids is the operator's to mend. */
function allowed<Result>(directory: string, look: () => Result): Result {
  try {
    return look();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw cause;
    throw new ConfigError(
      `the data directory ${directory} may not be used by this user: ${message}. Start the server as the user that it belongs to, or change its owner (chown -R).`,
      { cause },
    );
  }
}

/** A new store, or a new directory of one, needs a disk on which its log and its indexes leave room for objects. */
function checkSize(directory: string): void {
  let there = directory;
  while (!existsSync(there)) there = path.dirname(there);
  const { total } = roomOf(there);
  // Some file systems do not tell their size.
  if (total === 0 || total >= limits.diskBytesMin) return;
  const mebibytes = (bytes: number) => Math.floor(bytes / 1024 / 1024);
  throw new ConfigError(
    `the disk of the data directory ${directory} has ${mebibytes(total)} MiB, and a store needs at least ${mebibytes(limits.diskBytesMin)} MiB: give a --data directory on a larger one`,
  );
}

function makeDirectory(directory: string): void {
  // One by one: on file systems that make no directories, such as /proc, the recursive form never ends.
  const missing: string[] = [];
  for (let at = directory; !existsSync(at); at = path.dirname(at)) missing.unshift(at);
  try {
    for (const one of missing) mkdirSync(one, { mode: 0o700 });
  } catch (cause) {
    throw new ConfigError(
      `the data directory ${directory} cannot be made: ${(cause as Error).message}. Make it yourself, or give another --data.`,
      { cause },
    );
  }
}

/** What a first start that was interrupted may have left. */
const ownNames = new Set([
  'identity',
  'identity.new',
  'device',
  'metadata',
  'cluster',
  'keys',
  'ballast',
  'ballast.new',
  'lost+found',
]);

interface Known {
  readonly directory: string;
  /** Undefined: it holds nothing of ours. */
  readonly identity: Identity | undefined;
}

/** What directories say of themselves. */
export interface FoundDirectories {
  /** UUID; undefined when no directory belongs to a store yet. */
  readonly store: string | undefined;
  readonly known: readonly Known[];
  /** Those that hold the log and the keyring, the primary first; in a new store the first one. */
  readonly holders: readonly string[];
  /** Fingerprint of the store's keyring, when it is remembered. */
  readonly keyring: string | undefined;
}

/**
 * Finds out whether the directories are a store, can become one, or are not ours, changing nothing.
 * @throws ConfigError saying what to do
 */
export function lookAtDirectories(paths: readonly string[]): FoundDirectories {
  const full = paths.map((one) => path.resolve(one));
  if (new Set(full).size !== full.length) throw new ConfigError('--data names the same directory twice');
  const known = full.map((directory) => ({ directory, identity: readIdentity(directory) }));
  for (const { directory, identity } of known) {
    if (identity || !existsSync(directory)) continue;
    if (!allowed(directory, () => statSync(directory)).isDirectory())
      throw new ConfigError(`the data directory ${directory} is a file: give a directory, or a name that is free`);
    const foreign = allowed(directory, () => readdirSync(directory)).find((name) => !ownNames.has(name));
    if (foreign !== undefined)
      throw new ConfigError(
        `the data directory ${directory} holds "${foreign}" and is not a DSOM directory: give an empty one`,
      );
  }
  const stores = new Set(known.flatMap(({ identity }) => identity?.store ?? []));
  if (stores.size > 1)
    throw new ConfigError(
      `the data directories belong to ${stores.size} different stores: start each store with its own directories`,
    );
  const [existing] = stores;
  const holding = (['primary', 'mirror'] as const).flatMap((role) =>
    known.filter(({ identity }) => identity?.role === role),
  );
  if (existing !== undefined && holding.length === 0)
    throw new ConfigError(
      'neither the directory that holds metadata and keys nor its mirror is among --data: give all directories of the store',
    );
  const fingerprints = holding.flatMap(({ identity }) => identity?.keyring ?? []);
  // One that was remembered in one directory only is of a newer rotation.
  const keyring = fingerprints.toSorted((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0];
  const holders = holding.length > 0 ? holding.map(({ directory }) => directory) : [full[0]!];
  return { store: existing, known, holders, keyring };
}

/** Whether a directory has anything that a store writes once it has a log. */
const holdsMetadata = (directory: string): boolean =>
  [folders.log(directory), folders.kv(directory), folders.snapshot(directory)].some(
    (folder) => existsSync(folder) && allowed(folder, () => readdirSync(folder)).length > 0,
  );

/** Whether a device has what is made once there is a log: its index, or space for bytes. */
const holdsBytes = (directory: string): boolean => {
  const folder = path.join(directory, 'device');
  return (
    existsSync(folder) &&
    allowed(folder, () => readdirSync(folder)).some((name) => name === 'index' || name.startsWith('slab-'))
  );
};

/**
 * Finds out whether the directories are a new store, a known one, or not ours; new empty ones join, with `record`. Refuses anything else, as {@link lookAtDirectories} does.
 * @param create whether empty directories may become a new store
 * @param joined UUID of the store that they become a part of, when it is known
 * @throws ConfigError saying what to do
 */
export function openDataDirectories(
  paths: readonly string[],
  entropy: Entropy,
  create: boolean,
  joined?: string,
): DataDirectories {
  const { store: existing, known, holders, keyring } = lookAtDirectories(paths);
  if (existing === undefined && !create)
    throw new ConfigError(
      `there is no store in ${known.map(({ directory }) => directory).join(', ')}: give the --data directories that the server is started with`,
    );
  if (existing !== undefined && joined !== undefined && existing !== joined)
    throw new ConfigError(
      `the data directories belong to store ${existing}, and the cluster is store ${joined}: give empty directories`,
    );
  const store = existing ?? joined ?? randomUuid(entropy.bytes(16));
  // The log comes after keyring and devices: until it has a file, the first start has not got through. A node of a cluster has its log elsewhere,
  // and says what it is. Where a device has been written to there was a log, and one that is gone is not begun anew.
  const fresh =
    !holders.some((holder) => holdsMetadata(holder) || existsSync(path.join(folders.cluster(holder), 'node'))) &&
    !known.some(({ directory, identity }) => identity !== undefined && holdsBytes(directory));
  for (const { directory, identity } of known) if (identity === undefined) checkSize(directory);
  const all = known.map(({ directory, identity }): DataDirectory => {
    makeDirectory(directory);
    return { path: directory, role: identity?.role, fresh: fresh || identity === undefined };
  });
  for (const one of all) makeDirectory(path.join(one.path, 'device'));
  return {
    store,
    fresh,
    keyring,
    all,
    holders: holders.map((holder) => all.find((one) => one.path === holder)!),
    record: (roles, current) => recordAll(known, roles, store, current),
  };
}

/** The primary comes first: a first start that breaks off behind it finds the store again, and the other directories, still empty, join. */
function recordAll(known: readonly Known[], { primary, mirror }: Roles, store: string, keyring: string): void {
  const rank = (directory: string) => (directory === primary ? 0 : directory === mirror ? 1 : 2);
  for (const { directory, identity } of known.toSorted((a, b) => rank(a.directory) - rank(b.directory))) {
    const role = (['primary', 'mirror', 'member'] as const)[rank(directory)]!;
    const fingerprint = role === 'member' ? undefined : keyring;
    if (identity?.role === role && identity.keyring === fingerprint) continue;
    try {
      allowed(directory, () => writeIdentity(directory, { store, role, keyring: fingerprint }));
    } catch (cause) {
      // A full disk must not keep a store from starting that is known already: the next start writes it.
      if (!identity || !isSpaceExhausted(cause)) throw cause;
    }
  }
}
