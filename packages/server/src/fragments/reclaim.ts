import type { Device } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { type Choice, chooseWindow } from './choose.ts';
import { blockBytes, firstBlock, roundUp } from './geometry.ts';
import { decodeFragment, fragmentIdOf, fragmentKey, fragmentsEnd } from './rows.ts';
import type { SlabState, Space } from './space.ts';
import type { OpenWindow } from './statistics.ts';
import { openFragmentStore } from './store.ts';
import type { Extent, FragmentId, FragmentOwner, FragmentRecord, FragmentStore, Window } from './types.ts';

/*
 * Gives free space back to the file system, which others on the same disk need: the log and the KV of the metadata above all. Otherwise a
 * disk filled with large objects would take no small ones after the large ones were deleted, for slabs do not shrink by themselves.
 *
 * Only the end of a file can be given back. So ends that are free are cut off; when that is not enough, the fragments of one end are moved
 * into free space elsewhere, one after the other, and then it is cut. The slab with the most free space goes first: there the least is moved
 * for what is gained. Fragments are found by a scan of the index, because nothing else leads from an address to an id.
 *
 * A move is safe at any moment. The copy is read with all its checks and written to space that was in use before, in a window that is not
 * listed: a recovery does not look there. Its row replaces the old one in one commit, only if that still names the old place; the old place
 * is free when a checkpoint covers that commit, like every other that was freed. A crash before leaves the old row and its bytes. Readers
 * that had the old row read again, as they do when a fragment is written anew.
 *
 * Rejected: giving back after every removal (the next writer would have to make the file grow again, and its sync to write file system
 * metadata), and moving fragments to pack slabs when nobody needs the space.
 */

export interface ReclaimParts {
  readonly device: Device;
  readonly kv: Kv;
  readonly space: Space;
  readonly host: Host;
  windows(): Iterable<OpenWindow>;
  checkpoint(): Promise<void>;
  /** Makes a window that the table of the device does not list. */
  lend(choice: Choice): Window;
  closeWindow(nonce: Uint8Array, unused: readonly Extent[]): Promise<void>;
  /** Gives a fragment a new place, if it still lies at `from` (by id in hex); otherwise rejects with NotFound. */
  move(record: FragmentRecord, from: ReadonlyMap<string, number>): Promise<void>;
}

/** A fragment that is in the way. */
interface Move {
  readonly id: FragmentId;
  readonly address: number;
  readonly length: number;
  readonly checksumBytes: number;
}

const isGone = (error: unknown): boolean => error instanceof StoreError && error.code === 'NotFound';
const isFull = (error: unknown): boolean => error instanceof StoreError && error.code === 'StorageFull';

/** One attempt. */
export class Reclaim {
  readonly #parts: ReclaimParts;
  readonly #signal: AbortSignal | undefined;

  constructor(parts: ReclaimParts, signal: AbortSignal | undefined) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** @returns bytes given back: `wanted` or more, or what could be had at once */
  async run(wanted: number): Promise<number> {
    const { space } = this.#parts;
    let given = 0;
    // All of a free end goes, not only what is wanted: who is short of space will be again.
    for (const { slab } of space.slabs) given += await this.#cut(slab);
    if (given >= wanted) return given;
    await this.#parts.checkpoint();
    const least = limits.reclaimLeastBytes / blockBytes;
    // A little at a time would not be worth the scan.
    const blocks =
      roundUp(Math.min(Math.max(wanted - given, limits.reclaimBytes / 4), limits.reclaimBytes)) / blockBytes;
    for (const state of space.slabs.filter((one) => freeBlocks(space, one) >= least).toSorted(byFree(space))) {
      this.#signal?.throwIfAborted();
      const bytes = await this.#clear(state, Math.min(blocks, freeBlocks(space, state)));
      if (bytes > 0) return given + bytes;
    }
    return given;
  }

  /** Cuts the free end off a slab. @returns bytes */
  async #cut(slab: number): Promise<number> {
    const { space, device, kv } = this.#parts;
    const { slabBytes, slabBlocks } = space.geometry;
    const state = space.slab(slab);
    if (state.damaged) return 0;
    const { touched } = state;
    const tail = space.freeTail(slab);
    if (tail >= touched) return 0;
    const end = { address: slab * slabBytes + tail * blockBytes, length: (slabBlocks - tail) * blockBytes };
    // Nobody may open a window there meanwhile, not even behind what was in use before.
    space.reserve(end);
    let cut = false;
    try {
      await device.discard(end.address, end.length);
      cut = true;
    } finally {
      space.unreserve(end);
      state.touched = cut ? tail : touched;
    }
    try {
      kv.commit([space.slabRow(slab)]);
    } catch (error) {
      // The row says the same with the next change in this slab.
      if (!isFull(error)) throw error;
    }
    return (touched - tail) * blockBytes;
  }

  /** Moves what lies in the last blocks of a slab, and cuts them off. @returns bytes given back */
  async #clear(state: SlabState, blocks: number): Promise<number> {
    const { space, checkpoint } = this.#parts;
    const { slabBytes } = space.geometry;
    const base = state.slab * slabBytes;
    const { touched } = state;
    let cut = touched - blocks;
    // What is leased cannot be moved: it may be given back soon.
    for (const { slab, leased } of this.#parts.windows()) {
      const last = slab === state.slab ? leased.list.at(-1) : undefined;
      if (last) cut = Math.max(cut, (last.address + last.length - base) / blockBytes);
    }
    if ((touched - cut) * blockBytes < limits.reclaimLeastBytes) return 0;
    const held: Extent[] = [];
    for (const { from, to } of space.freeRuns(state.slab)) {
      const start = Math.max(from, cut);
      if (start < to) held.push({ address: base + start * blockBytes, length: (to - start) * blockBytes });
    }
    for (const extent of held) space.reserve(extent);
    let moved = false;
    try {
      moved = await this.#moveAll(base + cut * blockBytes, base + slabBytes);
      if (moved) await checkpoint();
    } finally {
      for (const extent of held) space.unreserve(extent);
      state.touched = touched;
    }
    // Where something stays, the end behind it goes all the same.
    return this.#cut(state.slab);
  }

  /** @returns whether anything was moved */
  async #moveAll(start: number, end: number): Promise<boolean> {
    const { device, kv, host } = this.#parts;
    const moves = await this.#find(start, end);
    const from = new Map(moves.map(({ id, address }) => [id.toString('hex'), address]));
    const owner = this.#owner(from, end - start);
    const store = openFragmentStore({ device, owner, index: kv, host });
    let moved = 0;
    try {
      // From the end, so that whatever is moved shortens the slab. Those that are moved together share a sync.
      while (moved < moves.length) {
        this.#signal?.throwIfAborted();
        const together = moves.slice(moved, moved + limits.reclaimAtOnce);
        const ended = await Promise.all(together.map((move) => moveOne(store, move)));
        moved += ended.filter((done) => done).length;
        if (!ended.every((done) => done)) break;
      }
    } finally {
      await store.close();
    }
    return moved > 0;
  }

  /** The last fragments in [start, end), from the end on. */
  async #find(start: number, end: number): Promise<Move[]> {
    const { kv, space, host } = this.#parts;
    let found: Move[] = [];
    const last = (moves: Move[]): Move[] => moves.sort((a, b) => b.address - a.address).slice(0, limits.reclaimMoves);
    for (let next = fragmentKey(Buffer.alloc(16)); ; ) {
      const rows = [...kv.range({ start: next, end: fragmentsEnd, limit: limits.jobPage })];
      for (const { key, value } of rows) {
        const row = decodedOr(() => decodeFragment(space.geometry, key, value));
        if (!row || row.address < start || row.address >= end) continue;
        const { address, length, checksumBytes } = row;
        found.push({ id: fragmentIdOf(key), address, length, checksumBytes });
      }
      const final = rows.at(-1);
      if (!final || rows.length < limits.jobPage) break;
      if (found.length > 2 * limits.reclaimMoves) found = last(found);
      next = Buffer.concat([final.key, Buffer.alloc(1)]);
      await new Promise<void>((resolve) => host.timers.soon(resolve));
      this.#signal?.throwIfAborted();
    }
    return last(found);
  }

  /** What a store needs to write moved fragments: only to space that was in use before. */
  #owner(from: ReadonlyMap<string, number>, bytes: number): FragmentOwner {
    const { space, lend, closeWindow, move, checkpoint, windows } = this.#parts;
    return {
      openWindow: async (minimumBytes) => {
        const minimum = roundUp(minimumBytes) / blockBytes;
        const wanted = Math.max(minimum, roundUp(bytes) / blockBytes);
        const choice = chooseWindow(space, { minimum, wanted, fresh: 0 });
        if (!choice || [...windows()].length >= limits.openWindows) throw new StoreError('StorageFull');
        return lend(choice);
      },
      closeWindow: (nonce, unused) => closeWindow(nonce, unused),
      // Each by itself: one that was removed meanwhile must not stop the others.
      record: async (records) => void (await Promise.all(records.map((record) => move(record, from)))),
      remove: () => Promise.reject(new StoreError('NotImplemented')),
      flush: checkpoint,
    };
  }
}

/** Free blocks of a slab that were in use before. */
const freeBlocks = ({ geometry }: Space, state: SlabState): number =>
  state.damaged ? 0 : state.touched - firstBlock(geometry, state.slab) - state.usedBlocks - state.reservedBlocks;

const byFree =
  (space: Space) =>
  (a: SlabState, b: SlabState): number =>
    freeBlocks(space, b) - freeBlocks(space, a);

/** @returns false when it cannot be moved: no space is large enough, or it does not read well, which is for a scrub to repair */
async function moveOne(store: FragmentStore, move: Move): Promise<boolean> {
  try {
    const bytes = await store.read(move.id, 0, move.length);
    const writer = await store.create(move.id, move.length, move.checksumBytes);
    try {
      await writer.append([bytes]);
      await writer.seal();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    return true;
  } catch (error) {
    // Removed meanwhile: out of the way as well.
    if (isGone(error)) return true;
    if (isFull(error) || error instanceof CorruptionError) return false;
    throw error;
  }
}

function decodedOr<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof CorruptionError) return undefined;
    throw error;
  }
}
