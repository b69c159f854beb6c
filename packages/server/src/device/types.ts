/** An open file of a {@link Volume}. Positions and lengths in bytes. */
export interface VolumeFile {
  /** Reads up to `into.length` bytes at `position`; resolves to how many were there (short at the end of the file). */
  read(into: Uint8Array, position: number): Promise<number>;
  /** As {@link read}, from another copy than the one that serves reads: for whoever sees that what he has read is not what was written. Resolves to 0 where there is no other copy; absent where there never is. */
  readOther?(into: Uint8Array, position: number): Promise<number>;
  /** Writes the pieces one after the other from `position`. Nothing is durable until {@link sync} resolves. */
  write(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync: every write that resolved before the call is durable when it resolves. After it fails, the file must not be used. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/**
 * A flat directory of named files: the seam below everything that must survive a crash.
 * Products: `file` (a directory), `memory` (forgets, tears and reorders unsynced writes on crash), `faulty` (wraps any).
 */
export interface Volume {
  /** Opens `name`; `create` makes it when missing. A new name is durable only after {@link syncDirectory}. */
  open(name: string, mode: 'create' | 'existing' | 'read'): Promise<VolumeFile>;
  list(): Promise<string[]>;
  /** Atomic; durable only after {@link syncDirectory}. */
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Creations, renames and removals before the call are durable when it resolves. */
  syncDirectory(): Promise<void>;
  capacity(): Promise<{ readonly total: number; readonly free: number }>;
}

/** Who a device is: plain data, so that every thread can open the device that one thread adopted. */
export interface DeviceIdentity {
  /** UUID, lower case. */
  readonly device: string;
  /** UUID of the store that the device belongs to. */
  readonly store: string;
  /** Bytes of one slab; fixed when the device was made. */
  readonly slabBytes: number;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly madeAt: number;
}

/** `stopped` after a failed sync, or when its directory is gone: it stays so until an operator replaces the device or puts it back. */
export type DeviceHealth = 'good' | 'full' | 'stopped';

export type DeviceClass = 'ssd' | 'hdd' | 'memory' | 'unknown';

/** One address space of bytes with an identity, made of slab files on a {@link Volume}. */
export interface Device {
  /** UUID in lower case, from the identity file. */
  readonly identity: string;
  readonly class: DeviceClass;
  /** Bytes of one slab: addresses [n × slabBytes, (n + 1) × slabBytes) lie in slab n. */
  readonly slabBytes: number;
  health(): DeviceHealth;
  /**
   * `free` is what new slabs and untouched parts of slabs may still take; a reserve for logs and indexes on the same disk is kept out of it.
   * `owed` is what that reserve lacks: others took it, or the logs and indexes themselves.
   */
  capacity(): Promise<{ readonly total: number; readonly free: number; readonly owed: number }>;
  /** Numbers of the slabs that exist, in order. */
  slabs(): Promise<readonly number[]>;
  /** Reads exactly `into.length` bytes at `address`; throws CorruptionError when they were never written. A read never crosses a slab. */
  read(into: Uint8Array, address: number): Promise<void>;
  /** Writes the pieces one after the other. A write never crosses a slab. ENOSPC becomes StoreError StorageFull. */
  write(pieces: readonly Uint8Array[], address: number): Promise<void>;
  /** Every write to the slab of `address` that resolved before the call is durable when it resolves. Concurrent calls share one fdatasync. A failure stops the device. */
  sync(address: number): Promise<void>;
  /**
   * These bytes are not needed any more. When nothing was written behind them in their slab, its file is cut and their space is the volume's
   * again; otherwise nothing happens. Nobody may write there until it resolves. Not durable: a crash may bring the bytes back.
   */
  discard(address: number, length: number): Promise<void>;
  close(): Promise<void>;
}
