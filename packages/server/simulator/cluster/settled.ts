import { placementDevices } from '../../src/daemon/cluster/layout.ts';
import { readRebalance } from '../../src/daemon/cluster/settings.ts';
import type { MetadataReader } from '../../src/metadata/index.ts';
import { planLayout } from '../../src/placement/index.ts';
import type { Member } from './member.ts';

/** It hears of every other node, nothing is evened out, and no placement group is to be defined. */
export function isSettled({ thread: { reader, network } }: Member): boolean {
  const heard = network?.neighbours().every(({ state }) => state !== undefined) === true;
  const still = readRebalance(reader).state !== 'running';
  return heard && still && reader.nodes().length > 1 && isLaidOut(reader);
}

/** What {@link isLaidOut} found at the newest position of a replica: it is asked for many times while nothing happens. */
const laidOut = new WeakMap<MetadataReader, { readonly position: number; readonly isLaidOut: boolean }>();

function isLaidOut(reader: MetadataReader): boolean {
  const position = reader.position();
  const known = laidOut.get(reader);
  if (known?.position === position) return known.isLaidOut;
  const found = { position, isLaidOut: planLayout(placementDevices(reader), reader.groups()).length === 0 };
  laidOut.set(reader, found);
  return found.isLaidOut;
}
