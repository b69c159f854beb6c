import type { GroupRecord } from '../metadata/index.ts';
import { type Scheme, schemeText, toleranceOf, widthOf } from './scheme.ts';
import { type Domain, domainOf, domainsOf, hasNodes, inUse, type PlacementDevice, usable, zoneOf } from './topology.ts';

/** How the groups of a scheme lie on devices, and what they survive. */
export interface Layout extends Caps {
  readonly scheme: Scheme;
  /** Those of the devices that can be used now. */
  readonly domains: readonly Domain[];
  /** Devices, nodes and zones in use, here or not; 0 nodes or zones where there is only one. */
  readonly counts: { readonly devices: number; readonly nodes: number; readonly zones: number };
  /** How many of each may be lost at the same time, whichever they are, without losing a stripe. */
  readonly survives: { readonly devices: number; readonly nodes: number; readonly zones: number };
  /** Survives the loss of the largest domain (a zone, where there are several; a node; else a device), and of one device more. */
  readonly survivesLargestAndOne: boolean;
}

/** Why a scheme cannot be placed. */
export interface Refusal {
  readonly refused: string;
}

/** The least number that each place may take so that all together take `wanted`; undefined when there is not so much. */
function leastShare(rooms: readonly number[], wanted: number): number | undefined {
  for (let share = 1; share <= wanted; share++)
    if (rooms.reduce((sum, room) => sum + Math.min(room, share), 0) >= wanted) return share;
  return undefined;
}

/** Whether `wanted` members find a place, so many in each domain and zone at most. */
const holds = (domains: readonly Domain[], perDomain: number, perZone: number, wanted: number): boolean =>
  zoneRooms(domains, perDomain).reduce((sum, room) => sum + Math.min(room, perZone), 0) >= wanted;

const zoneRooms = (domains: readonly Domain[], perDomain: number): number[] =>
  [...Map.groupBy(domains, (domain) => domain.zone).values()].map((inside) =>
    inside.reduce((sum, domain) => sum + Math.min(domain.devices.length, perDomain), 0),
  );

/**
 * How a scheme lies on `devices`: as evenly over zones and nodes as can be. One group has as few members on one node as there must be (the
 * rounded-up share of each node, where nodes have devices enough), and never more than the scheme can lose. That follows from the devices
 * in use, here or not: a node that is away for an hour makes no group worse. Members come from those that are here.
 */
export function layoutOf(devices: readonly PlacementDevice[], scheme: Scheme): Layout | Refusal {
  const width = widthOf(scheme);
  const tolerance = toleranceOf(scheme);
  const { nodes, perDomain, perZone, domains: all } = capsOf(devices, scheme);
  const domains = domainsOf(usable(devices, scheme.class), nodes);
  if (perDomain === undefined || perZone === undefined) {
    const count = all.reduce((sum, domain) => sum + domain.devices.length, 0);
    return { refused: `${schemeText(scheme)} needs ${width} devices, and there are ${count}. Add devices.` };
  }
  if (perDomain > Math.max(tolerance, 1))
    return {
      refused: `${schemeText(scheme)} would put ${perDomain} fragments of a stripe on one of ${all.length} nodes, and can lose ${tolerance}. Add nodes, or choose a scheme with at least ${perDomain} parities.`,
    };
  if (!holds(domains, perDomain, perZone, width))
    return {
      refused: `${schemeText(scheme)} finds too few ${nodes ? 'nodes' : 'devices'} that are here and healthy: ${domains.length} of ${all.length}. Bring the others back.`,
    };
  const zones = new Set(all.map((domain) => domain.zone)).size;
  return {
    scheme,
    nodes,
    domains,
    perDomain,
    perZone,
    counts: {
      devices: all.reduce((sum, domain) => sum + domain.devices.length, 0),
      nodes: nodes ? all.length : 0,
      zones: zones > 1 ? zones : 0,
    },
    survives: {
      devices: tolerance,
      nodes: nodes ? Math.floor(tolerance / perDomain) : 0,
      zones: zones > 1 ? Math.floor(tolerance / perZone) : 0,
    },
    survivesLargestAndOne: tolerance >= (zones > 1 ? perZone : perDomain) + 1,
  };
}

/** How many members of one group may lie in one domain and in one zone. */
export interface Caps {
  /** Whether nodes can be told apart; else every device is a domain of its own. */
  readonly nodes: boolean;
  readonly perDomain: number;
  readonly perZone: number;
}

interface WantedCaps {
  readonly nodes: boolean;
  readonly domains: readonly Domain[];
  /** Undefined when all devices together are too few. */
  readonly perDomain: number | undefined;
  readonly perZone: number | undefined;
}

function capsOf(devices: readonly PlacementDevice[], scheme: Scheme): WantedCaps {
  const width = widthOf(scheme);
  const all = inUse(devices);
  const nodes = hasNodes(all);
  const domains = domainsOf(
    all.filter((device) => scheme.class === undefined || device.class === scheme.class),
    nodes,
  );
  const rooms = domains.map((domain) => domain.devices.length);
  const perDomain = leastShare(rooms, width);
  const perZone = perDomain === undefined ? undefined : leastShare(zoneRooms(domains, perDomain), width);
  return { nodes, domains, perDomain, perZone };
}

/** Like a new group of the scheme; where that cannot be placed, whatever loses nothing with one domain. */
export function capsFor(devices: readonly PlacementDevice[], scheme: Scheme): Caps {
  const { nodes, perDomain, perZone } = capsOf(devices, scheme);
  const most = nodes ? Math.max(1, toleranceOf(scheme)) : 1;
  if (perDomain === undefined || perZone === undefined || perDomain > most)
    return { nodes, perDomain: most, perZone: widthOf(scheme) };
  return { nodes, perDomain, perZone };
}

/**
 * What groups that are there survive: less than new ones do, where they were made with fewer zones or nodes.
 * @param layout of their scheme
 * @param devices all that are known. Members that leave are not counted: they go elsewhere by themselves
 */
export function layoutOfHeld(
  layout: Layout,
  devices: readonly PlacementDevice[],
  groups: readonly GroupRecord[],
): { readonly layout: Layout; readonly crowded: readonly GroupRecord[] } {
  const tolerance = toleranceOf(layout.scheme);
  const byIdentity = new Map(inUse(devices).map((device) => [device.identity, device]));
  let { survives, survivesLargestAndOne } = layout;
  const crowded = groups.filter((group) => {
    const members = group.devices.flatMap((identity) => byIdentity.get(identity) ?? []);
    const zones = countsOf(members, zoneOf);
    const nodes = countsOf(members, (device) => domainOf(device, layout.nodes));
    const lost = { zones: mostLost(zones, tolerance), nodes: mostLost(nodes, tolerance) };
    const largest = (layout.counts.zones > 0 ? zones : nodes)[0] ?? 0;
    const isWorse =
      lost.zones < layout.survives.zones ||
      lost.nodes < layout.survives.nodes ||
      (layout.survivesLargestAndOne && largest + 1 > tolerance);
    survives = {
      devices: survives.devices,
      nodes: Math.min(survives.nodes, lost.nodes),
      zones: Math.min(survives.zones, lost.zones),
    };
    survivesLargestAndOne &&= largest + 1 <= tolerance;
    return isWorse;
  });
  return { layout: { ...layout, survives, survivesLargestAndOne }, crowded };
}

/** How many members each domain has, the fullest first. */
const countsOf = (members: readonly PlacementDevice[], domain: (device: PlacementDevice) => string): number[] =>
  [...Map.groupBy(members, domain).values()].map((inside) => inside.length).sort((a, b) => b - a);

/** How many domains may be lost, whichever they are, before more members are than `tolerance`. */
function mostLost(counts: readonly number[], tolerance: number): number {
  let left = tolerance;
  const end = counts.findIndex((count) => (left -= count) < 0);
  return end < 0 ? counts.length : end;
}

/** One sentence for an operator. */
export function survivalText({ scheme, survives, counts }: Layout): string {
  const some = (count: number, name: string) => (count === 1 ? `one ${name}` : `any ${count} ${name}s`);
  const kinds = [
    survives.zones > 0 ? some(survives.zones, 'zone') : undefined,
    survives.nodes > 0 ? some(survives.nodes, 'node') : undefined,
    survives.devices > 0 ? some(survives.devices, 'device') : undefined,
  ].filter((text) => text !== undefined);
  if (kinds.length === 0) return `${schemeText(scheme)}: the loss of one device loses objects`;
  const zone =
    counts.zones > 0 && survives.zones === 0 ? '; one zone takes objects with it when it is lost for good' : '';
  return `${schemeText(scheme)}: no object is lost with ${kinds.join(', or ')}${zone}`;
}
