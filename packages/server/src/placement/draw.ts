import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { Layout } from './layout.ts';
import { widthOf } from './scheme.ts';
import { drawStraws } from './straw.ts';
import type { Domain } from './topology.ts';

/*
 * A slot is a number from which the members of a group follow, by straws alone. Slots share copysets: the domains of a group are those of its
 * copyset, and only the devices inside them are drawn for the slot itself. So many groups (for even shares of devices) come with few sets
 * of domains (for few ways in which several domains that fail together hold all of a stripe; Cidon et al., "Copysets", 2013).
 *
 * Domains are taken in the order of their straws, each once before any is taken twice, as long as their zone has room. One
 * domain or device more changes such a choice only by coming in itself: nothing moves between the others.
 */

const doubledFrom = (least: number, wanted: number): number => {
  let count = least;
  while (count < wanted) count *= 2;
  return count;
};

/** How many slots and copysets a layout has: each device in several groups, each domain in several copysets, as far as the limit goes. */
export function slotsOf({ domains, scheme }: Layout): { readonly slots: number; readonly copysets: number } {
  const width = widthOf(scheme);
  const devices = domains.reduce((sum, domain) => sum + domain.devices.length, 0);
  const enough = (members: number) =>
    Math.min(
      limits.placementSlots,
      doubledFrom(limits.placementSlotsLeast, (members * limits.groupsPerDevice) / width),
    );
  return { slots: enough(devices), copysets: enough(domains.length) };
}

/** The devices of a slot, in the order of their straws. */
export function drawSlot(layout: Layout, slot: number): string[] {
  const { domains, perDomain, perZone, scheme } = layout;
  const width = widthOf(scheme);
  const order = drawStraws(slot % slotsOf(layout).copysets, domains, domains.length);
  const chosen: { readonly domain: Domain; readonly rank: number }[] = [];
  const inZone = new Map<string, number>();
  for (let rank = 0; rank < perDomain; rank++)
    for (const domain of order) {
      if (chosen.length === width) break;
      const zone = inZone.get(domain.zone) ?? 0;
      if (domain.devices.length <= rank || zone >= perZone) continue;
      inZone.set(domain.zone, zone + 1);
      chosen.push({ domain, rank });
    }
  invariant(chosen.length === width, 'a layout that was not refused has room for its groups');
  return chosen.map(({ domain, rank }) => {
    const named = domain.devices.map(({ identity, weight }) => ({ name: identity, weight }));
    return drawStraws(slot, named, rank + 1)[rank]?.name as string;
  });
}
