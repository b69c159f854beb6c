import {
  type Fault,
  faultyVolume,
  type MemoryVolume,
  memoryVolume,
  type Volume,
  type VolumeCall,
  type VolumeFile,
} from '../../src/device/index.ts';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';

/*
 * Simulated disks: a memory volume that loses, tears and reorders what was not synced when the power goes (src/device/memory), below a layer
 * that fails and lies (src/device/faulty), below one that takes its time.
 *
 * What must be survived, by what lies on the disk. On one machine:
 *
 * | fault                               | devices                                            | log of the shard, keyring                |
 * |-------------------------------------|----------------------------------------------------|------------------------------------------|
 * | power lost: unsynced bytes lost,    | nothing that was acknowledged is lost, no wrong    | nothing that was acknowledged is lost    |
 * | torn, reordered                     | byte is given                                      |                                          |
 * | process killed                      | the same                                           | the same                                 |
 * | EIO on read                         | another copy answers; with none, an error          | not simulated: the log is read at start   |
 * | EIO on read, at a start             | on the sick device only: recovery takes what it     | the same                                 |
 * |                                     | cannot read for lost, and its space for free        |                                          |
 * | EIO on write                        | the write goes elsewhere or fails                  | the owner stops; after a start it goes on |
 * | EIO on sync                         | the device stops until the next start              | the owner stops; after a start it goes on |
 * | full (ENOSPC)                       | StorageFull; reads and deletes go on               | StorageFull, nothing of the entry is there|
 * | flip, torn, lost, misdirected write | noticed, read from another copy, repaired. On one  | not survivable with one copy: src/log     |
 * | flip, stale read                    | device of a machine at a time, and not where a     | shows that it is noticed                  |
 * |                                     | stripe has one copy                                |                                          |
 * | slow                                | all of it later                                    | the same                                 |
 *
 * A disk whose sync failed has lost its power when its process starts again: what the kernel kept of the failed write is gone for good,
 * whatever later syncs said.
 */

/** What a disk does wrong for a while. */
export type DiskFault =
  | 'read-error'
  | 'start-error'
  | 'write-error'
  | 'sync-error'
  | 'full'
  | 'flip'
  | 'torn'
  | 'lost'
  | 'misdirected'
  | 'stale'
  | 'slow';

/** Kinds that leave wrong bytes behind, or give them out, without saying so. */
export const lyingFaults: readonly DiskFault[] = ['flip', 'torn', 'lost', 'misdirected', 'stale'];

interface Spell {
  readonly kind: DiskFault;
  readonly until: number;
  /** Share of the calls that it hits. */
  readonly share: number;
}

export interface DiskCounts {
  /** Calls that went wrong, by kind. */
  readonly hit: ReadonlyMap<DiskFault, number>;
}

export class Disk implements DiskCounts {
  readonly name: string;
  readonly hit = new Map<DiskFault, number>();
  /** A process looks for what the one before left. */
  starting = false;
  /** A sync failed: the next start finds the disk as after a loss of power. */
  suspect = false;
  #volume: MemoryVolume;
  #spells: Spell[] = [];
  readonly #dice: Dice;
  readonly #now: () => number;
  /** Usual duration of a call, ms. */
  readonly #pace: number;

  constructor(
    name: string,
    dice: Dice,
    now: () => number,
    options: { readonly capacity?: number; readonly paceMs: number },
  ) {
    this.name = name;
    this.#dice = dice;
    this.#now = now;
    this.#pace = options.paceMs;
    this.#volume = memoryVolume(options.capacity === undefined ? {} : { capacity: options.capacity });
  }

  /** From now on, for so long, this goes wrong with a share of the calls. */
  sicken(kind: DiskFault, milliseconds: number, share: number): void {
    this.#spells.push({ kind, until: this.#now() + milliseconds, share });
  }

  heal(): void {
    this.#spells = [];
  }

  loosePower(): void {
    this.#volume = this.#volume.crash(this.#dice.u32());
    this.suspect = false;
  }

  /** The volume as one process uses it. */
  open(life: Life): Volume {
    const faulty = faultyVolume(this.#volume, (call) => this.#plan(call), life.host);
    return slowVolume(faulty, (length) => life.wait(this.#duration(length), this.name));
  }

  #duration(length: number): number {
    return this.#pace * (0.2 + this.#dice.float()) + length / 500_000;
  }

  #plan(call: VolumeCall): Fault | undefined {
    if (this.#spells.length === 0) return undefined;
    const now = this.#now();
    this.#spells = this.#spells.filter((spell) => spell.until > now);
    for (const { kind, share } of this.#spells) {
      if (this.starting ? kind === 'read-error' : kind === 'start-error') continue;
      if (!this.#dice.chance(share)) continue;
      const fault = faultFor(kind, call, this.#dice);
      if (!fault) continue;
      this.hit.set(kind, (this.hit.get(kind) ?? 0) + 1);
      if (kind === 'sync-error') this.suspect = true;
      return fault;
    }
    return undefined;
  }
}

/** How a spell shows in one call; undefined where it does not. */
function faultFor(kind: DiskFault, { call, length }: VolumeCall, dice: Dice): Fault | undefined {
  const read = call === 'read';
  const write = call === 'write';
  switch (kind) {
    case 'read-error':
    case 'start-error':
      return read ? { kind: 'error', code: 'EIO' } : undefined;
    case 'write-error':
      return write ? { kind: 'error', code: 'EIO' } : undefined;
    case 'sync-error':
      return call === 'sync' ? { kind: 'error', code: 'EIO' } : undefined;
    case 'full':
      return write ? { kind: 'error', code: 'ENOSPC' } : undefined;
    case 'flip':
      return read || write ? { kind: 'flip', bit: dice.u32() } : undefined;
    case 'torn':
      return write ? { kind: 'torn', bytes: dice.below(length + 1) } : undefined;
    case 'lost':
      return write ? { kind: 'lost' } : undefined;
    case 'misdirected':
      return write ? { kind: 'misdirected', by: dice.pick([-8192, -4096, 4096, 8192]) } : undefined;
    case 'stale':
      return read ? { kind: 'stale' } : undefined;
    case 'slow':
      return { kind: 'slow', milliseconds: dice.float() * 400 };
  }
}

/** What a call does happens somewhere between its beginning and its end: a crash may fall before or after it. */
function slowVolume(inner: Volume, pass: (length: number) => Promise<void>): Volume {
  const quick = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    await pass(0);
    return call();
  };
  const lasting = async (length: number, call: () => Promise<void>): Promise<void> => {
    await pass(length);
    await call();
    await pass(0);
  };
  const slowFile = (file: VolumeFile): VolumeFile => ({
    read: (into, position) => quick(() => file.read(into, position)),
    write: (pieces, position) =>
      lasting(
        pieces.reduce((sum, piece) => sum + piece.length, 0),
        () => file.write(pieces, position),
      ),
    sync: () => lasting(0, () => file.sync()),
    truncate: (length) => lasting(0, () => file.truncate(length)),
    size: () => quick(() => file.size()),
    close: () => file.close(),
  });
  return {
    open: async (name, mode) => slowFile(await quick(() => inner.open(name, mode))),
    list: () => quick(() => inner.list()),
    rename: (from, to) => lasting(0, () => inner.rename(from, to)),
    remove: (name) => lasting(0, () => inner.remove(name)),
    syncDirectory: () => lasting(0, () => inner.syncDirectory()),
    capacity: () => quick(() => inner.capacity()),
  };
}
