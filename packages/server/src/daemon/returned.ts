import { removeStrays } from '../durability/index.ts';
import type { FragmentStore } from '../fragments/index.ts';
import type { Metadata, MetadataReader } from '../metadata/index.ts';

/*
 * Devices that a server of its own was once started without. What went away meanwhile was reported as collected when the others had removed it, so a device
 * that is back may hold fragments that no stripe owns and no intent explains. Which ones were away is kept: only they are looked through.
 */

/** Setting: JSON, an array of the identities of devices. */
const awaySetting = 'devices-away';

type Known = Pick<MetadataReader, 'setting' | 'stripeOwner' | 'intent'>;

/**
 * Removes what devices that are back hold in vain, and keeps which ones are away now: before anything is collected without them.
 * @param missing devices of this store that are not here
 * @param stores of those that are; nobody writes to them yet
 * @returns fragments removed
 */
export async function sweepReturned(
  metadata: Pick<Metadata, 'propose'> & { readonly reader: Known },
  stores: ReadonlyMap<string, FragmentStore>,
  missing: readonly string[],
): Promise<number> {
  const before = metadata.reader.setting(awaySetting) ?? '[]';
  let removed = 0;
  for (const device of JSON.parse(before) as readonly string[]) {
    const store = stores.get(device);
    if (store) removed += await removeStrays(metadata.reader, store);
  }
  const value = JSON.stringify([...missing].sort());
  if (value !== before) await metadata.propose({ type: 'setting.write', name: awaySetting, value });
  return removed;
}
