import { placementDevices } from '../../src/daemon/cluster/layout.ts';
import { redundancyText, spareCount } from '../../src/durability/index.ts';
import type { GroupRecord, MetadataReader, Redundancy } from '../../src/metadata/index.ts';
import { layoutOf, type PlacementDevice } from '../../src/placement/index.ts';

/* How the groups that hold stripes lie over zones, counted from where their devices stand, and held against what is promised and told. */

const redundancyOf = ({ code, devices }: GroupRecord): Redundancy => code ?? { copies: devices.length };

export function groupsHeld(reader: MetadataReader): GroupRecord[] {
  const used = new Set<number>();
  for (let next = Buffer.alloc(16); ; ) {
    const rows = reader.stripes(next, 1000);
    for (const { group } of rows) used.add(group);
    const last = rows.at(-1);
    if (!last) break;
    next = Buffer.from(last.stripe);
    next.writeBigUInt64BE(next.readBigUInt64BE(8) + 1n, 8);
  }
  return reader.groups().filter(({ id }) => used.has(id));
}

/** How many members of a group stand in each zone. */
function membersIn(reader: MetadataReader): (group: GroupRecord) => ReadonlyMap<string, number> {
  const zones = new Map(reader.nodes().map(({ id, zone }) => [id, zone]));
  const of = new Map(reader.devices().map(({ identity, node }) => [identity, zones.get(node) ?? '']));
  return ({ devices }) => {
    const counts = new Map<string, number>();
    for (const device of devices) {
      const zone = of.get(device) ?? '';
      counts.set(zone, (counts.get(zone) ?? 0) + 1);
    }
    return counts;
  };
}

/** The zone with most nodes, of several, that may be lost: of each group that holds stripes as many members stay as it takes to read them. */
export function spareZone(reader: MetadataReader): string | undefined {
  const nodes = reader.nodes().filter(({ state }) => state !== 'removed');
  const zones = [...Map.groupBy(nodes, ({ zone }) => zone)].sort(([, a], [, b]) => b.length - a.length);
  if (zones.length < 2) return undefined;
  const groups = groupsHeld(reader);
  const counts = membersIn(reader);
  const isSpare = (zone: string): boolean =>
    groups.every((group) => (counts(group).get(zone) ?? 0) <= spareCount(redundancyOf(group)));
  return zones.map(([zone]) => zone).find(isSpare);
}

/** Groups of what was written of an object, as far as this replica knows of it. */
export function groupsOf(reader: MetadataReader, name: string, key: string): GroupRecord[] {
  const bucket = reader.bucket(name);
  const version = bucket && reader.version(bucket.id, Buffer.from(key), undefined);
  if (version?.kind !== 'object') return [];
  const pieces = reader.placedPieces(version.manifest, 0, 10_000).map(({ piece }) => piece.body);
  const used = new Set(pieces.flatMap((body) => ('stripes' in body ? body.stripes.map(({ group }) => group) : [])));
  return reader.groups().filter(({ id }) => used.has(id));
}

/**
 * A group that lies less evenly over zones than was ever right, as a sentence; undefined when there is none.
 * @param times devices as placement saw them, at each time since there were such groups at which there were fewest of them; now is one
 */
export function crowded(
  reader: MetadataReader,
  groups: readonly GroupRecord[],
  times: readonly (readonly PlacementDevice[])[],
): string | undefined {
  const counts = membersIn(reader);
  const caps = new Map<string, number>();
  for (const group of groups) {
    const scheme = redundancyOf(group);
    const name = redundancyText(scheme);
    let cap = caps.get(name);
    if (cap === undefined) {
      const each = [...times, placementDevices(reader)].map((devices) => layoutOf(devices, scheme));
      // One that cannot be placed any more is completed wherever there is room.
      cap = Math.max(...each.map((layout) => ('refused' in layout ? group.devices.length : layout.perZone)));
      caps.set(name, cap);
    }
    const most = Math.max(...counts(group).values());
    if (most > cap)
      return `group ${group.id} (${name}) has ${most} members in one zone, and ${cap} are the most that was right`;
  }
  return undefined;
}

interface Told {
  readonly schemes: readonly { readonly scheme: string; readonly survives?: string }[];
}

/** What a cluster tells of zones that may be lost, and what is not so, as a sentence. @param risk what `cluster.risk` answers */
export function toldWrong(reader: MetadataReader, risk: unknown): string | undefined {
  const counts = membersIn(reader);
  const told = new Map((risk as Told).schemes.map(({ scheme, survives }) => [scheme, survives?.split(';')[0] ?? '']));
  for (const group of groupsHeld(reader)) {
    const scheme = redundancyOf(group);
    const name = redundancyText(scheme);
    if (!told.get(name)?.includes('zone')) continue;
    const most = Math.max(...counts(group).values());
    if (most > spareCount(scheme))
      return `group ${group.id} (${name}) has ${most} members in one zone, and is told to survive one`;
  }
  return undefined;
}
