import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { GroupRecord } from '../metadata/index.ts';
import { type AccessMap, DeviceUnreachable, type FragmentAccess, reached } from './access.ts';
import { fragmentId } from './address.ts';

/*
 * Where fragments are. A group names the device of each, but after it got another device (a node drains, a new one takes its share) the bytes are
 * still on the one before, until they were copied: that one is asked too. Which it was is learned from the changes of the groups that this thread
 * saw, and otherwise from a question to every device, which is asked only when a stripe could not be read or repaired without.
 *
 * Rejected: former devices in the records of groups. Somebody has to take them out again, at a time that is safe for writers who still know the
 * old record; a question that is asked only where all else failed needs no such time.
 */

/** What is read of a device that may have a fragment. */
export type FragmentSource = Pick<FragmentAccess, 'device' | 'remote' | 'read' | 'fetch' | 'lengths'>;

export interface Whereabouts {
  /** Takes note of groups that got other devices. */
  observe(groups: readonly GroupRecord[]): void;
  /** The fragments with this index of a group's stripes: on the device that the group names, and on those that had the place before. Undefined when none is here. */
  at(group: GroupRecord, index: number): FragmentSource | undefined;
  /** Devices that had the place before, as far as is known, newest first. */
  former(group: GroupRecord, index: number): readonly FragmentAccess[];
  /**
   * Asks every device for the fragments of a stripe, and remembers those that have some which are not where its group says.
   * @returns whether any device has some; `away`: devices that did not answer, which may have some
   */
  find(stripe: Buffer, group: GroupRecord): Promise<{ readonly found: boolean; readonly away: readonly string[] }>;
}

/**
 * @param access devices within reach
 * @param healthy false: the device is not asked by {@link Whereabouts.find}. Absent: all are asked.
 */
export function createWhereabouts(access: AccessMap, healthy?: (device: string) => boolean): Whereabouts {
  const last = new Map<number, GroupRecord>();
  /** By group and index; as many as there are places in groups, each with `limits.formerDevices` at most. */
  const before = new Map<string, readonly string[]>();

  const remember = (group: number, index: number, device: string): void => {
    const name = `${group}.${index}`;
    const others = (before.get(name) ?? []).filter((one) => one !== device);
    before.set(name, [device, ...others].slice(0, limits.formerDevices));
  };
  const former = (group: GroupRecord, index: number): FragmentAccess[] =>
    (before.get(`${group.id}.${index}`) ?? []).flatMap((device) => {
      const one = device === group.devices[index] ? undefined : access.get(device);
      return one ? [one] : [];
    });

  return {
    observe(groups) {
      for (const group of groups) {
        const known = last.get(group.id);
        if (known === group) continue;
        last.set(group.id, group);
        if (!known || known.epoch >= group.epoch) continue;
        for (const [index, device] of known.devices.entries())
          if (group.devices[index] !== device) remember(group.id, index, device);
      }
    },
    at(group, index) {
      const device = group.devices[index];
      const named = device === undefined ? undefined : access.get(device);
      if (before.size === 0) return named;
      const others = former(group, index);
      if (others.length === 0) return named;
      return oneAfterTheOther(named ? [named, ...others] : others);
    },
    former,
    async find(stripe, group) {
      const ids = group.devices.map((_, index) => fragmentId(stripe, index));
      const away: string[] = [];
      let found = false;
      const ask = async (device: string, one: FragmentAccess): Promise<void> => {
        const lengths = healthy?.(device) === false ? undefined : await reached(one.lengths(ids));
        if (!lengths) away.push(device);
        for (const [index, length] of (lengths ?? []).entries()) {
          if (typeof length !== 'number') continue;
          found = true;
          if (group.devices[index] !== device) remember(group.id, index, device);
        }
      };
      const devices = [...access];
      for (let at = 0; at < devices.length; at += limits.devicesAsked)
        await Promise.all(
          devices.slice(at, at + limits.devicesAsked).map(([device, one]) =>
            // A device that fails has nothing to give.
            ask(device, one).catch(() => undefined),
          ),
        );
      return { found, away };
    },
  };
}

/** The first that has it. Who has it not, or cannot be reached, is passed over; damage is told, because the others of the stripe make up for it. */
function oneAfterTheOther(places: readonly FragmentAccess[]): FragmentSource {
  const first = places[0] as FragmentAccess;
  const read = async (how: 'read' | 'fetch', id: Buffer, start: number, end: number): Promise<Buffer> => {
    let failure: unknown;
    for (const place of places) {
      try {
        return await place[how](id, start, end);
      } catch (error) {
        const missing = error instanceof StoreError && error.code === 'NotFound';
        if (!missing && !(error instanceof DeviceUnreachable)) throw error;
        // A device that is away may have it: then nobody knows that it is missing.
        if (!(failure instanceof DeviceUnreachable)) failure = error;
      }
    }
    throw failure;
  };
  return {
    device: first.device,
    remote: places.some(({ remote }) => remote),
    read: (id, start, end) => read('read', id, start, end),
    fetch: (id, start, end) => read('fetch', id, start, end),
    async lengths(ids) {
      const all = await Promise.all(places.map((place) => reached(place.lengths(ids))));
      if (all.every((lengths) => !lengths)) throw new DeviceUnreachable(first.device);
      return ids.map((_, at) => all.map((lengths) => lengths?.[at]).find((length) => length !== undefined));
    },
  };
}
