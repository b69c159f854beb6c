import type { FragmentId, FragmentStore } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader } from '../../metadata/index.ts';
import { prefixBytes, stripeOf, successor } from '../address.ts';

/** Whether a stripe owns a fragment, or an intent covers it: in the second case whoever sweeps the intent removes what was not published. */
export function isExplained(reader: Pick<MetadataReader, 'stripeOwner' | 'intent'>, id: FragmentId): boolean {
  return reader.stripeOwner(stripeOf(id)) !== undefined || reader.intent(id.subarray(0, prefixBytes)) !== undefined;
}

/**
 * Removes from a device of this machine what no stripe owns and no intent explains. Recovery finds fragments whose seal had not ended when the process
 * did; where another node was writing them, their intent may have been swept and forgotten by then, and nobody would ever remove them.
 * @param reader of a replica that has, of the log, all that was there when this process started; and nobody writes to the device yet
 * @returns fragments removed
 */
export async function removeStrays(
  reader: Pick<MetadataReader, 'stripeOwner' | 'intent'>,
  store: FragmentStore,
): Promise<number> {
  let removed = 0;
  let next: Buffer | undefined = Buffer.alloc(0);
  while (next) {
    const page = store.ids(next, limits.jobPage);
    const strays = page.filter((id) => !isExplained(reader, id));
    if (strays.length > 0) await store.remove(strays);
    removed += strays.length;
    const last = page.at(-1);
    next = last && successor(last);
  }
  return removed;
}
