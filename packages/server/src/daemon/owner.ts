import path from 'node:path';
import { adoptDevice, type Device, DeviceRefused, fileVolume, type Volume } from '../device/index.ts';
import { type CheckedFile, type DamageReport, isExplained, removeStrays, stripeOf } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { FragmentId, FragmentOwner, OpenFragmentOwner } from '../fragments/index.ts';
import type { Host } from '../host/index.ts';
import { bucketKeys, type Keyring, openKeyring } from '../keys/index.ts';
import { type SharedKv, suspectKv } from '../kv/index.ts';
import type { DamagedSegment, MirrorEvent } from '../log/index.ts';
import { type Metadata, masterKeyOf, type Proposer } from '../metadata/index.ts';
import { openOwnShard, refusedKeyring } from './alone.ts';
import { dropBallast } from './ballast.ts';
import { closeAll } from './closing.ts';
import { placementDevices } from './cluster/layout.ts';
import { newStoppedDevices, type StoppedDevices } from './conditions.ts';
import { ConfigError } from './config.ts';
import { type DataDirectories, type DataDirectory, folders, openDataDirectories, type Roles } from './directories.ts';
import { databasesOf } from './examine.ts';
import { type IndexEvent, openIndex } from './indexes.ts';
import { Layout, siteDevices } from './layout.ts';
import type { LostSlabs } from './lost-slabs.ts';
import { sweepReturned } from './returned.ts';
import type { LogState, OpenShard, ShardParts } from './shard.ts';
import { type DeviceSite, indexFolder } from './sites.ts';
import type { StateSnapshots } from './snapshots.ts';
import { MetadataSpace } from './space.ts';
import type { Stage } from './starting.ts';
import type { StateEvent } from './state.ts';
import { openThread, type Thread } from './thread.ts';

/** Everything that only the owner's thread holds: the log, the replica, the indexes of the devices, the keyring. */
export interface Owner {
  readonly directories: DataDirectories;
  readonly roles: Roles;
  /** Whether the metadata would survive the loss of a directory. */
  mirror(): MirrorState;
  readonly snapshots: StateSnapshots | undefined;
  /** Why the state was made anew by this start; undefined when it was not. */
  readonly rebuilt: string | undefined;
  readonly sites: readonly DeviceSite[];
  /** Counts of commits of the fragment index of each device. */
  readonly indexCounts: ReadonlyMap<string, Int32Array>;
  /** Every database that this server has open, for its structure to be looked at. */
  files(): readonly CheckedFile[];
  readonly keyring: Keyring;
  readonly kv: SharedKv;
  /** Of all shards, by number; the first is `kv`. */
  readonly kvs: OpenShard['kvs'];
  readonly log: LogState;
  /** What binds this server to others; undefined where it is alone. */
  readonly cluster: OpenShard['cluster'];
  readonly metadata: Metadata;
  /** What requests propose through: refuses what adds when there is no room for it. */
  readonly proposer: Proposer;
  readonly space: MetadataSpace;
  readonly fragments: ReadonlyMap<string, OpenFragmentOwner>;
  /** For the conditions of every thread's devices. */
  readonly stopped: StoppedDevices;
  /** This thread's own object service, for background jobs. */
  readonly thread: Thread;
  readonly layout: Layout;
  /** Devices of placement groups that are not here. */
  readonly missing: readonly string[];
  /** Slab files that were gone at this start, by device. */
  readonly lostSlabs: ReadonlyMap<string, LostSlabs>;
  fragmentOwner(device: string): FragmentOwner;
  /** Checkpoints everything and closes it, in order. */
  close(): Promise<void>;
}

export interface MirrorState {
  /** The directory of the pair that failed since the start. */
  readonly lost: string | undefined;
  /** Both directories of the pair have the log, and the metadata can be made anew from the mirror alone. */
  readonly whole: boolean;
  /** Segments of the log that reads of this process have found damaged in one of the two, and whole in the other. */
  readonly damaged: readonly DamagedSegment[];
}

/** What happens to the metadata at a start or later, for the operator. */
export type MetadataEvent = MirrorEvent | StateEvent | { readonly state: 'promoted'; readonly directory: string };

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
  /** A copy of the log was made, a directory failed, or the state is made anew. */
  readonly onMetadata: (event: MetadataEvent) => void;
  /** A snapshot of the state could not be made; it is tried again. */
  readonly onSnapshotFailure: (cause: unknown) => void;
  /** What the start does from now on. */
  readonly onStage?: (stage: Stage) => void;
  /** Data directories among `data` whose index is to be made anew although it can be read. */
  readonly rebuild?: readonly string[];
  /** Nobody waits for the opening: it takes the time to look at the structure of all databases. */
  readonly thorough?: boolean;
  /** Read cache of this thread. */
  readonly cacheBytes: number;
  /** New objects are not encrypted. */
  readonly plain?: boolean;
  /** Opens the metadata of a node of a cluster. Absent: this server is alone, and its log is its own. */
  readonly openShard?: (parts: ShardParts) => Promise<OpenShard>;
  /** The store that empty directories become a part of. */
  readonly store?: string | undefined;
}

/** Copies of a stripe by default: two when they can lie on different devices. */
export const defaultCopies = (devices: number): number => Math.min(2, devices);

/**
 * Opens the store: recovers the KV and the indexes, replays the log, defines placement groups for new devices.
 * @throws ConfigError, KeyringError, DeviceRefused: each says what to do
 */
export async function openOwner(options: OwnerOptions): Promise<Owner> {
  const { data, host, create, onDamage, onIndex, onMetadata, cacheBytes } = options;
  const rebuild = new Set(options.rebuild?.map((one) => path.resolve(one)));
  const directories = openDataDirectories(data, host.entropy, create, options.store);
  for (const one of rebuild)
    if (!directories.all.some((directory) => directory.path === one))
      throw new ConfigError(`${one} is not among --data: give all directories of the store, and this one too`);
  for (const one of directories.all) dropBallast(one.path);
  const closers: (() => Promise<unknown>)[] = [];
  const close = () => closeAll(closers);
  try {
    // First of all: with another keyring nothing that the store holds could be opened.
    const [keys, ...copies] = directories.holders.map(({ path: holder }) => fileVolume(folders.keys(holder)));
    const keyring = await openKeyring({
      volume: keys as Volume,
      copies,
      host,
      create: directories.fresh,
      ...(directories.keyring !== undefined && { expected: directories.keyring }),
    }).catch(refusedKeyring);
    if (directories.fresh) {
      const [first] = directories.holders as readonly [DataDirectory];
      directories.record({ primary: first.path, mirror: undefined }, keyring.fingerprint);
    }
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
    const onStage = options.onStage ?? (() => {});
    if (options.thorough)
      for (const one of directories.all) for (const folder of databasesOf(one.path)) suspectKv(folder);
    onStage('the metadata are opened, and what the log has beyond them is applied');
    const shard = await (options.openShard ?? openOwnShard)({
      directories,
      keyring,
      host,
      onMetadata,
      onSnapshotFailure: options.onSnapshotFailure,
      onStage,
    });
    closers.push(() => shard.close());
    const { kv, kvs, log, metadata, cluster, roles, mirror, snapshots, rebuilt } = shard;
    checkMasterKey(keyring, metadata);
    await checkKeyring(keyring, metadata, host);
    if (!directories.fresh || cluster) directories.record(roles, keyring.fingerprint);
    shard.start();

    const space = new MetadataSpace(folders.kv(roles.primary), kv, log, host.clock);
    const proposer = space.guard(metadata);

    const fragments = new Map<string, OpenFragmentOwner>();
    const opened = new Map<string, Device>();
    const indexCounts = new Map<string, Int32Array>();
    const lostSlabs = new Map<string, LostSlabs>();
    const indexFiles: CheckedFile[] = [];
    for (const site of sites) {
      const owned = (id: FragmentId) => metadata.reader.stripeOwner(stripeOf(id)) !== undefined;
      const explained = (id: FragmentId) => isExplained(metadata.reader, id);
      onStage(`the fragment index of ${site.folder} is opened`);
      const index = await openIndex(site, {
        host,
        known: { owned, mayBeOwned: cluster ? explained : owned, explained },
        rebuild: rebuild.has(path.dirname(site.folder)),
        onIndex,
      });
      closers.push(() => index.close());
      fragments.set(site.identity.device, index.owner);
      opened.set(site.identity.device, index.device);
      indexCounts.set(site.identity.device, index.counts);
      indexFiles.push({
        directory: indexFolder(site.folder),
        device: site.identity.device,
        check: (step) => index.checkFile(step),
      });
      if (index.lost) lostSlabs.set(site.identity.device, index.lost);
    }
    const fragmentOwner = (device: string): FragmentOwner => {
      const owner = fragments.get(device);
      if (!owner) throw new Error(`no device ${device} is open here`);
      return owner;
    };
    onStage('placement groups are laid out');
    const layout = new Layout(
      metadata,
      cluster ? async () => placementDevices(metadata.reader) : () => siteDevices(sites),
    );
    const missing = await (cluster ? cluster.registerDevices(sites) : layout.start());
    const stopped = newStoppedDevices(sites.length);
    const thread = await openThread({
      host,
      kvs: kvs.map((one) => one.kv),
      sites,
      indexCounts,
      opened,
      stopped,
      proposer,
      fragmentOwner,
      keyService: keyring,
      plain: options.plain === true,
      cacheBytes,
      onDamage,
      ...(cluster && { cluster }),
      layOut: (redundancy) => layout.layOut(redundancy),
      ...(options.onMissed && { onMissed: options.onMissed }),
    });
    closers.push(() => thread.close());
    onStage('what nothing refers to any more is removed from the devices');
    if (cluster) for (const store of thread.stores.values()) await removeStrays(metadata.reader, store);
    else await sweepReturned(metadata, thread.stores, missing);
    return {
      directories,
      roles,
      mirror,
      snapshots,
      rebuilt,
      sites,
      indexCounts,
      files: () => [
        ...kvs.map((one) => ({
          directory: one.directory,
          check: (step: (bytes: number) => Promise<unknown>) => one.kv.checkFile(step),
        })),
        ...indexFiles,
      ],
      keyring,
      kv,
      kvs,
      log,
      cluster,
      metadata,
      proposer,
      space,
      fragments,
      stopped,
      thread,
      layout,
      missing,
      lostSlabs,
      fragmentOwner,
      close,
    };
  } catch (cause) {
    await close().catch(() => {});
    throw cause;
  }
}

/** An older backup of a keyring opens what its keys sealed, and would seal with one that was replaced. */
function checkMasterKey(keyring: Keyring, metadata: Metadata): void {
  const record = masterKeyOf(metadata.reader);
  if (!record || record.state === 'spreading' || keyring.holds(record)) return;
  throw new ConfigError(
    `the store seals with master key ${record.number}, which the keyring (${keyring.identity}) lacks: it is an older backup. Put the newest backup of this store's keys/keyring back and start again`,
  );
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
