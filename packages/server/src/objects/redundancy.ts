import type { ObjectVersion, Redundancy } from '../metadata/index.ts';
import type { Rooms } from './rooms.ts';

/** What the bytes of a version are kept with, by its first stripe; small objects are as safe as the metadata that they are part of. */
export function redundancyOf(
  { reader, stripes, metadataCopies = 1 }: Pick<Rooms, 'reader' | 'stripes' | 'metadataCopies'>,
  { manifest }: ObjectVersion,
): Redundancy | undefined {
  const piece = manifest.embedded ?? reader.pieces(manifest, 0, 1)[0];
  const first = piece && 'stripes' in piece.body ? piece.body.stripes[0] : undefined;
  return first ? stripes.redundancyOf(first.group) : { copies: metadataCopies };
}
