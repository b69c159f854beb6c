import { blockBytes } from './geometry.ts';
import type { Runs } from './runs.ts';
import type { Space } from './space.ts';
import type { FragmentStatistics, Window } from './types.ts';

/** A window as the owner keeps it, until it is no longer listed on the device. */
export interface OpenWindow extends Window {
  /** Blocks that are still leased: neither recorded nor given back. */
  readonly leased: Runs;
  readonly slab: number;
  /** Blocks of the slab that had been handed out before. */
  readonly touched: number;
  /** Bytes among the leased ones that take new space of the disk; an estimate. */
  fresh: number;
  /** Its writer is done with it. */
  closed: boolean;
  /** Left out of the next writing of the table, or never in it. */
  leaving: boolean;
}

export function statisticsOf(
  space: Space,
  windows: Iterable<OpenWindow>,
  counted: Pick<FragmentStatistics, 'checkpoints' | 'damagedRows'>,
): FragmentStatistics {
  const { slabs, geometry } = space;
  let [used, reserved, touched, fragments, damaged] = [0, 0, 0, 0, 0];
  for (const slab of slabs) {
    used += slab.usedBlocks;
    reserved += slab.reservedBlocks;
    touched += slab.touched;
    fragments += slab.fragments;
    if (slab.damaged) damaged++;
  }
  let [leasedBytes, open] = [0, 0];
  for (const window of windows) {
    leasedBytes += window.leased.bytes;
    if (!window.closed) open++;
  }
  const table = slabs.length > 0 ? 2 * geometry.tableBytes : 0;
  const taken = (used + reserved) * blockBytes;
  return {
    fragments,
    slabs: slabs.length,
    usedBytes: used * blockBytes,
    leasedBytes,
    pendingBytes: reserved * blockBytes - leasedBytes,
    freeBytes: slabs.length * geometry.slabBytes - table - taken,
    reusableBytes: touched * blockBytes - table - taken,
    windows: open,
    checkpoints: counted.checkpoints,
    damagedRows: counted.damagedRows + damaged,
  };
}
