import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { InvariantError, invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { isMissing, isSpaceExhausted } from './names.ts';
import { reserveOf } from './reserve.ts';
import { type Slab, Slabs, slabNumbers } from './slabs.ts';
import type { Device, DeviceClass, DeviceHealth, DeviceIdentity, Volume } from './types.ts';

/*
 * A device is an address space over slab files.
 *
 * Slab n holds the addresses [n × slabBytes, (n + 1) × slabBytes). Its file is sparse, is made by the first write, and its name is
 * durable before the first sync of it resolves. A transfer never crosses a slab, so that one descriptor and one sync serve it.
 *
 * Invariants:
 * - When sync(address) resolves, every write to that slab which had resolved before the call is durable.
 * - After one failed sync nothing is ever read, written or synced through this device again. The kernel marks the pages of a failed
 *   write-back as clean: a second sync would succeed and mean nothing, and a read would show bytes that are not on the disk.
 * - Running out of space is not a failure: what is there can be read, and places that were written before can be written again.
 *
 * Every thread opens the device for itself. A failed write-back is reported once to each descriptor that was open, so each thread
 * that had written learns of it from its own sync.
 *
 * Rejected: one large file (the largest file and the cost of its block map differ between file systems; dropping, moving or checking
 * a piece is harder), and preallocating slabs (Node cannot ask for it without writing zeros, which doubles the writes).
 */

export interface DeviceOptions {
  readonly volume: Volume;
  readonly identity: DeviceIdentity;
  readonly host: Host;
  readonly class?: DeviceClass;
  /** Free bytes of the volume that are not for this device. Default {@link reserveOf}. */
  readonly reserveBytes?: number;
}

class SlabDevice implements Device {
  readonly identity: string;
  readonly class: DeviceClass;
  readonly slabBytes: number;
  readonly #volume: Volume;
  readonly #slabs: Slabs;
  readonly #reserve: number | undefined;
  #health: DeviceHealth = 'good';
  #stopCause: unknown;
  #stopWhy = '';

  constructor(options: DeviceOptions) {
    this.identity = options.identity.device;
    this.class = options.class ?? 'unknown';
    this.slabBytes = options.identity.slabBytes;
    this.#volume = options.volume;
    this.#slabs = new Slabs(options.volume, limits.openSlabs);
    this.#reserve = options.reserveBytes;
  }

  health(): DeviceHealth {
    return this.#health;
  }

  #unavailable(what: string, cause: unknown): StoreError {
    return new StoreError('ServiceUnavailable', { message: `Device ${this.identity} ${what}.`, cause });
  }

  #checkRunning(): void {
    if (this.#health !== 'stopped') return;
    throw this.#stopped();
  }

  /** What a failed call of the volume means to the caller. */
  #explain(error: unknown, what: string): unknown {
    if (error instanceof StoreError || error instanceof CorruptionError || error instanceof InvariantError)
      return error;
    if (isSpaceExhausted(error)) {
      if (this.#health === 'good') this.#health = 'full';
      return new StoreError('StorageFull', {
        message: `Device ${this.identity} is full: delete objects, make room on its file system (df -h, df -i), or add a data directory.`,
        cause: error,
      });
    }
    return this.#unavailable(what, error);
  }

  #stopped(): StoreError {
    return this.#unavailable(`is stopped, because ${this.#stopWhy} and restart the server`, this.#stopCause);
  }

  #stop(error: unknown, why = 'a sync of it failed; check its disk'): StoreError {
    if (this.#health !== 'stopped') {
      this.#health = 'stopped';
      this.#stopCause = error;
      this.#stopWhy = why;
    }
    return this.#stopped();
  }

  async capacity(): Promise<{ total: number; free: number; owed: number }> {
    this.#checkRunning();
    try {
      const { total, free } = await this.#volume.capacity();
      const reserve = this.#reserve ?? reserveOf(total);
      const left = Math.max(0, free - reserve);
      // The health may have changed to 'stopped' meanwhile.
      if (this.#health !== 'stopped') this.#health = left > 0 ? 'good' : 'full';
      return { total, free: left, owed: Math.max(0, reserve - free) };
    } catch (error) {
      // Slabs that are open take writes still, into files that no later start finds.
      if (isMissing(error)) throw this.#stop(error, 'its directory is gone; put it back, with all that was in it,');
      throw this.#explain(error, 'cannot tell its capacity');
    }
  }

  async slabs(): Promise<readonly number[]> {
    this.#checkRunning();
    try {
      return slabNumbers(await this.#volume.list());
    } catch (error) {
      throw this.#explain(error, 'cannot list its slabs');
    }
  }

  /** Offset within its slab; checks that the transfer stays inside. */
  #offset(address: number, length: number): number {
    invariant(Number.isSafeInteger(address) && address >= 0, 'an address is a whole number');
    const offset = address % this.slabBytes;
    invariant(offset + length <= this.slabBytes, 'a transfer never crosses a slab');
    return offset;
  }

  async read(into: Uint8Array, address: number): Promise<void> {
    this.#checkRunning();
    const offset = this.#offset(address, into.length);
    const index = (address - offset) / this.slabBytes;
    let slab: Slab | undefined;
    try {
      slab = this.#slabs.get(index) ?? (await this.#slabs.open(index, false));
      slab.busy++;
      const got = await slab.file.read(into, offset);
      if (got !== into.length)
        throw new CorruptionError(`address ${address + got} of device ${this.identity} was never written`);
    } catch (error) {
      throw this.#explain(error, 'cannot be read');
    } finally {
      if (slab) slab.busy--;
    }
    this.#checkRunning();
  }

  async write(pieces: readonly Uint8Array[], address: number): Promise<void> {
    this.#checkRunning();
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const offset = this.#offset(address, length);
    const index = (address - offset) / this.slabBytes;
    let slab: Slab | undefined;
    try {
      slab = this.#slabs.get(index) ?? (await this.#slabs.open(index, true));
      slab.busy++;
      await slab.file.write(pieces, offset);
    } catch (error) {
      throw this.#explain(error, 'cannot be written');
    } finally {
      if (slab) {
        slab.busy--;
        // Only now: a sync that began while the bytes were on their way does not cover them.
        slab.dirty = true;
      }
    }
  }

  async sync(address: number): Promise<void> {
    this.#checkRunning();
    const index = Math.floor(address / this.slabBytes);
    const slab = this.#slabs.get(index);
    if (!slab) return; // Never written in this thread, or synced and closed since.
    slab.busy++;
    try {
      await slab.named(this.#volume);
      await slab.sync.covered();
    } catch (error) {
      throw this.#stop(error);
    } finally {
      slab.busy--;
    }
    this.#checkRunning();
  }

  /** Node has no call that punches a hole, but it can cut a file: so only the end of a slab goes back to the volume. */
  async discard(address: number, length: number): Promise<void> {
    this.#checkRunning();
    const offset = this.#offset(address, length);
    let slab: Slab | undefined;
    try {
      const index = (address - offset) / this.slabBytes;
      slab = this.#slabs.get(index) ?? (await this.#slabs.open(index, false));
      slab.busy++;
      const size = await slab.file.size();
      if (offset < size && size <= offset + length) await slab.file.truncate(offset);
    } catch (error) {
      // No such slab: there is nothing to give back.
      if (!(error instanceof CorruptionError)) throw this.#explain(error, 'cannot be cut');
    } finally {
      if (slab) slab.busy--;
    }
  }

  close(): Promise<void> {
    return this.#slabs.close();
  }
}

/** Opens an adopted device in this thread. Nothing is read or made before the first call. */
export function openDevice(options: DeviceOptions): Device {
  return new SlabDevice(options);
}
