import { invariant } from '../invariant.ts';
import type { KvChange, KvReader } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { type Bits, clearBits, countBits, lastBit, nextBit, setBits } from './bitmap.ts';
import { type BlockRange, blocksOf, firstBlock, type Geometry } from './geometry.ts';
import {
  bitmapKey,
  decodeBitmap,
  decodeSlab,
  encodeBitmap,
  encodeSlab,
  regionLength,
  slabKey,
  slabRows,
} from './rows.ts';
import type { Extent } from './types.ts';

/** Blocks of one slab, in numbers. */
export interface SlabState {
  readonly slab: number;
  /** As the index says; replaced as a whole. */
  used: Uint16Array;
  usedBlocks: number;
  fragments: number;
  touched: number;
  reservedBlocks: number;
  /** Open windows in this slab. */
  windows: number;
  /** No free run of so many blocks was there when last looked. */
  unfit: number;
  /** A row of its bitmaps is damaged: no window is opened here any more. */
  damaged: boolean;
}

interface Region {
  used: Bits;
  /** Not used, yet not free: leased to a window, or freed by a removal that is not durable. */
  reserved: Bits | undefined;
  reservedBlocks: number;
}

/**
 * Which blocks are used, reserved or free. Used blocks are those of fragments in the index, and the index's own bitmaps always say the
 * same: both change in one commit, through a {@link Draft}. Reserved blocks are known in memory only. Bitmaps are loaded when needed.
 */
export class Space {
  readonly geometry: Geometry;
  readonly slabs: SlabState[] = [];
  readonly #index: KvReader;
  readonly #regions = new Map<number, Region>();

  /** Reads one row per slab. @throws CorruptionError */
  constructor(geometry: Geometry, index: KvReader) {
    this.geometry = geometry;
    this.#index = index;
    for (const { key, value } of index.range(slabRows)) {
      const row = decodeSlab(geometry, key, value);
      while (this.slabs.length < row.slab) this.addSlab();
      const state = this.addSlab();
      state.used = row.used;
      state.usedBlocks = row.used.reduce((sum, blocks) => sum + blocks, 0);
      state.fragments = row.fragments;
      state.touched = Math.max(state.touched, row.touched);
    }
  }

  addSlab(): SlabState {
    const slab = this.slabs.length;
    const used = new Uint16Array(this.geometry.regions);
    const touched = firstBlock(this.geometry, slab);
    const state = {
      slab,
      used,
      usedBlocks: 0,
      fragments: 0,
      touched,
      reservedBlocks: 0,
      windows: 0,
      unfit: Infinity,
      damaged: false,
    };
    this.slabs.push(state);
    return state;
  }

  slab(number: number): SlabState {
    const state = this.slabs[number];
    invariant(state, 'a slab in use is known');
    return state;
  }

  /** The row of a slab as it stands. */
  slabRow(slab: number): KvChange {
    const { fragments, touched, used } = this.slab(slab);
    const key = slabKey(slab);
    return [key, encodeSlab(key, { slab, fragments, touched, used })];
  }

  #key(slab: number, region: number): number {
    return slab * this.geometry.regions + region;
  }

  /** @throws CorruptionError when its row is damaged */
  region(slab: number, region: number): Region {
    const key = this.#key(slab, region);
    let loaded = this.#regions.get(key);
    if (!loaded) {
      const rowKey = bitmapKey(slab, region);
      const used = this.slab(slab).used[region] as number;
      const row = used === 0 ? undefined : this.#index.get(rowKey);
      loaded = {
        used: decodeBitmap(rowKey, row, regionLength(this.geometry, region), used),
        reserved: undefined,
        reservedBlocks: 0,
      };
      this.#regions.set(key, loaded);
    }
    return loaded;
  }

  /** Forgets bitmaps that can be read again, when there are too many. */
  trim(): void {
    if (this.#regions.size <= limits.cachedBitmaps) return;
    for (const [key, region] of this.#regions) {
      if (region.reservedBlocks === 0) this.#regions.delete(key);
      if (this.#regions.size <= limits.cachedBitmaps / 2) return;
    }
  }

  /** Calls `visit` for the part of the blocks in each region; its numbers count within the region. */
  eachRegion(range: BlockRange, visit: (region: number, from: number, to: number) => void): void {
    const { regionBlocks } = this.geometry;
    for (let region = Math.floor(range.from / regionBlocks); region * regionBlocks < range.to; region++) {
      const start = region * regionBlocks;
      visit(region, Math.max(0, range.from - start), Math.min(regionBlocks, range.to - start));
    }
  }

  /** Takes free blocks out of reach. */
  reserve(extent: Extent): void {
    const range = blocksOf(this.geometry, extent);
    const state = this.slab(range.slab);
    this.eachRegion(range, (index, from, to) => {
      const region = this.region(range.slab, index);
      invariant(nextBit(region.used, region.reserved, true, from, to) === to, 'only free blocks are reserved');
      region.reserved ??= new Uint8Array(region.used.length);
      setBits(region.reserved, from, to);
      region.reservedBlocks += to - from;
    });
    state.reservedBlocks += range.to - range.from;
    state.touched = Math.max(state.touched, range.to);
  }

  /** Ends a reservation: the blocks are free, or used when a draft has just made them so. */
  unreserve(extent: Extent): void {
    const range = blocksOf(this.geometry, extent);
    const state = this.slab(range.slab);
    this.eachRegion(range, (index, from, to) => {
      const region = this.region(range.slab, index);
      invariant(
        region.reserved && countBits(region.reserved, from, to) === to - from,
        'only reserved blocks are let go',
      );
      clearBits(region.reserved, from, to);
      region.reservedBlocks -= to - from;
      if (region.reservedBlocks === 0) region.reserved = undefined;
    });
    state.reservedBlocks -= range.to - range.from;
    state.unfit = Infinity;
  }

  /**
   * These blocks are free and nothing was written there, by this window at least: when no block behind them was handed out either, those
   * that were new to the window are as good as new.
   * @param touched of the slab before the window
   */
  untouch(extent: Extent, touched: number): void {
    const range = blocksOf(this.geometry, extent);
    const state = this.slab(range.slab);
    if (range.to === state.touched) state.touched = Math.min(range.to, Math.max(range.from, touched));
  }

  /** First block of the free run that reaches to the end of the slab; the slab's end when its last block is taken. */
  freeTail(slab: number): number {
    let tail = this.geometry.slabBlocks;
    for (const { from, to } of this.freeRuns(slab)) if (to === this.geometry.slabBlocks) tail = from;
    return tail;
  }

  /** The last used block of a slab; -1 when none is. @throws CorruptionError */
  lastUsed(slab: number): number {
    const { used } = this.slab(slab);
    for (let index = used.length - 1; index >= 0; index--) {
      if (used[index] === 0) continue;
      const last = lastBit(this.region(slab, index).used, regionLength(this.geometry, index));
      if (last >= 0) return index * this.geometry.regionBlocks + last;
    }
    return -1;
  }

  /** First used block of the range, or its end. */
  nextUsed(range: BlockRange): number {
    let found = range.to;
    this.eachRegion(range, (index, from, to) => {
      if (found < range.to || this.slab(range.slab).used[index] === 0) return;
      const at = nextBit(this.region(range.slab, index).used, undefined, true, from, to);
      if (at < to) found = index * this.geometry.regionBlocks + at;
    });
    return found;
  }

  /** Free runs of a slab, in order. */
  *freeRuns(slab: number): Generator<{ from: number; to: number }> {
    const { regionBlocks, regions } = this.geometry;
    const state = this.slab(slab);
    let start = -1;
    for (let index = 0; index < regions; index++) {
      const base = index * regionBlocks;
      const end = regionLength(this.geometry, index);
      let at = Math.min(end, Math.max(0, firstBlock(this.geometry, slab) - base));
      const loaded = this.#regions.get(this.#key(slab, index));
      if (state.used[index] === 0 && (!loaded || loaded.reservedBlocks === 0)) {
        if (start < 0 && at < end) start = base + at;
        continue;
      }
      const { used, reserved } = loaded ?? this.region(slab, index);
      while (at < end) {
        if (start < 0) {
          at = nextBit(used, reserved, false, at, end);
          if (at < end) start = base + at;
        }
        if (start >= 0) {
          at = nextBit(used, reserved, true, at, end);
          if (at < end) {
            yield { from: start, to: base + at };
            start = -1;
          }
        }
      }
    }
    if (start >= 0) yield { from: start, to: this.geometry.slabBlocks };
  }
}

/** A change of the used blocks that is not made yet: the rows that make it, and the same for memory once they are committed. */
export class Draft {
  readonly #space: Space;
  readonly #bits = new Map<number, { slab: number; region: number; bits: Bits; used: number }>();
  readonly #slabs = new Map<number, { used: Uint16Array; usedBlocks: number; fragments: number }>();

  constructor(space: Space) {
    this.#space = space;
  }

  use(extent: Extent): void {
    this.#change(extent, true);
  }

  free(extent: Extent): void {
    this.#change(extent, false);
  }

  /** As {@link use}, for space in which no fragment is known. */
  hold(extent: Extent): void {
    this.#change(extent, true, 0);
  }

  letGo(extent: Extent): void {
    this.#change(extent, false, 0);
  }

  #change(extent: Extent, use: boolean, fragments = 1): void {
    const { geometry } = this.#space;
    const range = blocksOf(geometry, extent);
    const state = this.#space.slab(range.slab);
    let slab = this.#slabs.get(range.slab);
    if (!slab) {
      slab = { used: state.used.slice(), usedBlocks: state.usedBlocks, fragments: state.fragments };
      this.#slabs.set(range.slab, slab);
    }
    const { used } = slab;
    // A damaged row is met before anything is changed.
    this.#space.eachRegion(range, (region) => void this.#space.region(range.slab, region));
    this.#space.eachRegion(range, (region, from, to) => {
      const key = range.slab * geometry.regions + region;
      let drawn = this.#bits.get(key);
      if (!drawn) {
        drawn = {
          slab: range.slab,
          region,
          bits: this.#space.region(range.slab, region).used.slice(),
          used: used[region] as number,
        };
        this.#bits.set(key, drawn);
      }
      const before = countBits(drawn.bits, from, to);
      invariant(
        before === (use ? 0 : to - from),
        use ? 'used blocks are never used again' : 'only used blocks are freed',
      );
      if (use) setBits(drawn.bits, from, to);
      else clearBits(drawn.bits, from, to);
      drawn.used += use ? to - from : from - to;
      used[region] = drawn.used;
    });
    if (use) state.touched = Math.max(state.touched, range.to);
    const blocks = range.to - range.from;
    slab.usedBlocks += use ? blocks : -blocks;
    slab.fragments += use ? fragments : -fragments;
  }

  *rows(): Generator<KvChange> {
    const { geometry } = this.#space;
    for (const { slab, region, bits, used } of this.#bits.values()) {
      const key = bitmapKey(slab, region);
      yield [key, encodeBitmap(key, bits, regionLength(geometry, region), used)];
    }
    for (const [number, slab] of this.#slabs) {
      const key = slabKey(number);
      const { touched } = this.#space.slab(number);
      yield [key, encodeSlab(key, { slab: number, fragments: slab.fragments, touched, used: slab.used })];
    }
  }

  /** Call when the rows are committed. */
  apply(): void {
    for (const { slab, region, bits } of this.#bits.values()) this.#space.region(slab, region).used = bits;
    for (const [number, slab] of this.#slabs) Object.assign(this.#space.slab(number), slab);
  }
}
