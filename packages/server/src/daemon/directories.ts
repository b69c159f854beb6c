import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { isSpaceExhausted, randomUuid } from '../device/index.ts';
import type { Entropy } from '../host/index.ts';
import { limits } from '../limits.ts';
import { ConfigError } from './config.ts';
import { decodeIdentity, type Identity, identityFile, writeIdentity } from './identity.ts';

export interface DataDirectory {
  readonly path: string;
  readonly primary: boolean;
  /** True when it becomes a part of the store by this start, or by an earlier one that never got further than that. */
  readonly fresh: boolean;
}

export interface DataDirectories {
  /** UUID, made at the first start. */
  readonly store: string;
  /** True as long as the store cannot hold anything: at its first start, or after one that broke off. */
  readonly fresh: boolean;
  /** Fingerprint of the keyring that the store was last opened with; undefined when it is new, or was last opened by a version that kept none. */
  readonly keyring: string | undefined;
  readonly all: readonly DataDirectory[];
  /** Folders below the primary directory. */
  readonly log: string;
  readonly kv: string;
  readonly keys: string;
  /** Small files that only save work, such as the place of the scrub. */
  readonly state: string;
  /** Writes the identity files that are missing, and the fingerprint of the store's keyring where another one or none stands. */
  record(keyring: string): void;
}

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
  const { blocks, bsize } = statfsSync(there);
  // Some file systems do not tell their size.
  if (blocks === 0 || blocks * bsize >= limits.diskBytesMin) return;
  const mebibytes = (bytes: number) => Math.floor(bytes / 1024 / 1024);
  throw new ConfigError(
    `the disk of the data directory ${directory} has ${mebibytes(blocks * bsize)} MiB, and a store needs at least ${mebibytes(limits.diskBytesMin)} MiB: give a --data directory on a larger one`,
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
  readonly primaryPath: string;
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
  const primaries = known.filter(({ identity }) => identity?.primary);
  if (existing !== undefined && primaries.length !== 1)
    throw new ConfigError(
      'the directory that holds metadata and keys is not among --data: give all directories of the store',
    );
  const [primary] = primaries;
  return {
    store: existing,
    known,
    primaryPath: primary?.directory ?? full[0]!,
    keyring: primary?.identity?.keyring,
  };
}

/**
 * Finds out whether the directories are a new store, a known one, or not ours; new empty ones join, with `record`. Refuses anything else, as {@link lookAtDirectories} does.
 * @param create whether empty directories may become a new store
 * @throws ConfigError saying what to do
 */
export function openDataDirectories(paths: readonly string[], entropy: Entropy, create: boolean): DataDirectories {
  const { store: existing, known, primaryPath, keyring } = lookAtDirectories(paths);
  if (existing === undefined && !create)
    throw new ConfigError(
      `there is no store in ${known.map(({ directory }) => directory).join(', ')}: give the --data directories that the server is started with`,
    );
  const store = existing ?? randomUuid(entropy.bytes(16));
  const log = path.join(primaryPath, 'metadata/log');
  // The log comes after keyring and devices: until it has a file, the first start has not got through.
  const fresh = !existsSync(log) || allowed(log, () => readdirSync(log)).length === 0;
  for (const { directory, identity } of known) if (identity === undefined) checkSize(directory);
  const all = known.map(({ directory, identity }): DataDirectory => {
    makeDirectory(directory);
    return { path: directory, primary: directory === primaryPath, fresh: fresh || identity === undefined };
  });
  const folders = {
    log,
    kv: path.join(primaryPath, 'metadata/kv'),
    keys: path.join(primaryPath, 'keys'),
    state: path.join(primaryPath, 'metadata/state'),
  };
  for (const folder of [...Object.values(folders), ...all.map((one) => path.join(one.path, 'device'))])
    makeDirectory(folder);
  return { store, fresh, keyring, all, ...folders, record: (current) => recordAll(known, primaryPath, store, current) };
}

/** The primary comes first: a first start that breaks off behind it finds the store again, and the other directories, still empty, join. */
function recordAll(known: readonly Known[], primaryPath: string, store: string, keyring: string): void {
  const primaryFirst = [...known].sort(
    (a, b) => Number(b.directory === primaryPath) - Number(a.directory === primaryPath),
  );
  for (const { directory, identity } of primaryFirst) {
    const primary = directory === primaryPath;
    if (identity && (!primary || identity.keyring === keyring)) continue;
    try {
      allowed(directory, () => writeIdentity(directory, { store, primary, keyring: primary ? keyring : undefined }));
    } catch (cause) {
      // A full disk must not keep a store from starting that is known already: the next start writes it.
      if (!identity || !isSpaceExhausted(cause)) throw cause;
    }
  }
}
