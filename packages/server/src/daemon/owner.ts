import path from 'node:path';
import { adoptDevice, DeviceRefused, fileVolume } from '../device/index.ts';
import { type DamageReport, stripeOf } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { FragmentOwner, OpenFragmentOwner } from '../fragments/index.ts';
import type { Host } from '../host/index.ts';
import { bucketKeys, type Keyring, KeyringError, openKeyring } from '../keys/index.ts';
import { openKv, type SharedKv } from '../kv/index.ts';
import { type Log, openEmbeddedLog } from '../log/index.ts';
import { type Metadata, openMetadata, type Proposer } from '../metadata/index.ts';
import { dropBallast } from './ballast.ts';
import { ConfigError } from './config.ts';
import { type DataDirectories, openDataDirectories } from './directories.ts';
import { type IndexEvent, openIndex } from './indexes.ts';
import { Layout } from './layout.ts';
import type { DeviceSite } from './sites.ts';
import { MetadataSpace, pendingBytesOf } from './space.ts';
import { openThread, type Thread } from './thread.ts';

/** Everything that only the owner's thread holds: the log, the replica, the indexes of the devices, the keyring. */
export interface Owner {
  readonly directories: DataDirectories;
  readonly sites: readonly DeviceSite[];
  readonly keyring: Keyring;
  readonly kv: SharedKv;
  readonly log: Log;
  readonly metadata: Metadata;
  /** What requests propose through: refuses what adds when there is no room for it. */
  readonly proposer: Proposer;
  readonly space: MetadataSpace;
  readonly fragments: ReadonlyMap<string, OpenFragmentOwner>;
  /** This thread's own object service, for background jobs. */
  readonly thread: Thread;
  readonly layout: Layout;
  /** Devices of placement groups that are not here. */
  readonly missing: readonly string[];
  fragmentOwner(device: string): FragmentOwner;
  /** Checkpoints everything and closes it, in order. */
  close(): Promise<void>;
}

export interface OwnerOptions {
  readonly data: readonly string[];
  readonly host: Host;
  /** Whether empty directories become a new store; otherwise they are refused. */
  readonly create: boolean;
  readonly onDamage: (report: DamageReport) => void;
  /** A stripe was written without this copy. */
  readonly onMissed?: (stripe: Buffer, group: number, copy: number) => void;
  /** An index was lost, and is made anew. */
  readonly onIndex: (event: IndexEvent) => void;
  /** Data directories among `data` whose index is to be made anew although it can be read. */
  readonly rebuild?: readonly string[];
  /** Read cache of this thread. */
  readonly cacheBytes: number;
  /** New objects are not encrypted. */
  readonly plain?: boolean;
}

/** Copies of a stripe by default: two when they can lie on different devices. */
export const defaultCopies = (devices: number): number => Math.min(2, devices);

/**
 * Opens the store: recovers the KV and the indexes, replays the log, defines placement groups for new devices.
 * @throws ConfigError, KeyringError, DeviceRefused: each says what to do
 */
export async function openOwner(options: OwnerOptions): Promise<Owner> {
  const { data, host, create, onDamage, onIndex, cacheBytes } = options;
  const rebuild = new Set(options.rebuild?.map((one) => path.resolve(one)));
  const directories = openDataDirectories(data, host.entropy, create);
  for (const one of rebuild)
    if (!directories.all.some((directory) => directory.path === one))
      throw new ConfigError(`${one} is not among --data: give all directories of the store, and this one too`);
  for (const one of directories.all) dropBallast(one.path);
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (let step = closers.pop(); step; step = closers.pop()) await step();
  };
  try {
    // First of all: with another keyring nothing that the store holds could be opened.
    const keyring = await openKeyring({
      volume: fileVolume(directories.keys),
      host,
      create: directories.fresh,
      ...(directories.keyring !== undefined && { expected: directories.keyring }),
    }).catch((cause: unknown) => {
      throw cause instanceof KeyringError ? new ConfigError(cause.message, { cause }) : cause;
    });
    if (directories.fresh) directories.record(keyring.fingerprint);
    const sites: DeviceSite[] = [];
    for (const directory of directories.all) {
      const folder = path.join(directory.path, 'device');
      try {
        const adopted = await adoptDevice(fileVolume(folder), {
          store: directories.store,
          create: directory.fresh,
          host,
        });
        closers.push(() => adopted.release());
        sites.push({ identity: adopted.identity, folder });
      } catch (cause) {
        if (cause instanceof DeviceRefused)
          throw new ConfigError(`the device in ${folder} was refused: ${cause.message}`, { cause });
        throw cause;
      }
    }
    const log = await openEmbeddedLog({ volume: fileVolume(directories.log, { syncHere: true }), host });
    closers.push(() => log.close());
    const kv = await openKv({ directory: directories.kv, host });
    closers.push(() => kv.close());
    const metadata = await openMetadata({ log, kv, host, shard: 0, pendingBytes: pendingBytesOf(directories.kv) });
    closers.push(() => metadata.close());
    await checkKeyring(keyring, metadata, host);
    if (!directories.fresh) directories.record(keyring.fingerprint);

    const space = new MetadataSpace(directories.kv, kv, log, host.clock);
    const proposer = space.guard(metadata);

    const fragments = new Map<string, OpenFragmentOwner>();
    for (const site of sites) {
      const opened = await openIndex(site, {
        host,
        owned: (id) => metadata.reader.stripeOwner(stripeOf(id)) !== undefined,
        rebuild: rebuild.has(path.dirname(site.folder)),
        onIndex,
      });
      closers.push(() => opened.close());
      fragments.set(site.identity.device, opened.owner);
    }
    const fragmentOwner = (device: string): FragmentOwner => {
      const owner = fragments.get(device);
      if (!owner) throw new Error(`no device ${device} is open here`);
      return owner;
    };
    const layout = new Layout(metadata, sites);
    const missing = await layout.start();
    const thread = await openThread({
      host,
      kv,
      sites,
      proposer,
      fragmentOwner,
      keyService: keyring,
      plain: options.plain === true,
      cacheBytes,
      onDamage,
      layOut: (redundancy) => layout.layOut(redundancy),
      ...(options.onMissed && { onMissed: options.onMissed }),
    });
    closers.push(() => thread.close());
    return {
      directories,
      sites,
      keyring,
      kv,
      log,
      metadata,
      proposer,
      space,
      fragments,
      thread,
      layout,
      missing,
      fragmentOwner,
      close,
    };
  } catch (cause) {
    await close().catch(() => {});
    throw cause;
  }
}

/** A keyring of another store opens like the right one, and then nothing that it should open: one bucket tells. */
async function checkKeyring(keyring: Keyring, metadata: Metadata, host: Host): Promise<void> {
  const [bucket] = metadata.reader.buckets('', 1).items;
  if (!bucket) return;
  try {
    await bucketKeys(keyring, host.entropy).open(bucket.name, bucket.wrappedKey);
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    throw new ConfigError(
      `the keyring (${keyring.identity}) does not open bucket "${bucket.name}" and belongs to another store: put your backup of this store's keys/keyring back and start again`,
      { cause },
    );
  }
}
