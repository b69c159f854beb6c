import { type Device, openDevice, type Volume } from '../../src/device/index.ts';
import { isExplained, stripeOf } from '../../src/durability/index.ts';
import { IndexDamaged, type OpenFragmentOwner, openFragmentOwner } from '../../src/fragments/index.ts';
import type { Kv } from '../../src/kv/index.ts';
import { limits } from '../../src/limits.ts';
import type { MetadataReader } from '../../src/metadata/index.ts';
import type { Sometimes } from '../coverage.ts';
import type { Life } from './life.ts';

/** A device as a process finds it. */
export interface DeviceSite {
  readonly identity: string;
  readonly volume: Volume;
  readonly index: Kv;
  /** The index cannot be used: it is lost, and what opens is another, empty one. */
  readonly loseIndex: () => Kv;
}

/** What opening devices needs of a process. */
export interface FragmentSite {
  readonly life: Life;
  readonly slabBytes: number;
  readonly onEvent: (what: Sometimes) => void;
}

/** The open index of a device, for its owner and for readers. */
export interface OpenFragments {
  readonly owner: OpenFragmentOwner;
  readonly index: Kv;
  /** Of the thread that owns the index. */
  readonly device: Device;
}

export function deviceOf(site: FragmentSite, one: DeviceSite): Device {
  return openDevice({
    volume: one.volume,
    identity: { device: one.identity, store: '', slabBytes: site.slabBytes, madeAt: 0 },
    host: site.life.host,
    class: 'memory',
    reserveBytes: 0,
  });
}

/** Opens the index of a device; one that is damaged or lost is made anew from the slabs (as daemon/indexes.ts does). */
export async function openFragments(
  site: FragmentSite,
  one: DeviceSite,
  reader: MetadataReader,
  /** Nobody but this machine writes to the device. */
  alone: boolean,
): Promise<OpenFragments> {
  const owned = (id: Buffer): boolean => reader.stripeOwner(stripeOf(id)) !== undefined;
  const explained = (id: Buffer): boolean => isExplained(reader, id);
  const device = deviceOf(site, one);
  const open = (kv: Kv): Promise<OpenFragmentOwner> =>
    openFragmentOwner({
      device,
      kv,
      host: site.life.host,
      windowBytes: Math.min(site.slabBytes, limits.windowBytes),
      rebuild: { owned, mayBeOwned: alone ? owned : explained, explained },
    });
  let { index } = one;
  let owner: OpenFragmentOwner;
  try {
    owner = await open(index);
  } catch (cause) {
    if (!(cause instanceof IndexDamaged)) throw cause;
    index = one.loseIndex();
    owner = await open(index);
  }
  const { recovery } = owner;
  if (recovery.rebuilt) site.onEvent('an index was made anew from the slabs');
  if (recovery.recovered > 0) site.onEvent('fragments were found again from their headers');
  if (recovery.torn > 0) site.onEvent('a fragment whose seal had not ended was found');
  return { owner, index, device };
}
