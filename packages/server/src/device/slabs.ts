import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { GroupCommit } from './group.ts';
import { isMissing } from './names.ts';
import type { Volume, VolumeFile } from './types.ts';

/** An open slab. */
export class Slab {
  readonly file: VolumeFile;
  readonly sync: GroupCommit;
  /** Calls under way. */
  busy = 0;
  /** Written since the last sync. Such a slab stays open: the system reports a failed write-back to the descriptors open at the time. */
  dirty = false;
  #named: Promise<void> | undefined;

  constructor(file: VolumeFile) {
    this.file = file;
    this.sync = new GroupCommit(() => {
      this.dirty = false;
      return this.file.sync();
    });
  }

  /** Makes the slab's name durable, once. Another thread may have made the file and not yet synced its name, so nobody relies on finding it. */
  named(volume: Volume): Promise<void> {
    this.#named ??= volume.syncDirectory();
    return this.#named;
  }
}

export const slabName = (index: number): string => `slab-${String(index).padStart(6, '0')}`;

/** The slabs among the files of a volume, in order. */
export function slabNumbers(names: readonly string[]): number[] {
  const numbers = names.flatMap((name) => {
    const number = Number(/^slab-(\d{6,})$/.exec(name)?.[1] ?? Number.NaN);
    return number < limits.slabs ? [number] : [];
  });
  return numbers.sort((a, b) => a - b);
}

/** The slabs of one device that are open in this thread. */
export class Slabs {
  readonly #volume: Volume;
  readonly #maximum: number;
  readonly #open = new Map<number, Slab>();
  readonly #opening = new Map<number, Promise<Slab>>();

  constructor(volume: Volume, maximum: number) {
    this.#volume = volume;
    this.#maximum = maximum;
  }

  /** The slab when it is open already: the usual case, without a promise. */
  get(index: number): Slab | undefined {
    return this.#open.get(index);
  }

  /**
   * @param create makes the slab when it is missing
   * @throws CorruptionError when it is missing and not to be made: nothing was ever written there
   */
  async open(index: number, create: boolean): Promise<Slab> {
    invariant(Number.isSafeInteger(index) && index >= 0, 'a slab has a whole number');
    const opening = this.#opening.get(index);
    if (opening) {
      const slab = await opening.catch(() => undefined);
      if (slab) return slab;
    }
    const slab = this.#open.get(index);
    if (slab) return slab;
    const mine = this.#openFile(index, create);
    this.#opening.set(index, mine);
    try {
      return await mine;
    } finally {
      if (this.#opening.get(index) === mine) this.#opening.delete(index);
    }
  }

  async #openFile(index: number, create: boolean): Promise<Slab> {
    await this.#makeRoom();
    try {
      const slab = new Slab(await this.#volume.open(slabName(index), create ? 'create' : 'existing'));
      const twin = this.#open.get(index);
      if (twin) {
        await slab.file.close();
        return twin;
      }
      this.#open.set(index, slab);
      return slab;
    } catch (error) {
      if (isMissing(error))
        throw new CorruptionError(`${slabName(index)} does not exist: nothing was ever written there`);
      throw error;
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#open.size < this.#maximum) return;
    for (const [index, slab] of this.#open) {
      if (slab.busy > 0 || slab.dirty || !slab.sync.idle) continue;
      this.#open.delete(index);
      await slab.file.close();
      return;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#opening.values());
    const slabs = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(slabs.map((slab) => slab.file.close()));
  }
}
