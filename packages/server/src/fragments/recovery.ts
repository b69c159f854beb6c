import type { Device } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Kv, KvChange } from '../kv/index.ts';
import { type BlockRange, blocksOf } from './geometry.ts';
import { heldExtents, hold } from './held.ts';
import { type RebuildOptions, rebuildIndex, searchHeld } from './rebuild.ts';
import {
  decodeMark,
  decodeStamp,
  encodeFragment,
  encodeMark,
  encodeStamp,
  fragmentKey,
  markKey,
  stampKey,
  tombstoneAddress,
  tombstoneRange,
  UnknownRow,
} from './rows.ts';
import { Draft, type Space } from './space.ts';
import type { ListedWindows, WindowTable } from './table.ts';
import type { RecoveryReport, Window } from './types.ts';
import { settle, type WalkReport, walk } from './walk.ts';

/** The index cannot be used, and nothing on the device depends on it: it may be put aside and made anew from the slabs. */
export class IndexDamaged extends CorruptionError {}

/** Damage of rows is that of the index; a row of another version of the program is none. */
export function readIndex<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CorruptionError) || error instanceof UnknownRow) throw error;
    throw new IndexDamaged(error.message, { cause: error });
  }
}

/** What an opening needs. */
export interface RecoveryParts {
  readonly device: Device;
  readonly kv: Kv;
  readonly space: Space;
  readonly rebuild: RebuildOptions | undefined;
}

/**
 * Brings an index that was just opened to what the device holds, durably: takes up the windows that were open, or searches all slabs when the index
 * or the list of windows is lost.
 * @throws CorruptionError when the index is another device's; {@link IndexDamaged} when it is lost and nobody can be asked
 */
export async function recover(parts: RecoveryParts, listed: ListedWindows): Promise<RecoveryReport> {
  const { device, kv, space, rebuild } = parts;
  const { table, windows, used, damaged } = listed;
  const stamped = checkStamp(device, kv);
  const mark = readIndex(() => decodeMark(kv.get(markKey)));
  const held = readIndex(() => heldExtents(kv, space.geometry));
  if (stamped && mark < table.mark) {
    throw new IndexDamaged(
      `the fragment index of device ${device.identity} is older than its slabs, as one from a backup is: it misses fragments`,
    );
  }
  // Slabs that were in use once, and yet no list: slab 0 is gone, or the list in it.
  const listLost = damaged || (!used && space.slabs.length > 0);
  let report: RecoveryReport = { windows: 0, recovered: 0, torn: 0, unreadableBytes: 0 };
  if (rebuild && (!stamped || listLost)) {
    // On a new device nothing lies behind the table, and this finds nothing.
    const rebuilt = await rebuildIndex(device, kv, space, held, rebuild);
    await kv.checkpoint();
    // The list goes before the stamp comes: with both, the next opening would take up windows whose tombstones are lost.
    if (used || listLost) await table.save();
    if (rebuilt.readBytes > 0 || used) report = { ...report, rebuilt };
    clearTombstones(kv);
  } else if (used && !stamped) {
    throw new IndexDamaged(
      `the fragment index of device ${device.identity} is gone; restore it, or replace the device`,
    );
  }
  if (!stamped) {
    kv.commit([
      [stampKey, encodeStamp(device.identity)],
      [markKey, encodeMark(table.mark)],
    ]);
    await kv.checkpoint();
  }
  if (report.rebuilt) return report;
  if (rebuild && held.length > 0) {
    await searchHeld(device, kv, space, held, rebuild);
    await kv.checkpoint();
  }
  if (windows.length === 0) return report;
  report = await recoverWindows(device, kv, space, windows, rebuild);
  const raised = report.recovered > 0 ? markIndex(kv, table) : undefined;
  await kv.checkpoint();
  await table.save(raised);
  clearTombstones(kv);
  return report;
}

/**
 * Gives the index a mark that no list on the device has yet; not durable yet.
 * @returns the mark, for {@link WindowTable.save} behind a checkpoint; undefined when there is no space for it now
 */
export function markIndex(kv: Kv, table: WindowTable): number | undefined {
  const mark = Math.max(decodeMark(kv.get(markKey)), table.mark) + 1;
  try {
    kv.commit([[markKey, encodeMark(mark)]]);
    return mark;
  } catch (error) {
    if (!isFull(error)) throw error;
    return undefined;
  }
}

const isFull = (error: unknown): boolean => error instanceof StoreError && error.code === 'StorageFull';

/** An index that is empty, or another device's, would call live fragments free space. @returns false when it does not say whose it is */
function checkStamp({ identity }: Device, kv: Kv): boolean {
  const stamp = kv.get(stampKey);
  if (!stamp) return false;
  const owner = readIndex(() => decodeStamp(stamp));
  if (owner === identity) return true;
  throw new CorruptionError(
    `this fragment index belongs to device ${owner}, not to ${identity}; put each device's index back in its place`,
  );
}

/**
 * Adds the rows of fragments that were sealed in these windows and that the index has not. Not durable yet; doing it again does no harm.
 *
 * Only of those that something explains, where there is somebody to ask. Where the device lost the writing of a newer list, this one is of an
 * earlier life: what was sealed then and removed since lies there still, and its tombstones went with the list that was lost.
 */
async function recoverWindows(
  device: Device,
  kv: Kv,
  space: Space,
  windows: readonly Window[],
  rebuild: RebuildOptions | undefined,
): Promise<RecoveryReport> {
  const report: WalkReport = { torn: 0, unreadableBytes: 0 };
  const unreadable: BlockRange[] = [];
  const slabs = new Set<number>();
  let recovered = 0;
  for (const window of windows) {
    const dead = new Set<number>();
    for (const { key } of kv.range(tombstoneRange(window.nonce))) {
      const address = tombstoneAddress(key);
      if (address !== undefined) dead.add(address);
    }
    for (const run of window.runs) {
      while (space.slabs.length <= blocksOf(space.geometry, run).slab) space.addSlab();
    }
    await walk(device, space, window, report, {
      wanted: ({ id }) => !rebuild || rebuild.explained(id),
      found(record) {
        const key = fragmentKey(record.id);
        if (dead.has(record.extent.address) || kv.get(key)) return false;
        const draft = new Draft(space);
        draft.use(record.extent);
        kv.commit([[key, encodeFragment(key, record)], ...draft.rows()]);
        draft.apply();
        slabs.add(blocksOf(space.geometry, record.extent).slab);
        recovered++;
        return true;
      },
      unreadable: (blocks) => void unreadable.push(blocks),
    });
    space.trim();
  }
  await settle(device, space, slabs);
  hold(kv, space, unreadable);
  return { windows: windows.length, recovered, torn: report.torn, unreadableBytes: report.unreadableBytes };
}

/**
 * Removes tombstones: those of one window that is not listed any more, or all. They do no harm where they are, so a full disk may keep
 * them until the next recovery.
 */
export function clearTombstones(kv: Kv, nonce?: Uint8Array): void {
  const changes: KvChange[] = [];
  for (const { key } of kv.range(tombstoneRange(nonce))) changes.push([Buffer.from(key), undefined]);
  if (changes.length === 0) return;
  try {
    kv.commit(changes);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}
