import { crc32c } from '../codec/index.ts';
import type { Device } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { type BlockRange, blockBytes, blocksOf } from './geometry.ts';
import { decodeHeader, headerBytesAt } from './header.ts';
import type { Space } from './space.ts';
import type { Extent, FragmentRecord } from './types.ts';

const chunkBytes = 1024 * 1024;

/** Where to look, and for the headers of which window; undefined: of any. */
export interface Search {
  readonly nonce: Uint8Array | undefined;
  readonly runs: readonly Extent[];
}

/** What a walk met besides fragments. */
export interface WalkReport {
  /** Bytes that were there to be looked through. */
  readBytes?: number;
  /** Headers whose data was not all there: a seal that never finished. */
  torn: number;
  /** Bytes that could not be read. */
  unreadableBytes: number;
}

export interface Visitor {
  /** A fragment whose data is whole. Says whether its space belongs to it now: then the walk goes on behind it, otherwise with the next block. */
  found(record: FragmentRecord): boolean | Promise<boolean>;
  /** Whether such a fragment is looked for; when not, its data is not read. Absent: all are. */
  wanted?(record: FragmentRecord): boolean;
  /** A fragment whose data is not whole. */
  torn?(record: FragmentRecord): void;
  /** A block that cannot be read, and the end of what was ever written behind it in this run: a fragment may begin with it. */
  unreadable?(blocks: BlockRange): void;
}

/**
 * Makes what a walk found durable. It reads what the device shows, and a process that was killed may have written that and not synced it: a row that said it is there
 * would outlive it.
 * @param slabs in which something was found
 * @throws what stops the device
 */
export async function settle(device: Device, { geometry }: Space, slabs: ReadonlySet<number>): Promise<void> {
  for (const slab of slabs) await device.sync(slab * geometry.slabBytes);
}

/** Looks through the unused blocks for headers, in order of address, and shows each fragment to the visitor. */
export async function walk(
  device: Device,
  space: Space,
  search: Search,
  report: WalkReport,
  visitor: Visitor,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (const run of search.runs) {
    const { slab, from, to } = blocksOf(space.geometry, run);
    const base = slab * space.geometry.slabBytes;
    const unreadable: number[] = [];
    let end = from;
    for (let block = from; block < to; ) {
      const free = space.nextUsed({ slab, from: block, to });
      if (free === block) {
        block++;
        continue;
      }
      const chunk = buffer.subarray(0, Math.min(chunkBytes, (free - block) * blockBytes));
      const got = await readWhatIsThere(device, chunk, base + block * blockBytes, report);
      for (const at of got.unreadable) unreadable.push(block + at);
      end = block + got.blocks;
      report.readBytes = (report.readBytes ?? 0) + got.blocks * blockBytes;
      if (got.end && got.blocks === 0) break; // Nothing of this slab was ever written from here on.
      block = await walkChunk(chunk.subarray(0, got.blocks * blockBytes), block);
    }
    for (const block of unreadable) visitor.unreadable?.({ slab, from: block, to: end });

    async function walkChunk(chunk: Buffer, first: number): Promise<number> {
      for (let at = 0; at < chunk.length; ) {
        const block = first + at / blockBytes;
        const headerBytes = headerBytesAt(chunk.subarray(at, at + blockBytes), search.nonce);
        const record = headerBytes === undefined ? undefined : await examine(base + block * blockBytes, headerBytes);
        if (record && (await visitor.found(record))) {
          at += record.extent.length;
          if (at > chunk.length) return first + at / blockBytes;
        } else {
          at += blockBytes;
        }
      }
      return first + chunk.length / blockBytes;
    }

    /** The fragment whose header starts at this address, when it lies in unused blocks of this run and all of its bytes are right. */
    async function examine(address: number, headerBytes: number): Promise<FragmentRecord | undefined> {
      const header = Buffer.allocUnsafe(headerBytes);
      if (!(await readAll(device, header, address, report))) return undefined;
      const record = decodeHeader(space.geometry, header, address);
      if (!record || visitor.wanted?.(record) === false) return undefined;
      const range = blocksOf(space.geometry, record.extent);
      if (range.to > to || space.nextUsed(range) < range.to) return undefined;
      for (const [i, checksum] of record.checksums.entries()) {
        const start = i * record.checksumBytes;
        const bytes = Buffer.allocUnsafe(Math.min(record.checksumBytes, record.length - start));
        if (!(await readAll(device, bytes, address + headerBytes + start, report)) || crc32c(bytes) !== checksum) {
          report.torn++;
          visitor.torn?.(record);
          return undefined;
        }
      }
      return record;
    }
  }
}

/** @returns false when the bytes cannot be read, or cross the end of the slab */
export async function readAll(
  device: Device,
  into: Buffer,
  address: number,
  report: Pick<WalkReport, 'unreadableBytes'>,
): Promise<boolean> {
  const offset = address % device.slabBytes;
  if (offset + into.length > device.slabBytes) return false;
  try {
    await device.read(into, address);
    return true;
  } catch (error) {
    if (device.health() === 'stopped') throw error;
    if (!(error instanceof CorruptionError)) report.unreadableBytes += into.length;
    return false;
  }
}

/**
 * Reads a chunk; where that fails, block by block. Blocks that cannot be read are given as zeros.
 * @returns blocks read, those among them that could not be, and whether the slab ends behind them
 */
async function readWhatIsThere(
  device: Device,
  chunk: Buffer,
  address: number,
  report: WalkReport,
): Promise<{ blocks: number; unreadable: readonly number[]; end: boolean }> {
  try {
    await device.read(chunk, address);
    return { blocks: chunk.length / blockBytes, unreadable: [], end: false };
  } catch (error) {
    if (device.health() === 'stopped') throw error;
  }
  const unreadable: number[] = [];
  for (let at = 0; at < chunk.length; at += blockBytes) {
    const block = chunk.subarray(at, at + blockBytes);
    try {
      await device.read(block, address + at);
    } catch (error) {
      if (device.health() === 'stopped') throw error;
      if (error instanceof CorruptionError) return { blocks: at / blockBytes, unreadable, end: true };
      block.fill(0);
      unreadable.push(at / blockBytes);
      report.unreadableBytes += blockBytes;
    }
  }
  return { blocks: chunk.length / blockBytes, unreadable, end: false };
}
