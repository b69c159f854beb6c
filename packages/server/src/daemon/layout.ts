import { fileVolume } from '../device/index.ts';
import { redundancyText } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { GroupRecord, Metadata, Redundancy } from '../metadata/index.ts';
import { codesOf, layoutOf, type PlacementDevice, planGroups, planLayout } from '../placement/index.ts';
import type { DeviceSite } from './sites.ts';

/** The devices of a server that is alone. */
export function siteDevices(sites: readonly DeviceSite[]): Promise<PlacementDevice[]> {
  return Promise.all(
    sites.map(async ({ identity, folder }) => {
      const { total } = await fileVolume(folder).capacity();
      return { identity: identity.device, weight: total, healthy: true };
    }),
  );
}

/** Devices of known groups that are not here. */
function absentOf(groups: readonly GroupRecord[], here: readonly PlacementDevice[]): string[] {
  const names = new Set(here.map(({ identity }) => identity));
  return [...new Set(groups.flatMap((group) => group.devices))].filter((device) => !names.has(device));
}

/**
 * Defines placement groups: at the start for every number of copies and for the codes that are in use, and later for
 * a code that is asked for the first time. One at a time, because each plan numbers its groups behind those that are there.
 */
export class Layout {
  readonly #metadata: Pick<Metadata, 'reader' | 'propose'>;
  readonly #devices: () => Promise<readonly PlacementDevice[]>;
  #last: Promise<unknown> = Promise.resolve();

  /** @param devices all that groups can be made of */
  constructor(metadata: Pick<Metadata, 'reader' | 'propose'>, devices: () => Promise<readonly PlacementDevice[]>) {
    this.#metadata = metadata;
    this.#devices = devices;
  }

  /** Adds groups for devices that have none; resolves to the devices of known groups that are not here. */
  async start(): Promise<string[]> {
    const existing = this.#metadata.reader.groups();
    const devices = await this.#devices();
    const groups = planLayout(devices, existing);
    for (const code of codesOf(existing)) groups.push(...planGroups(devices, [...existing, ...groups], code));
    if (groups.length > 0) await this.#metadata.propose({ type: 'group.define', groups });
    return absentOf(existing, devices);
  }

  /** @throws StoreError UnsupportedRedundancy when the layout can have no more codes, or not this one; ServiceUnavailable when that is so only while some devices are away */
  layOut(redundancy: Redundancy): Promise<void> {
    const next = this.#last.then(() => this.#define(redundancy));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #define(redundancy: Redundancy): Promise<void> {
    if ('copies' in redundancy) return;
    const existing = this.#metadata.reader.groups();
    const codes = codesOf(existing).map(redundancyText);
    const wanted = redundancyText(redundancy);
    if (codes.includes(wanted)) return;
    if (codes.length >= limits.codes)
      throw new StoreError('UnsupportedRedundancy', {
        message: `This store has placement groups for ${codes.join(', ')}, and ${limits.codes} codes are the most. Ask for one of them.`,
      });
    const here = await this.#devices();
    // A server that is alone knows of devices that are not here from the groups that they are in.
    const away = absentOf(existing, here).map((identity) => ({ identity, weight: 1, healthy: false }));
    const devices = [...here, ...away];
    const layout = layoutOf(devices, redundancy);
    if ('refused' in layout) {
      const whole = layoutOf(
        devices.map((device) => ({ ...device, healthy: true })),
        redundancy,
      );
      const code = 'refused' in whole ? 'UnsupportedRedundancy' : 'ServiceUnavailable';
      throw new StoreError(code, { message: layout.refused });
    }
    const groups = planGroups(here, existing, redundancy);
    if (groups.length > 0) await this.#metadata.propose({ type: 'group.define', groups });
  }
}
