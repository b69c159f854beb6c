import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { type Device, GroupCommit } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { blockBytes, type Geometry, isPlausible, roundUp } from './geometry.ts';
import type { Window } from './types.ts';

/*
 * The table of open windows, format 1 (docs/formats/fragments.md): two copies at the start of slab 0, written in turn. Each says all.
 *
 *   0  magic "DSFW"            u32
 *   4  format                  u32
 *   8  sequence                u64   grows by one with every writing; the valid copy with the larger one counts
 *  16  bytes of the body       u32
 *  20  body: number of windows, then for each: nonce 8, number of runs, then for each: first block, blocks (varints); then the mark (varint)
 *      CRC32C of all before    u32
 */

const magic = 0x57465344;
const format = 1;
const fixedBytes = 20;

export interface StoredTable {
  readonly sequence: number;
  readonly windows: readonly Window[];
  /** The index must have this mark, or a higher one: it covers every window that was taken off the list. */
  readonly mark: number;
}

function encodeTable(sequence: number, windows: Iterable<Window>, mark: number): Buffer {
  let count = 0;
  const entries = new ByteWriter(4096);
  for (const { nonce, runs } of windows) {
    count++;
    entries.raw(nonce).varint(runs.length);
    for (const run of runs) entries.varint(run.address / blockBytes).varint(run.length / blockBytes);
  }
  const body = new ByteWriter(entries.length + 16).varint(count).raw(entries.finish()).varint(mark).finish();
  const head = new ByteWriter(fixedBytes + body.length + 4)
    .u32(magic)
    .u32(format)
    .u64(sequence)
    .u32(body.length)
    .raw(body);
  const bytes = head.finish();
  const out = Buffer.alloc(roundUp(bytes.length + 4));
  bytes.copy(out);
  out.writeUInt32LE(crc32c(bytes), bytes.length);
  return out;
}

/** @returns undefined when this copy was never written or is not whole @throws CorruptionError for a format that is not known */
export function decodeTable(geometry: Geometry, slot: Buffer): StoredTable | undefined {
  if (slot.readUInt32LE(0) !== magic) return undefined;
  const end = fixedBytes + slot.readUInt32LE(16);
  if (end + 4 > slot.length || crc32c(slot.subarray(0, end)) !== slot.readUInt32LE(end)) return undefined;
  const reader = new ByteReader(slot.subarray(4, end));
  const found = reader.u32();
  if (found !== format) throw new CorruptionError(`the window table has format ${found}, which is unknown`);
  const sequence = reader.u64();
  reader.u32();
  const windows: Window[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const nonce = Buffer.from(reader.raw(8));
    const runs = [];
    for (let more = reader.varint(); more > 0; more--) {
      const run = { address: reader.varint() * blockBytes, length: reader.varint() * blockBytes };
      if (!isPlausible(geometry, run.address, run.length)) throw new CorruptionError('the window table makes no sense');
      runs.push(run);
    }
    windows.push({ nonce, runs });
  }
  // Missing in tables that were written before there were marks.
  return { sequence, windows, mark: reader.remaining > 0 ? reader.varint() : 0 };
}

/** What the table of a device says when it is opened. */
export interface ListedWindows {
  readonly table: WindowTable;
  readonly windows: readonly Window[];
  /** Whether any window was ever listed. */
  readonly used: boolean;
  /** There is something, and none of it is whole. */
  readonly damaged: boolean;
}

/** Keeps the list of open windows on the device. */
export class WindowTable {
  readonly #device: Device;
  readonly #geometry: Geometry;
  readonly #current: () => Iterable<Window>;
  readonly #rounds = new GroupCommit(() => this.#write());
  #sequence: number;
  /** Of the index, at its newest checkpoint. */
  #mark: number;

  private constructor(
    device: Device,
    geometry: Geometry,
    newest: StoredTable | undefined,
    current: () => Iterable<Window>,
  ) {
    this.#device = device;
    this.#geometry = geometry;
    this.#sequence = newest?.sequence ?? 0;
    this.#mark = newest?.mark ?? 0;
    this.#current = current;
  }

  /**
   * Reads the table of a device, or makes an empty one.
   * @param current gives the windows that the next writing shall hold
   */
  static async open(device: Device, geometry: Geometry, current: () => Iterable<Window>): Promise<ListedWindows> {
    const bytes = Buffer.alloc(2 * geometry.tableBytes);
    try {
      await device.read(bytes, 0);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      // Never written as a whole, so never synced, so no window was ever open. Take the space now: on a full disk it must be there.
      await device.write([Buffer.alloc(bytes.length)], 0);
      await device.sync(0);
    }
    let newest: StoredTable | undefined;
    for (const at of [0, geometry.tableBytes]) {
      const stored = decodeTable(geometry, bytes.subarray(at, at + geometry.tableBytes));
      if (stored && stored.sequence > (newest?.sequence ?? 0)) newest = stored;
    }
    const table = new WindowTable(device, geometry, newest, current);
    // A first writing that was cut short counts too: nothing lies behind it then.
    const damaged = newest === undefined && bytes.some((byte) => byte !== 0);
    return { table, windows: newest?.windows ?? [], used: newest !== undefined, damaged };
  }

  /** Whether a table of these windows has its place; each number takes at most five bytes up to 2^35 blocks, which is 128 TiB. */
  fits(windows: Iterable<Pick<Window, 'runs'>>): boolean {
    let bytes = fixedBytes + 24;
    for (const { runs } of windows) bytes += 10 + runs.length * 10;
    return bytes <= this.#geometry.tableBytes;
  }

  get mark(): number {
    return this.#mark;
  }

  /**
   * The windows as they are at the start of the next writing are durable when it resolves. Calls share one.
   * @param mark of a checkpoint that has ended: from now on an index without it is too old for the device
   */
  save(mark = 0): Promise<void> {
    this.#mark = Math.max(this.#mark, mark);
    return this.#rounds.covered();
  }

  async #write(): Promise<void> {
    const sequence = this.#sequence + 1;
    const bytes = encodeTable(sequence, this.#current(), this.#mark);
    invariant(bytes.length <= this.#geometry.tableBytes, 'the window table has room for every window');
    // A failed writing leaves the other copy whole: the sequence stays, and the next one goes to the same place.
    const slot = (sequence % 2) * this.#geometry.tableBytes;
    await this.#device.write([bytes], slot);
    await this.#device.sync(slot);
    this.#sequence = sequence;
  }
}
