import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { type Processes, realProcesses } from './file/processes.ts';
import { decodeIdentity, encodeIdentity, randomUuid } from './identity.ts';
import { isLockFile, takeLock } from './lock.ts';
import { isMissing } from './names.ts';
import { DeviceRefused } from './refused.ts';
import type { DeviceIdentity, Volume } from './types.ts';

const identityName = 'identity';
const newIdentityName = 'identity.new';
/** Found in the root of a fresh ext file system: no sign of another owner. */
const harmless = (name: string): boolean => name === 'lost+found' || name === newIdentityName || isLockFile(name);

export interface AdoptOptions {
  /** UUID of the store, lower case. */
  readonly store: string;
  /** Whether an empty volume becomes a new device; otherwise it is refused. */
  readonly create: boolean;
  readonly host: Host;
  /** Size of the slabs of a new device; an existing one keeps its own. */
  readonly slabBytes?: number;
  /** How other processes are seen; given by tests. */
  readonly processes?: Processes;
}

export interface AdoptedDevice {
  readonly identity: DeviceIdentity;
  /** True when this call made the device. */
  readonly fresh: boolean;
  /** Lets another process have the device. */
  readonly release: () => Promise<void>;
}

/** Who the device on a volume is, changing nothing. @throws DeviceRefused where its identity file is damaged or of another version */
export async function readIdentity(volume: Volume): Promise<DeviceIdentity | undefined> {
  let file: Awaited<ReturnType<Volume['open']>>;
  try {
    file = await volume.open(identityName, 'read');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(4096);
    return decodeIdentity(bytes.subarray(0, await file.read(bytes, 0)));
  } finally {
    await file.close();
  }
}

async function writeIdentity(volume: Volume, identity: DeviceIdentity): Promise<void> {
  const file = await volume.open(newIdentityName, 'create');
  try {
    const bytes = encodeIdentity(identity);
    await file.write([bytes], 0);
    await file.truncate(bytes.length);
    await file.sync();
  } finally {
    await file.close();
  }
  await volume.rename(newIdentityName, identityName);
  await volume.syncDirectory();
}

function refuseForeign(names: readonly string[]): void {
  const others = names.filter((name) => !harmless(name));
  if (others.length === 0) return;
  const some = others.slice(0, 3).join(', ');
  if (others.some((name) => name.startsWith('slab-'))) {
    throw new DeviceRefused(
      'damaged',
      `This directory holds slabs (${some}) but no identity file. Restore the file "identity" from a backup of the data directory.`,
    );
  }
  throw new DeviceRefused(
    'foreign',
    `This directory is not empty (${some}) and was not made by DSOM. Give an empty directory, or move its files away.`,
  );
}

/**
 * Takes a volume for this process as a device of this store: knows it by its identity file, or makes one on an empty volume.
 * Only one process has a device at a time; the threads of that process share it.
 * @throws DeviceRefused when the volume belongs to another store, to something else, or to a running process
 */
export async function adoptDevice(volume: Volume, options: AdoptOptions): Promise<AdoptedDevice> {
  const found = await readIdentity(volume);
  if (!found) {
    refuseForeign(await volume.list());
    if (!options.create) {
      throw new DeviceRefused(
        'absent',
        'This directory is empty, yet the store expects a device here. Mount the right disk, or restore the directory; if its disk is lost, give an empty --data directory in the place of the one around it.',
      );
    }
  } else if (found.store !== options.store) {
    throw new DeviceRefused(
      'otherStore',
      `This device (${found.device}) belongs to store ${found.store}, not to ${options.store}. Give each store its own directories.`,
    );
  }
  const release = await takeLock(volume, options.host, options.processes ?? realProcesses());
  if (found) return { identity: found, fresh: false, release };
  try {
    const identity: DeviceIdentity = {
      device: randomUuid(options.host.entropy.bytes(16)),
      store: options.store,
      slabBytes: options.slabBytes ?? limits.slabBytes,
      madeAt: options.host.clock.now(),
    };
    await writeIdentity(volume, identity);
    return { identity, fresh: true, release };
  } catch (error) {
    await release();
    throw error;
  }
}
