import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { randomUuid } from '../device/index.ts';
import type { Entropy } from '../host/index.ts';
import { ConfigError } from './config.ts';

/** `identity` of a data directory, version 1: which store it belongs to, and whether it is the one with metadata and keys. */
const identitySchema = z.strictObject({
  format: z.literal(1),
  store: z.uuid(),
  primary: z.boolean(),
});
type Identity = z.output<typeof identitySchema>;

export interface DataDirectory {
  readonly path: string;
  readonly primary: boolean;
  /** True when this start made it a part of the store. */
  readonly fresh: boolean;
}

export interface DataDirectories {
  /** UUID, made at the first start. */
  readonly store: string;
  /** True at the first start of the store. */
  readonly fresh: boolean;
  readonly all: readonly DataDirectory[];
  /** Folders below the primary directory. */
  readonly log: string;
  readonly kv: string;
  readonly keys: string;
  /** Small files that only save work, such as the place of the scrub. */
  readonly state: string;
}

function readIdentity(directory: string): Identity | undefined {
  const file = path.join(directory, 'identity');
  if (!existsSync(file)) return undefined;
  try {
    return identitySchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new ConfigError(
      `${file} is not an identity file this version can read. Restore it from a backup, or take the directory off --data.`,
      { cause },
    );
  }
}

function writeIdentity(directory: string, identity: Identity): void {
  const file = path.join(directory, 'identity');
  const fd = openSync(`${file}.new`, 'w', 0o600);
  writeSync(fd, `${JSON.stringify(identity)}\n`);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${file}.new`, file);
  const parent = openSync(directory, 'r');
  fsyncSync(parent);
  closeSync(parent);
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ConfigError(
      `the data directory ${directory} cannot be made: ${(cause as Error).message}. Make it yourself, or give another --data.`,
      { cause },
    );
  }
}

/** What a first start that was interrupted may have left. */
const ownNames = new Set(['identity', 'identity.new', 'device', 'metadata', 'keys', 'lost+found']);

/**
 * Finds out whether the directories are a new store, a known one, or not ours; new empty ones join. Refuses anything else, changing nothing.
 * @param create whether empty directories may become a new store
 * @throws ConfigError saying what to do
 */
export function openDataDirectories(paths: readonly string[], entropy: Entropy, create: boolean): DataDirectories {
  const full = paths.map((one) => path.resolve(one));
  if (new Set(full).size !== full.length) throw new ConfigError('--data names the same directory twice');
  const known = full.map((directory) => ({ directory, identity: readIdentity(directory) }));
  for (const { directory, identity } of known) {
    if (identity || !existsSync(directory)) continue;
    const foreign = readdirSync(directory).find((name) => !ownNames.has(name));
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
  if (existing === undefined && !create) throw new ConfigError(`there is no store in ${full.join(', ')}`);
  const primaries = known.filter(({ identity }) => identity?.primary);
  if (existing !== undefined && primaries.length !== 1)
    throw new ConfigError(
      'the directory that holds metadata and keys is not among --data: give all directories of the store',
    );

  const store = existing ?? randomUuid(entropy.bytes(16));
  const all = known.map(({ directory, identity }, index): DataDirectory => {
    makeDirectory(directory);
    const primary = identity?.primary ?? (existing === undefined && index === 0);
    return { path: directory, primary, fresh: identity === undefined };
  });
  const primary = all.find((one) => one.primary)!;
  const folders = {
    log: path.join(primary.path, 'metadata/log'),
    kv: path.join(primary.path, 'metadata/kv'),
    keys: path.join(primary.path, 'keys'),
    state: path.join(primary.path, 'metadata/state'),
  };
  for (const folder of [...Object.values(folders), ...all.map((one) => path.join(one.path, 'device'))])
    makeDirectory(folder);
  // The primary comes last: a first start that breaks off before it begins anew.
  for (const one of [...all].sort((a, b) => Number(a.primary) - Number(b.primary)))
    if (one.fresh) writeIdentity(one.path, { format: 1, store, primary: one.primary });
  return { store, fresh: existing === undefined, all, ...folders };
}
