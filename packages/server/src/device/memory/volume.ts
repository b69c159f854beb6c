import { checkName, systemError } from '../names.ts';
import type { Volume, VolumeFile } from '../types.ts';
import { type Change, crashedBytes, crashedNames, type NameChange, seededDice } from './crash.ts';
import { SparseBytes } from './sparse.ts';

/** A volume in memory that can lose its power. */
export interface MemoryVolume extends Volume {
  /**
   * Loses the power now. Returns the volume as it may be found afterwards: one of the legal states, chosen by the seed.
   * - Writes and truncations that a sync covered are there; each of the others is there, gone, or there in part (512-byte sectors),
   *   independently of the order in which they were made.
   * - Creations, renames and removals that `syncDirectory` covered hold; each of the others holds or does not.
   * Every further use of this volume and its files fails.
   */
  crash(seed: number): MemoryVolume;
}

class Inode {
  /** What a program sees. */
  readonly current: SparseBytes;
  /** What is sure to survive. */
  readonly durable: SparseBytes;
  /** Changes since the durable state, in order. */
  pending: Change[] = [];
  /** Changes that syncs have covered so far. */
  covered = 0;
  /** False once no name leads here any more: then its bytes do not count as used. */
  linked = true;

  constructor(bytes: SparseBytes) {
    this.current = bytes;
    this.durable = bytes.clone();
  }
}

/** Lets other work run first, so that a crash can fall between the call of a sync and its end. */
const moment = (): Promise<void> => Promise.resolve();

class Memory implements MemoryVolume {
  readonly #names: Map<string, Inode>;
  #durableNames: Map<string, Inode>;
  #pendingNames: NameChange<Inode>[] = [];
  readonly #total: number;
  #used = 0;
  #crashed = false;

  constructor(total: number, files: Map<string, SparseBytes>) {
    this.#total = total;
    this.#names = new Map();
    for (const [name, bytes] of files) {
      this.#names.set(name, new Inode(bytes));
      this.#used += bytes.allocated;
    }
    this.#durableNames = new Map(this.#names);
  }

  #alive(): void {
    if (this.#crashed) throw systemError('EIO', 'power lost', 'memory volume');
  }

  #inode(name: string, call: string): Inode {
    checkName(name);
    this.#alive();
    const inode = this.#names.get(name);
    if (!inode) throw systemError('ENOENT', call, name);
    return inode;
  }

  async open(name: string, mode: 'create' | 'existing' | 'read'): Promise<VolumeFile> {
    checkName(name);
    this.#alive();
    if (mode === 'create' && !this.#names.has(name)) {
      const inode = new Inode(new SparseBytes());
      this.#names.set(name, inode);
      this.#pendingNames.push({ gone: undefined, name, inode });
    }
    return this.#file(this.#inode(name, 'open'), name, mode !== 'read');
  }

  #file(inode: Inode, name: string, writable: boolean): VolumeFile {
    let closed = false;
    const live = (write: boolean): void => {
      this.#alive();
      if (closed || (write && !writable)) throw systemError('EBADF', closed ? 'use after close' : 'write', name);
    };
    return {
      read: async (into, position) => {
        live(false);
        return inode.current.read(into, position);
      },
      write: async (pieces, position) => {
        live(true);
        const bytes = Buffer.concat(pieces);
        const cost = inode.current.cost(position, bytes.length);
        if (this.#used + cost > this.#total) throw systemError('ENOSPC', 'write', name);
        if (inode.linked) this.#used += cost;
        inode.current.write(bytes, position);
        if (bytes.length > 0) inode.pending.push({ position, bytes });
      },
      sync: async () => {
        live(false);
        const upTo = inode.covered + inode.pending.length;
        await moment();
        this.#alive();
        const covers = Math.max(0, upTo - inode.covered);
        inode.covered += covers;
        for (const change of inode.pending.splice(0, covers)) {
          if ('length' in change) inode.durable.truncate(change.length);
          else inode.durable.write(change.bytes, change.position);
        }
      },
      truncate: async (length) => {
        live(true);
        const before = inode.current.allocated;
        inode.current.truncate(length);
        if (inode.linked) this.#used += inode.current.allocated - before;
        inode.pending.push({ length });
      },
      size: async () => {
        live(false);
        return inode.current.length;
      },
      close: async () => {
        closed = true;
      },
    };
  }

  async list(): Promise<string[]> {
    this.#alive();
    return [...this.#names.keys()].sort();
  }

  async rename(from: string, to: string): Promise<void> {
    checkName(to);
    const inode = this.#inode(from, 'rename');
    if (from === to) return;
    this.#drop(to);
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#pendingNames.push({ gone: from, name: to, inode });
  }

  async remove(name: string): Promise<void> {
    this.#inode(name, 'remove');
    this.#drop(name);
    this.#pendingNames.push({ gone: name, name: undefined, inode: undefined });
  }

  #drop(name: string): void {
    const inode = this.#names.get(name);
    if (!inode) return;
    this.#used -= inode.current.allocated;
    inode.linked = false;
    this.#names.delete(name);
  }

  async syncDirectory(): Promise<void> {
    this.#alive();
    const covered = this.#pendingNames.length;
    await moment();
    this.#alive();
    this.#durableNames = crashedNames(this.#durableNames, this.#pendingNames.splice(0, covered), () => true);
  }

  async capacity(): Promise<{ total: number; free: number }> {
    this.#alive();
    return { total: this.#total, free: this.#total - this.#used };
  }

  crash(seed: number): MemoryVolume {
    this.#alive();
    this.#crashed = true;
    const dice = seededDice(seed);
    const odds = dice.odds();
    const names = crashedNames(this.#durableNames, this.#pendingNames, () => dice.chance(odds));
    const files = new Map<string, SparseBytes>();
    for (const [name, inode] of names) files.set(name, crashedBytes(inode.durable, inode.pending, dice));
    return new Memory(this.#total, files);
  }
}

/** @param options.capacity bytes of all files together (in pages of 4 KiB); writes beyond fail with ENOSPC */
export function memoryVolume(options: { readonly capacity?: number } = {}): MemoryVolume {
  return new Memory(options.capacity ?? 2 ** 40, new Map());
}
