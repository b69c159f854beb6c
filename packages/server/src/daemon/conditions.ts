import type { Device, DeviceHealth } from '../device/index.ts';
import type { DeviceCondition } from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';

/**
 * One slot for each device of this server, in the order of its sites: not 0 once a thread has stopped the device. Shared by the threads, for each
 * has opened it for itself: a disk on which a sync of one of them failed is trusted by none.
 */
export type StoppedDevices = Int32Array;

export const newStoppedDevices = (devices: number): StoppedDevices =>
  new Int32Array(new SharedArrayBuffer(devices * Int32Array.BYTES_PER_ELEMENT));

/** What a thread knows of its devices without asking them: free space is asked for now and then, health is always at hand. */
export class DeviceConditions {
  readonly #devices: ReadonlyMap<string, Device>;
  readonly #slots: ReadonlyMap<string, number>;
  readonly #stopped: StoppedDevices;
  readonly #free = new Map<string, number>();
  readonly #stop: () => void;

  private constructor(devices: ReadonlyMap<string, Device>, host: Host, stopped: StoppedDevices) {
    this.#devices = devices;
    this.#slots = new Map([...devices.keys()].map((identity, slot) => [identity, slot]));
    this.#stopped = stopped;
    this.#stop = host.timers.every(limits.capacityMs, () => void this.#refresh());
  }

  /** @param devices in the order of the sites; @param stopped that of the other threads, when there are any */
  static async watch(
    devices: ReadonlyMap<string, Device>,
    host: Host,
    stopped: StoppedDevices = newStoppedDevices(devices.size),
  ): Promise<DeviceConditions> {
    const conditions = new DeviceConditions(devices, host, stopped);
    await conditions.#refresh();
    return conditions;
  }

  async #refresh(): Promise<void> {
    for (const [identity, device] of this.#devices) {
      // A device that cannot say how much is free keeps its last figure; its health says the rest.
      const capacity = await device.capacity().catch(() => undefined);
      if (capacity) this.#free.set(identity, capacity.free);
      // The others hear of it even when nobody asks this thread.
      this.health(identity);
    }
  }

  /** `stopped` once any thread has stopped it; undefined for a device that is not one of this server. */
  health(identity: string): DeviceHealth | undefined {
    const slot = this.#slots.get(identity);
    if (slot === undefined) return undefined;
    const health = this.#devices.get(identity)?.health();
    if (health === 'stopped') Atomics.store(this.#stopped, slot, 1);
    return Atomics.load(this.#stopped, slot) === 0 ? health : 'stopped';
  }

  /**
   * A full device is healthy, and never quite full: asking it to write is how a client learns that the storage is full, and its slabs may
   * have space free that was used before, which the disk does not count.
   */
  of(identity: string): DeviceCondition {
    const health = this.health(identity);
    return { healthy: health !== undefined && health !== 'stopped', free: this.#free.get(identity) || 1 };
  }

  close(): void {
    this.#stop();
  }
}
