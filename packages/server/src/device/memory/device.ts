import type { Host } from '../../host/index.ts';
import { adoptDevice } from '../adopt.ts';
import { openDevice } from '../device.ts';
import type { Device } from '../types.ts';
import { type MemoryVolume, memoryVolume } from './volume.ts';

const testStore = '00000000-0000-4000-8000-000000000001';

/** A device in memory, adopted and open, with the volume below it. */
export async function memoryDevice(
  host: Host,
  options: { readonly capacity?: number; readonly slabBytes?: number } = {},
): Promise<{ readonly device: Device; readonly volume: MemoryVolume }> {
  const volume = memoryVolume(options);
  const { identity } = await adoptDevice(volume, { store: testStore, create: true, host, ...options });
  return { device: openDevice({ volume, identity, host, class: 'memory', reserveBytes: 0 }), volume };
}
