import type { FragmentStore } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader } from '../../metadata/index.ts';
import { knownBytes, stripeOf, successor } from '../address.ts';
import type { Pace } from './pace.ts';

/** Data bytes that one device holds of the stripes of a group; fragments of no group (not published, or garbage) are left out. */
export interface Holding {
  readonly device: string;
  readonly group: number;
  readonly bytes: number;
}

/** What each of these devices holds of each group: a look-up per fragment, no byte is read. */
export async function holdingsOf(
  reader: Pick<MetadataReader, 'stripeOwner'>,
  stores: ReadonlyMap<string, FragmentStore>,
  pace: Pace,
): Promise<Holding[]> {
  const found: Holding[] = [];
  for (const [device, store] of stores) {
    const byGroup = new Map<number, number>();
    let next: Buffer | undefined = Buffer.alloc(0);
    while (next) {
      const page = store.ids(next, limits.jobPage);
      for (const id of page) {
        const group = reader.stripeOwner(stripeOf(id))?.group;
        if (group !== undefined) byGroup.set(group, (byGroup.get(group) ?? 0) + knownBytes(store, id));
      }
      const last = page.at(-1);
      next = last && successor(last);
      await pace.step();
    }
    for (const [group, bytes] of byGroup) found.push({ device, group, bytes });
  }
  return found;
}
