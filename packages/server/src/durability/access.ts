import { digestOf } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { FragmentId, FragmentStore, FragmentWriter } from '../fragments/index.ts';
import type { Position } from '../log/index.ts';
import { fragmentsOn, knownBytes, lengthOf } from './address.ts';

/** By which record of its group a device was chosen for a fragment: storage refuses what was chosen by an older map than its node knows. */
export interface PlacedBy {
  readonly group: number;
  readonly epoch: number;
}

/**
 * The fragments of one device, wherever it is: {@link localAccess} gives those of a device of this machine, a node gives its own to others in
 * the same form. Whatever writes, reads, repairs, mends and removes stripes asks only this.
 *
 * Every call of a remote one may reject with {@link DeviceUnreachable}. That says nothing of its fragments: they count as away, not as
 * damaged, and nothing is repaired because of it.
 */
export interface FragmentAccess {
  readonly device: string;
  /** Calls cross a network: reads of it that take long are hedged. */
  readonly remote: boolean;
  /**
   * A writer for one fragment; its seal resolves when the fragment is durable there.
   * @param maximum upper bound of the data bytes that will be appended
   * @param by absent: whoever writes knows that the fragment belongs there, whatever the map says
   * @throws StoreError StorageFull, SlowDown; StalePlacement (`detail.Epoch`: of the group as it is) where the group has its fragments elsewhere by now
   */
  create(id: FragmentId, maximum: number, checksumBytes: number, by?: PlacedBy): Promise<FragmentWriter>;
  /** Data bytes [start, end), each block verified where the device is. Their memory is the caller's. @throws CorruptionError, StoreError NotFound */
  read(id: FragmentId, start: number, end: number): Promise<Buffer>;
  /** As {@link read}, but nothing is verified: the bytes may be any. */
  fetch(id: FragmentId, start: number, end: number): Promise<Buffer>;
  /** Data bytes of each of these fragments: undefined where there is none, `damaged` where the row of the index cannot be read. */
  lengths(ids: readonly FragmentId[]): Promise<readonly FragmentLength[]>;
  /**
   * SHA-256 of all data bytes, each block verified where the device is, whose node has applied the log up to `at` by then. None of a fragment that
   * is just being removed.
   * @throws CorruptionError, StoreError NotFound
   */
  digest(id: FragmentId, at: Position): Promise<Buffer>;
  /** Removes these fragments; ids that are not there are ignored. */
  remove(ids: readonly FragmentId[]): Promise<void>;
  /** Removes whatever the device holds of these stripes, at any index. */
  removeStripes(stripes: readonly Buffer[]): Promise<Removed>;
  /** Every removal that resolved before the call survives a crash of the device's machine when it resolves. */
  flush(): Promise<void>;
}

/** The way to a device is cut, or took longer than its deadline. */
export class DeviceUnreachable extends StoreError {
  constructor(device: string, cause?: unknown) {
    super('ServiceUnavailable', { message: `Device ${device} cannot be reached now. Try again.`, cause });
  }
}

/** What a device answers, undefined when it cannot be reached. */
export async function reached<Answer>(asked: Promise<Answer> | undefined): Promise<Answer | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof DeviceUnreachable) return undefined;
    throw error;
  }
}

export type FragmentLength = number | 'damaged' | undefined;

/** Fragments removed, and their data bytes as far as they were known. */
export interface Removed {
  readonly fragments: number;
  readonly bytes: number;
}

/** Devices by identity. */
export type AccessMap = ReadonlyMap<string, FragmentAccess>;

/** Access to a device of this machine. Reads are those of its store, without a turn more. */
export function localAccess(store: FragmentStore): FragmentAccess {
  return {
    device: store.device,
    remote: false,
    create: (id, maximum, checksumBytes) => store.create(id, maximum, checksumBytes),
    read: (id, start, end) => store.read(id, start, end),
    fetch: (id, start, end) => store.fetch(id, start, end),
    lengths: async (ids) => ids.map((id) => lengthOf(store, id)),
    digest: (id) => fragmentDigest(store, id),
    remove: (ids) => store.remove(ids),
    removeStripes: (stripes) => removeStripes(store, stripes),
    flush: () => store.flush(),
  };
}

/** SHA-256 of a fragment's data bytes, verified. @throws CorruptionError, StoreError NotFound */
export async function fragmentDigest(store: FragmentStore, id: FragmentId): Promise<Buffer> {
  const length = store.length(id);
  if (length === undefined) throw new StoreError('NotFound');
  return digestOf('SHA256', await store.read(id, 0, length));
}

/** What {@link FragmentAccess.removeStripes} does, where the device is. */
export async function removeStripes(store: FragmentStore, stripes: readonly Buffer[]): Promise<Removed> {
  return removeFragments(
    store,
    stripes.flatMap((stripe) => fragmentsOn(store, stripe)),
  );
}

/** Removes fragments and tells how much it was. */
export async function removeFragments(store: FragmentStore, ids: readonly FragmentId[]): Promise<Removed> {
  if (ids.length === 0) return { fragments: 0, bytes: 0 };
  let bytes = 0;
  for (const id of ids) bytes += knownBytes(store, id);
  await store.remove(ids);
  return { fragments: ids.length, bytes };
}

/** Data bytes of one fragment of a device. */
export async function lengthAt(access: FragmentAccess, id: FragmentId): Promise<FragmentLength> {
  const [length] = await access.lengths([id]);
  return length;
}
