import path from 'node:path';
import { type Device, type DeviceIdentity, diskClass, fileVolume, openDevice } from '../device/index.ts';
import type { Host } from '../host/index.ts';

/** One device of this server: plain data, so that every thread can open it for itself. */
export interface DeviceSite {
  readonly identity: DeviceIdentity;
  /** The directory with the slabs. */
  readonly folder: string;
}

/** Where the index of a device lies: beside its slabs. */
export const indexFolder = (slabs: string): string => path.join(slabs, 'index');

/** Opens a device that the owner's thread has adopted. */
export async function openSite(site: DeviceSite, host: Host): Promise<Device> {
  return openDevice({
    volume: fileVolume(site.folder),
    identity: site.identity,
    host,
    class: await diskClass(site.folder),
  });
}
