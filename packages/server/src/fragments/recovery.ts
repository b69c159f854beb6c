import type { Device } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import type { Kv, KvChange } from '../kv/index.ts';
import { blocksOf } from './geometry.ts';
import { encodeFragment, fragmentKey, tombstoneRange } from './rows.ts';
import { Draft, type Space } from './space.ts';
import type { RecoveryReport, Window } from './types.ts';
import { walkWindow } from './walk.ts';

/**
 * Adds the rows of fragments that were sealed in these windows and that the index has not. Not durable yet; doing it again does no harm.
 */
export async function recoverWindows(
  device: Device,
  kv: Kv,
  space: Space,
  windows: readonly Window[],
): Promise<RecoveryReport> {
  const report = { torn: 0, unreadableBytes: 0 };
  let recovered = 0;
  for (const window of windows) {
    const dead = new Set<number>();
    for (const { key } of kv.range(tombstoneRange(window.nonce))) dead.add(Number(key.readBigUInt64BE(9)));
    for (const run of window.runs) {
      while (space.slabs.length <= blocksOf(space.geometry, run).slab) space.addSlab();
    }
    await walkWindow(device, space, window, report, (record) => {
      const key = fragmentKey(record.id);
      if (dead.has(record.extent.address) || kv.get(key)) return false;
      const draft = new Draft(space);
      draft.use(record.extent);
      kv.commit([[key, encodeFragment(key, record)], ...draft.rows()]);
      draft.apply();
      recovered++;
      return true;
    });
    space.trim();
  }
  return { windows: windows.length, recovered, ...report };
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
    if (!(error instanceof StoreError && error.code === 'StorageFull')) throw error;
  }
}
