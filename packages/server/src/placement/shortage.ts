import type { GroupRecord } from '../metadata/index.ts';
import { Members } from './members.ts';
import { leavingDevices, rehomeGroups } from './rehome.ts';
import { schemeOf, schemeText, widthOf } from './scheme.ts';
import { hasNodes, type PlacementDevice } from './topology.ts';

/** Why groups cannot leave devices: no other place is left for what is there. */
export interface Shortage {
  /** Those that stay where they are. */
  readonly groups: readonly GroupRecord[];
  /** How the widest of them keeps its stripes, such as `3 copies`. */
  readonly scheme: string;
  /** So many nodes more, with devices, and all of them can leave; devices, where all are in one node. */
  readonly missing: number;
  readonly of: 'node' | 'device';
}

/**
 * What lacks for groups to leave devices, by what {@link rehomeGroups} would do for them.
 * @param devices all that are known, here or not; those that are not healthy are no places
 * @param leaving devices that are to be emptied; those of state `draining` or `retired` when left out
 * @returns undefined: there is a place for each
 */
export function shortageOf(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  leaving: ReadonlySet<string> = leavingDevices(devices),
): Shortage | undefined {
  const groups = staying(devices, existing, leaving);
  if (groups.length === 0) return undefined;
  const schemes = groups.map(schemeOf).sort((a, b) => widthOf(b) - widthOf(a));
  const [widest] = schemes as [(typeof schemes)[0]];
  const apart = hasNodes(devices);
  const home = devices.find(({ identity }) => leaving.has(identity));
  const members = new Members(devices.filter(({ identity }) => !leaving.has(identity)));
  const classes = new Set(groups.map((group) => members.classOf(group, leaving)));
  const more: PlacementDevice[] = [];
  let missing = 0;
  do {
    missing++;
    for (const deviceClass of classes)
      more.push({
        identity: `another ${missing} ${deviceClass ?? ''}`,
        weight: 1,
        healthy: true,
        node: apart ? `another ${missing}` : home?.node,
        zone: home?.zone,
        class: deviceClass,
      });
  } while (missing < widthOf(widest) && staying([...devices, ...more], groups, leaving).length > 0);
  return { groups, scheme: schemeText(widest), missing, of: apart ? 'node' : 'device' };
}

function staying(
  devices: readonly PlacementDevice[],
  existing: readonly GroupRecord[],
  leaving: ReadonlySet<string>,
): GroupRecord[] {
  const held = existing.filter((group) => group.devices.some((each) => leaving.has(each)));
  const gone = new Set(rehomeGroups(devices, held, leaving).map(({ id }) => id));
  return held.filter(({ id }) => !gone.has(id));
}
