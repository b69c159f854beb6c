import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { DeviceRefused, fileVolume, readDeviceIdentity } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { KeyringError, openKeyring } from '../keys/index.ts';
import { checkKvFile } from '../kv/index.ts';
import { asideFolder } from './aside.ts';
import { ConfigError } from './config.ts';
import { type FoundDirectories, folders, lookAtDirectories } from './directories.ts';
import { lookAtLogs } from './pair.ts';
import { indexFolder } from './sites.ts';

/** One thing that was looked at. */
export interface Examined {
  readonly test: string;
  readonly outcome: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  readonly advice?: string;
}

/**
 * Looks at the data directories of a store for what keeps a server from starting, or makes its next start a long one. Opens nothing for writing, and
 * may look while a server runs.
 */
export async function* examineDirectories(data: readonly string[]): AsyncGenerator<Examined> {
  let found: FoundDirectories;
  try {
    found = lookAtDirectories(data);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    yield { test: 'directories', outcome: 'failed', detail: cause.message };
    return;
  }
  const { store, known } = found;
  if (store === undefined) {
    const detail = `no store is in ${known.map(({ directory }) => directory).join(', ')}`;
    yield {
      test: 'directories',
      outcome: 'failed',
      detail,
      advice: 'Give the directories that the server is started with.',
    };
    return;
  }
  yield { test: 'directories', outcome: 'ok', detail: `${known.length} of store ${store}` };
  yield await examineKeyring(found);
  // The log of a node is in etcd.
  if (!found.holders.some((one) => existsSync(path.join(one, 'cluster/node')))) yield await examineLogs(found);
  for (const { directory, identity } of known) {
    if (identity) {
      yield* examineDevice(directory, store);
      for (const folder of databasesOf(directory)) yield* examineDatabase(folder);
    } else
      yield {
        test: 'device',
        outcome: 'warning',
        detail: `${directory} is empty`,
        advice: 'The next start adds it to the store. Is the right disk mounted?',
      };
  }
}

/** Folders of a data directory that hold a database: the metadata, of all shards of a node, and the fragment index. */
export function databasesOf(directory: string): string[] {
  const metadata = path.join(directory, 'metadata');
  const states = existsSync(metadata) ? readdirSync(metadata).filter((name) => /^kv(-\d+)?$/.test(name)) : [];
  return [...states.map((name) => path.join(metadata, name)), indexFolder(path.join(directory, 'device'))].filter(
    (folder) => existsSync(path.join(folder, 'checkpoint')),
  );
}

/** Whether the file of a database hangs together. One that cannot be opened at all is put aside by the next start, as the others are. */
async function* examineDatabase(folder: string): AsyncGenerator<Examined> {
  const isIndex = path.basename(folder) === 'index';
  const test = isIndex ? 'index' : 'metadata';
  try {
    await checkKvFile(folder);
    if (!isIndex) yield { test, outcome: 'ok', detail: `${folder}: the file hangs together` };
  } catch (cause) {
    if (!(cause instanceof CorruptionError)) throw cause;
    const advice = isIndex
      ? '`dsom fsck --data DIR …` makes it anew from the slabs.'
      : '`dsom fsck --data DIR …` makes the metadata anew, from another data directory or from the log. Where neither has what that takes, copy away what can be read, and restore metadata/ from a backup.';
    yield { test, outcome: 'failed', detail: cause.message, advice };
  }
}

async function examineKeyring({ holders, keyring: expected }: FoundDirectories): Promise<Examined> {
  const all = holders.map(folders.keys);
  const there = all.filter((folder) => existsSync(folder)).map((folder) => fileVolume(folder));
  const test = 'keyring';
  try {
    const [volume, ...copies] = there;
    if (!volume)
      throw new KeyringError(`There is no ${all.join(' nor ')}. Put your backup of keys/keyring back and start again.`);
    const keyring = await openKeyring({
      volume,
      copies,
      host: realHost(),
      create: false,
      ...(expected !== undefined && { expected }),
    });
    const { fingerprint } = keyring;
    const detail = `${keyring.identity}, ${Number.parseInt(fingerprint, 10)} ${fingerprint.startsWith('1-') ? 'key' : 'keys'}`;
    if (expected !== undefined) return { test, outcome: 'ok', detail: `${detail}: the one of this store` };
    const advice = 'The next start tries it on what the store holds, and remembers it.';
    return {
      test,
      outcome: 'warning',
      detail: `${detail}; the store does not say yet which keyring is its own`,
      advice,
    };
  } catch (cause) {
    if (!(cause instanceof KeyringError)) throw cause;
    return { test, outcome: 'failed', detail: cause.message };
  }
}

/** What a start would say of the log. */
async function examineLogs({ holders }: FoundDirectories): Promise<Examined> {
  const test = 'log';
  let before: string | undefined;
  while (true)
    try {
      const newest = await lookAtLogs(holders);
      return { test, outcome: 'ok', detail: folders.log(newest) };
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      // A server that runs writes meanwhile: what is damaged is so at the next look.
      if (cause.message === before) return { test, outcome: 'failed', detail: cause.message };
      before = cause.message;
    }
}

async function* examineDevice(directory: string, store: string): AsyncGenerator<Examined> {
  const folder = path.join(directory, 'device');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const slabs = names.filter((name) => name.startsWith('slab-'));
  if (!names.includes('identity')) {
    const detail = slabs.length > 0 ? `${folder} has slabs and no identity file` : `there is no device in ${folder}`;
    const advice =
      slabs.length > 0 ? 'Restore device/identity from a backup.' : 'Mount the right disk, or restore the directory.';
    yield { test: 'device', outcome: 'failed', detail, advice };
    return;
  }
  const test = 'device';
  try {
    const identity = await readDeviceIdentity(fileVolume(folder));
    if (identity && identity.store !== store) {
      const advice = "Put each device's directory back in its place.";
      yield { test, outcome: 'failed', detail: `${folder} belongs to another store, ${identity.store}`, advice };
      return;
    }
  } catch (cause) {
    if (!(cause instanceof DeviceRefused)) throw cause;
    yield { test, outcome: 'failed', detail: `${folder}: ${cause.message}` };
    return;
  }
  const bytes = slabs.reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
  yield { test: 'device', outcome: 'ok', detail: `${folder}, ${slabs.length} slabs` };
  const index = indexFolder(folder);
  const files = existsSync(index) ? readdirSync(index) : [];
  const missing = ['data.mdb', 'checkpoint'].filter((name) => !files.includes(name));
  if (missing.length > 0 && slabs.length > 0) {
    const advice = `The next start makes it anew from the slabs: it reads all of them (${(bytes / 1024 ** 3).toFixed(1)} GiB) before it serves. One from a backup is older than the slabs, and no help.`;
    yield { test: 'index', outcome: 'warning', detail: `${index}: ${missing.join(' and ')} missing`, advice };
  } else yield { test: 'index', outcome: 'ok', detail: index };
  const aside = asideFolder(index);
  if (existsSync(aside)) {
    const advice = 'Delete it once `dsom fsck` finds nothing.';
    yield { test: 'index', outcome: 'warning', detail: `one that could not be used was put aside as ${aside}`, advice };
  }
}
