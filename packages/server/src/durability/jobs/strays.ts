import type { FragmentStore } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader } from '../../metadata/index.ts';
import { prefixBytes, stripeOf, successor } from '../address.ts';

/**
 * Removes from a device of this machine what no stripe owns and no intent explains. Recovery finds fragments whose seal had not ended when the process
 * did; where another node was writing them, their intent may have been swept and forgotten by then, and nobody would ever remove them.
 * @param reader of a replica that has, of the log, all that was there when this process started; and nobody writes to the device yet
 * @returns fragments removed
 */
export async function removeStrays(
  reader: Pick<MetadataReader, 'stripeOwner' | 'intents'>,
  store: FragmentStore,
): Promise<number> {
  const nameOf = (prefix: Buffer): string => prefix.toString('latin1', 0, prefixBytes);
  const explained = new Set(reader.intents().map(({ prefix }) => nameOf(prefix)));
  let removed = 0;
  let next: Buffer | undefined = Buffer.alloc(0);
  while (next) {
    const page = store.ids(next, limits.jobPage);
    const strays = page.filter((id) => !explained.has(nameOf(id)) && !reader.stripeOwner(stripeOf(id)));
    if (strays.length > 0) await store.remove(strays);
    removed += strays.length;
    const last = page.at(-1);
    next = last && successor(last);
  }
  return removed;
}
