import type { GroupRecord } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import { neededCount, redundancyOf } from '../scheme.ts';
import type { FragmentSource } from '../whereabouts.ts';

/** A stripe that lacks something, and the group that it is of. */
export interface Lacking {
  readonly stripe: Buffer;
  readonly group: GroupRecord;
}

export interface EndangermentSearch {
  /** Who has the fragments with an index of a group; undefined when nobody within reach. */
  readonly at: (group: GroupRecord, index: number) => FragmentSource | undefined;
  /** Absent: every device answers. */
  readonly healthy?: ((device: string) => boolean) | undefined;
}

/**
 * Whether too few fragments of a stripe are left to give it back. Where one of its devices does not answer, nobody can say, and it is not. That the
 * fragments are there says nothing of their bytes.
 */
export async function isLost({ at, healthy }: EndangermentSearch, lacking: Lacking): Promise<boolean> {
  const { devices } = lacking.group;
  const there = await Promise.all(
    devices.map(async (device, index) => {
      if (healthy?.(device) === false) return undefined;
      const lengths = await at(lacking.group, index)
        ?.lengths([fragmentId(lacking.stripe, index)])
        .catch(() => undefined);
      return lengths && typeof lengths[0] === 'number';
    }),
  );
  return !there.includes(undefined) && there.filter(Boolean).length < neededCount(redundancyOf(lacking.group));
}

/**
 * In which order stripes are repaired: how many more fragments each could lose now. 0 comes first: with one fragment less its bytes are gone. What
 * has too few fragments already can only wait for a device to come back, so it comes last.
 *
 * Found by asking, each device once for all stripes of a group: what is known of a stripe from elsewhere is older than that.
 * @returns for each of `stripes`, in their order: fragments that are there beyond those that give the stripe back, `Infinity` where they do not
 */
export async function endangerment(
  { at, healthy }: EndangermentSearch,
  stripes: readonly Lacking[],
): Promise<readonly number[]> {
  const present = stripes.map(() => 0);
  const byGroup = Map.groupBy(stripes.keys(), (one) => (stripes[one] as Lacking).group);
  await Promise.all(
    [...byGroup].flatMap(([group, members]) =>
      group.devices.map(async (device, index) => {
        if (healthy?.(device) === false) return;
        const ids = members.map((one) => fragmentId((stripes[one] as Lacking).stripe, index));
        // A device that does not answer has nothing to give now.
        const lengths = await at(group, index)
          ?.lengths(ids)
          .catch(() => undefined);
        for (const [place, one] of members.entries())
          if (typeof lengths?.[place] === 'number') present[one] = (present[one] as number) + 1;
      }),
    ),
  );
  return stripes.map(({ group }, one) => {
    const spare = (present[one] as number) - neededCount(redundancyOf(group));
    return spare < 0 ? Number.POSITIVE_INFINITY : spare;
  });
}
