import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { blockBytes, blocksOf } from './geometry.ts';
import { Runs } from './runs.ts';
import type { SlabState, Space } from './space.ts';
import type { OpenWindow } from './statistics.ts';
import type { Extent } from './types.ts';

/** What a window should be. Blocks. */
export interface Wish {
  /** Every run has at least so many. */
  readonly minimum: number;
  /** So many in all, where possible. */
  readonly wanted: number;
  /** Blocks that were never handed out take new space of the disk: at most so many. */
  readonly fresh: number;
}

export interface Choice {
  readonly runs: readonly Extent[];
  /** Blocks among them that were never handed out before. */
  readonly fresh: number;
}

function choose(space: Space, state: SlabState, wish: Wish): Choice | undefined {
  if (state.damaged || state.unfit <= wish.minimum) return undefined;
  try {
    return runsOf(space, state, wish);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    state.damaged = true;
    return undefined;
  }
}

function runsOf(space: Space, state: SlabState, wish: Wish): Choice | undefined {
  const { slabBlocks, slabBytes } = space.geometry;
  if (slabBlocks - state.usedBlocks - state.reservedBlocks < wish.minimum) return undefined;
  const runs: Extent[] = [];
  let total = 0;
  let fresh = 0;
  let cut = false;
  for (const { from, to } of space.freeRuns(state.slab)) {
    const old = Math.max(0, Math.min(to, state.touched) - from);
    const length = Math.min(to - from, old + wish.fresh - fresh);
    cut ||= length < to - from;
    if (length < wish.minimum) continue;
    const taken = Math.min(length, Math.max(wish.wanted - total, wish.minimum));
    runs.push({ address: state.slab * slabBytes + from * blockBytes, length: taken * blockBytes });
    total += taken;
    fresh += Math.max(0, taken - old);
    if (total >= wish.wanted || runs.length >= limits.windowRuns) break;
  }
  if (runs.length > 0) return { runs, fresh };
  if (!cut) state.unfit = wish.minimum;
  return undefined;
}

/**
 * Free space for a window, all of it in one slab, because a writer syncs the slab that it wrote to: two writers in one slab would each
 * wait for the other's bytes. So slabs without a window come first (those that exist before a new one), then those with the fewest; within a slab the lowest
 * addresses, which keeps the files short. The blocks are not reserved yet.
 */
export function chooseWindow(space: Space, wish: Wish): Choice | undefined {
  const order = space.slabs.toSorted((a, b) => a.windows - b.windows || a.slab - b.slab);
  const grow = (): Choice | undefined => {
    if (wish.fresh < wish.minimum || space.slabs.length >= limits.slabs) return undefined;
    const state = space.addSlab();
    const choice = choose(space, state, wish);
    if (!choice) space.slabs.pop();
    return choice;
  };
  let grown = false;
  for (const state of order) {
    if (state.windows > 0 && !grown) {
      grown = true;
      const choice = grow();
      if (choice) return choice;
    }
    const choice = choose(space, state, wish);
    if (choice) return choice;
  }
  return grown ? undefined : grow();
}

/** Reserves the blocks and makes a window of them. @param leaving the table on the device does not list it */
export function takeWindow(space: Space, { runs, fresh }: Choice, nonce: Buffer, leaving: boolean): OpenWindow {
  const { slab } = blocksOf(space.geometry, runs[0] as Extent);
  const state = space.slab(slab);
  const { touched } = state;
  for (const run of runs) space.reserve(run);
  state.windows++;
  const leased = new Runs(runs);
  return { nonce, runs, leased, slab, touched, fresh: fresh * blockBytes, closed: false, leaving };
}
