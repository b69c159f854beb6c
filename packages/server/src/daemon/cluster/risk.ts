import { redundancyText } from '../../durability/index.ts';
import type { Metadata } from '../../metadata/index.ts';
import { codesOf, isOf, layoutOf, layoutOfHeld, riskOf, type Scheme, survivalText } from '../../placement/index.ts';
import { type NodeWork, remainingOf } from '../mending.ts';
import type { Owner } from '../owner.ts';
import { copiesOver } from '../thread.ts';
import type { EngineMember } from './engine.ts';
import { placementDevices } from './layout.ts';
import { readRebalance } from './settings.ts';

/** What the model assumes where nothing was measured: shares of devices and of nodes lost for good in a year, and of repairs that meet bytes that cannot be read. */
const assumed = { deviceLosses: 0.02, domainLosses: 0.005, unreadable: 0.001 } as const;

/** Below this the time of a repair says more about the moment than about the cluster. */
const leastHours = 0.1;

export interface RiskInput {
  readonly owner: Pick<Owner, 'metadata' | 'thread'>;
  readonly works: ReadonlyMap<string, NodeWork | undefined>;
  /** Devices that do not answer. */
  readonly away: (device: string) => boolean;
  /** Groups that hold stripes; undefined while that is not known. */
  readonly used: ReadonlySet<number> | undefined;
  /** Members of etcd; undefined while it does not say. */
  readonly members: readonly Pick<EngineMember, 'node' | 'votes'>[] | undefined;
  readonly nowMs: number;
}

/** The zone without which etcd has no majority, so that no write is taken; null where there is none, or no zones, or it is not known. */
function decidingZone(members: RiskInput['members'], reader: Pick<Metadata['reader'], 'nodes'>) {
  const nodes = reader.nodes().filter(({ state }) => state !== 'removed');
  if (new Set(nodes.map(({ zone }) => zone)).size < 2) return null;
  const voting = (members ?? []).filter(({ votes }) => votes);
  const zones = Map.groupBy(voting, ({ node }) => nodes.find(({ id }) => id === node)?.zone);
  for (const [zone, inside] of zones)
    if (zone !== undefined && voting.length - inside.length <= voting.length / 2)
      return { zone, members: inside.length, of: voting.length };
  return null;
}

/** What is in danger now, and how likely a year is to take objects away, by the model of docs/operate/cluster.md. */
export function clusterRisk({
  owner,
  works,
  away,
  used,
  members,
  nowMs,
}: RiskInput): Readonly<Record<string, unknown>> {
  const { reader } = owner.metadata;
  const groups = reader.groups();
  const devices = placementDevices(reader);
  const known = [...works.values()].filter((work) => work !== undefined);
  const unknown = [...works].flatMap(([node, work]) => (work?.completeAt === undefined ? [node] : []));

  const measured = known.reduce((sum, work) => sum + (work.measuredBytesPerSecond ?? 0), 0);
  const storing = Math.max(1, works.size - 1);
  const speed = measured > 0 ? measured : readRebalance(reader).bytesPerSecond * storing;
  const largest = Math.max(
    0,
    ...reader.devices().map(({ capacityBytes, state }) => (state === 'retired' ? 0 : capacityBytes)),
  );
  const repairHours = Math.max(leastHours, largest / speed / 3600);

  const scrubs = known.map((work) => work.scrubbedMs);
  const never = scrubs.length < works.size || scrubs.includes(undefined);
  const oldestScrubSeconds = never ? null : Math.round((nowMs - Math.min(...(scrubs as number[]))) / 1000);

  const copies = copiesOver(reader);
  // What was written while there were fewer nodes, or with fewer copies on purpose, is less safe than the default says of new objects.
  const thin = groups.filter(({ id, code, devices: members }) => !code && members.length < copies && used?.has(id));
  const fewer = [...new Set(thin.map(({ devices: members }) => members.length))].sort((a, b) => b - a);
  const schemes: Scheme[] = [{ copies }, ...fewer.map((count) => ({ copies: count })), ...codesOf(groups)];
  return {
    fragmentsMissing: known.reduce((sum, work) => sum + remainingOf(work).fragments, 0),
    fragmentsMoving: known.reduce((sum, work) => sum + work.leftovers.waiting, 0),
    notKnownOn: unknown,
    decidingZone: decidingZone(members, reader),
    groupsShort: groups.filter((group) => group.devices.some(away)).length,
    repairBytesPerSecond: measured > 0 ? Math.round(measured) : null,
    repairHours,
    repairMeasured: measured > 0,
    oldestScrubSeconds,
    /** Whether some objects have fewer copies than new ones get; null while that is not known. */
    fewerCopies: used === undefined ? null : thin.length > 0,
    schemes: schemes.map((scheme) => {
      const wanted = layoutOf(devices, scheme);
      const name = redundancyText(scheme);
      if ('refused' in wanted) return { scheme: name, refused: wanted.refused };
      const below = 'copies' in scheme ? thin.filter((group) => group.devices.length === scheme.copies).length : 0;
      const sets = groups.filter((group) => isOf(group, scheme));
      // Where it is not known which hold stripes, all may.
      const held = sets.filter(({ id }) => used === undefined || used.has(id));
      const { layout, crowded } = layoutOfHeld(wanted, devices, held);
      const risk = riskOf({ layout, groups: Math.max(1, sets.length), repairHours, parallel: true, ...assumed });
      return {
        scheme: name,
        ...(below > 0 && { belowDefault: below }),
        ...(crowded.length > 0 && { crowded: crowded.length }),
        survives: survivalText(layout),
        nines: Math.floor(risk.nines * 10) / 10,
        modelledNines: Math.floor(risk.modelledNines * 10) / 10,
        cappedBy: risk.cappedBy,
      };
    }),
    assumed,
  };
}
