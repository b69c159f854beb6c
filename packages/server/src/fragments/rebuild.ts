import type { Device } from '../device/index.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { type BlockRange, blockBytes, blocksOf, firstBlock } from './geometry.ts';
import { decodeHeader, headerBytesAt } from './header.ts';
import { hold, letGo } from './held.ts';
import { encodeFragment, fragmentKey } from './rows.ts';
import { Draft, type Space } from './space.ts';
import type { Extent, FragmentId, FragmentRecord, RebuildReport } from './types.ts';
import { readAll, settle, walk } from './walk.ts';

/*
 * Makes an index anew from the slabs, when it was lost or cannot be believed: every fragment carries a header that describes it.
 *
 * Slabs also hold headers of fragments that were removed, for freed space keeps its bytes until it is used again. A header alone therefore proves
 * nothing: whoever knows which fragments are published, or may yet be (`mayBeOwned`), is asked about each. Of a fragment that was written twice on this device (a repair)
 * both headers may be there; they have the same bytes, and the first one whose every byte fits its checksums is taken. Only where none does, one that
 * is damaged is taken, if a published stripe needs it (`owned`) and no other fragment its space: its other blocks can still be read, and a repair has
 * something to replace.
 *
 * What begins with a block that cannot be read is held (held.ts). Everything else is free space afterwards: fragments of PUTs that never ended, and removed ones. Rows that the index still has are kept, so a
 * search that was cut short goes on where it was.
 *
 * Rejected: reading headers only (a few percent of the bytes): a header whose data was overwritten since could hide a live fragment inside.
 */

export interface RebuildOptions {
  /** Whether a published stripe needs this fragment. */
  readonly owned: (id: FragmentId) => boolean;
  /**
   * The same, or it may be published while the index is made anew: what another node wrote here, under an intent that is open still. Where nobody else writes, the same
   * as `owned`: of a fragment that was removed under such an intent the header is there too, and whoever sweeps the intent has to remove it once more.
   */
  readonly mayBeOwned: (id: FragmentId) => boolean;
  /**
   * Whether a published stripe needs this fragment, or an intent still covers it: then its stripe may yet be published, or whoever sweeps the intent
   * removes it. Asked of what lies in a listed window without a row; nobody would ever remove what nothing explains.
   */
  readonly explained: (id: FragmentId) => boolean;
  /** Called after each slab. */
  readonly onProgress?: (progress: RebuildProgress) => void;
}

/** How far a rebuilding is. */
export interface RebuildProgress {
  readonly slabs: number;
  readonly slabsInAll: number;
  readonly fragments: number;
}

/** Rows on their way into the index, many to a commit; the KV is flushed often enough to use its space again. */
class Rows {
  readonly #device: Device;
  readonly #kv: Kv;
  readonly #space: Space;
  #records: FragmentRecord[] = [];
  readonly #waiting = new Set<string>();
  count = 0;

  constructor(device: Device, kv: Kv, space: Space) {
    this.#device = device;
    this.#kv = kv;
    this.#space = space;
  }

  has(id: FragmentId): boolean {
    return this.#waiting.has(id.toString('latin1')) || this.#kv.get(fragmentKey(id)) !== undefined;
  }

  async add(record: FragmentRecord): Promise<void> {
    this.#records.push(record);
    this.#waiting.add(record.id.toString('latin1'));
    this.count++;
    if (this.#records.length >= limits.jobPage) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#records.length === 0) return;
    const slabs = new Set(this.#records.map(({ extent }) => blocksOf(this.#space.geometry, extent).slab));
    await settle(this.#device, this.#space, slabs);
    const draft = new Draft(this.#space);
    const rows = this.#records.map((record): readonly [Buffer, Buffer] => {
      draft.use(record.extent);
      const key = fragmentKey(record.id);
      return [key, encodeFragment(key, record)];
    });
    this.#kv.commit([...rows, ...draft.rows()]);
    draft.apply();
    this.#space.trim();
    this.#records = [];
    this.#waiting.clear();
    if (this.#kv.statistics().pendingBytes >= limits.checkpointPendingBytes) await this.#kv.checkpoint();
  }
}

/** Adds the rows of all fragments that the slabs hold and the index has not, if they may be owned. Not durable yet. */
export async function rebuildIndex(
  device: Device,
  kv: Kv,
  space: Space,
  held: readonly Extent[],
  rebuild: RebuildOptions,
): Promise<RebuildReport> {
  const { geometry } = space;
  letGo(kv, space, held);
  const slabs = await device.slabs();
  const runs = slabs.map((slab): Extent => {
    while (space.slabs.length <= slab) space.addSlab();
    const start = firstBlock(geometry, slab) * blockBytes;
    return { address: slab * geometry.slabBytes + start, length: geometry.slabBytes - start };
  });
  return search(device, kv, space, runs, rebuild, (fragments, done) =>
    rebuild.onProgress?.({ slabs: done, slabsInAll: slabs.length, fragments }),
  );
}

/** Looks again through what could not be read before, and adds the rows of what is found. Not durable yet. */
export async function searchHeld(
  device: Device,
  kv: Kv,
  space: Space,
  held: readonly Extent[],
  rebuild: RebuildOptions,
): Promise<RebuildReport> {
  letGo(kv, space, held);
  return search(device, kv, space, held, rebuild, () => {});
}

async function search(
  device: Device,
  kv: Kv,
  space: Space,
  runs: readonly Extent[],
  { owned, mayBeOwned }: RebuildOptions,
  progressed: (fragments: number, done: number) => void,
): Promise<RebuildReport> {
  const { geometry } = space;
  const rows = new Rows(device, kv, space);
  const met = { torn: 0, unreadableBytes: 0, readBytes: 0 };
  /** Addresses of wanted fragments with damaged bytes: a number each. */
  const damaged: number[] = [];
  const unreadable: BlockRange[] = [];
  for (const [index, run] of runs.entries()) {
    await walk(device, space, { nonce: undefined, runs: [run] }, met, {
      wanted: ({ id }) => mayBeOwned(id) && !rows.has(id),
      async found(record) {
        await rows.add(record);
        return true;
      },
      torn: ({ extent }) => void damaged.push(extent.address),
      unreadable: (blocks) => void unreadable.push(blocks),
    });
    await rows.flush();
    if (met.readBytes > 0) progressed(rows.count, index + 1);
  }
  const whole = rows.count;
  for (const address of damaged) {
    const record = await headerAt(device, space, address);
    if (!record || !owned(record.id) || rows.has(record.id)) continue;
    const range = blocksOf(geometry, record.extent);
    if (space.nextUsed(range) < range.to) continue;
    await rows.add(record);
    await rows.flush();
  }
  return {
    fragments: rows.count,
    damaged: rows.count - whole,
    heldBytes: hold(kv, space, unreadable),
    readBytes: met.readBytes,
    unreadableBytes: met.unreadableBytes,
  };
}

async function headerAt(device: Device, space: Space, address: number): Promise<FragmentRecord | undefined> {
  const met = { unreadableBytes: 0 };
  const block = Buffer.allocUnsafe(blockBytes);
  if (!(await readAll(device, block, address, met))) return undefined;
  const headerBytes = headerBytesAt(block);
  if (headerBytes === undefined) return undefined;
  const header = Buffer.allocUnsafe(headerBytes);
  return (await readAll(device, header, address, met)) ? decodeHeader(space.geometry, header, address) : undefined;
}
