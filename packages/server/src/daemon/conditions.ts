import type { Device } from '../device/index.ts';
import type { DeviceCondition } from '../durability/index.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';

/** What a thread knows of its devices without asking them: free space is asked for now and then, health is always at hand. */
export class DeviceConditions {
  readonly #devices: ReadonlyMap<string, Device>;
  readonly #free = new Map<string, number>();
  readonly #stop: () => void;

  private constructor(devices: ReadonlyMap<string, Device>, host: Host) {
    this.#devices = devices;
    this.#stop = host.timers.every(limits.capacityMs, () => void this.#refresh());
  }

  static async watch(devices: ReadonlyMap<string, Device>, host: Host): Promise<DeviceConditions> {
    const conditions = new DeviceConditions(devices, host);
    await conditions.#refresh();
    return conditions;
  }

  async #refresh(): Promise<void> {
    for (const [identity, device] of this.#devices) {
      // A device that cannot say how much is free keeps its last figure; its health says the rest.
      const capacity = await device.capacity().catch(() => undefined);
      if (capacity) this.#free.set(identity, capacity.free);
    }
  }

  /**
   * A full device is healthy, and never quite full: asking it to write is how a client learns that the storage is full, and its slabs may
   * have space free that was used before, which the disk does not count.
   */
  of(identity: string): DeviceCondition {
    const health = this.#devices.get(identity)?.health();
    return { healthy: health !== undefined && health !== 'stopped', free: this.#free.get(identity) || 1 };
  }

  close(): void {
    this.#stop();
  }
}
