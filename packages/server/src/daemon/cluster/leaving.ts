import { StoreError } from '../../errors.ts';
import type { GroupRecord, Metadata } from '../../metadata/index.ts';
import { leavingDevices, type PlacementDevice, type Shortage, shortageOf } from '../../placement/index.ts';
import { placementDevices } from './layout.ts';

/* Devices that are to be emptied, and whether there are places for what is on them. A group without stripes is in nobody's way. */

export interface LeavingOptions {
  readonly reader: Pick<Metadata['reader'], 'nodes' | 'devices' | 'groups'>;
  /** Groups that hold stripes, as of now; undefined while that is not known. */
  readonly usedGroups: () => Promise<ReadonlySet<number> | undefined>;
  readonly isAway: (device: string) => boolean;
}

/** What lacks, and what is done about it. */
function needText({ groups, scheme, missing, of }: Shortage): string {
  const held = groups.length === 1 ? '1 placement group holds' : `${groups.length} placement groups hold`;
  const more = missing === 1 ? `1 ${of} more is` : `${missing} ${of}s more are`;
  const join =
    of === 'node'
      ? 'Join more first (`dsom cluster invite`)'
      : 'Give the server another --data directory on a device of its own';
  return `${held} objects (${scheme}) for which no other place is left: at least ${more} needed. ${join}, or keep the objects with less (\`dsom redundancy s3://BUCKET COPIES\`, then \`dsom repair status --wait\`)`;
}

const isHeld = ({ devices }: GroupRecord, leaving: ReadonlySet<string>): boolean =>
  devices.some((device) => leaving.has(device));

export class Leaving {
  readonly #options: LeavingOptions;

  constructor(options: LeavingOptions) {
    this.#options = options;
  }

  /** Groups with stripes on devices that are to be emptied; undefined while it is not known which have some. */
  async stuck(): Promise<readonly GroupRecord[] | undefined> {
    const { reader, usedGroups } = this.#options;
    const leaving = leavingDevices(placementDevices(reader));
    const held = reader.groups().filter((group) => isHeld(group, leaving));
    if (held.length === 0) return [];
    const used = await usedGroups();
    return used && held.filter(({ id }) => used.has(id));
  }

  /** What groups wait for that cannot leave; undefined: they are on their way. */
  need(stuck: readonly GroupRecord[]): string | undefined {
    const { reader, isAway } = this.#options;
    const devices = placementDevices(reader);
    const shortage = shortageOf(devices, stuck);
    if (shortage) return needText(shortage);
    const here = shortageOf(
      devices.map((device) => ({ ...device, healthy: !isAway(device.identity) })),
      stuck,
    );
    if (!here) return undefined;
    const count = here.groups.length;
    return `${count === 1 ? '1 placement group waits' : `${count} placement groups wait`} for nodes or devices that are away: start them`;
  }

  /**
   * Whether devices that are here can be emptied, if all that are known are there.
   * @param ids those that are to leave, besides those that do
   * @throws StoreError InvalidRequest where objects would stay on them for good
   */
  async check(what: string, ids: ReadonlySet<string>): Promise<void> {
    const { reader, usedGroups } = this.#options;
    const devices = placementDevices(reader).map(
      (device): PlacementDevice => (ids.has(device.identity) ? { ...device, state: 'draining' } : device),
    );
    const held = shortageOf(
      devices,
      reader.groups().filter((group) => isHeld(group, ids)),
    )?.groups;
    const used = held && (await usedGroups());
    if (!held || !used) return;
    const shortage = shortageOf(
      devices,
      held.filter(({ id }) => used.has(id)),
    );
    if (shortage)
      throw new StoreError('InvalidRequest', { message: `${what} cannot be emptied: ${needText(shortage)}.` });
  }
}
