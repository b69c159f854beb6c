import type { ChecksumAlgorithm } from '../codec/index.ts';
import { featureOfChecksum, type MetadataReader, unknownFeature } from '../metadata/index.ts';
import type { Rooms } from './rooms.ts';

/** Whether a checksum by this algorithm may be kept: every node knows it, or the first of a store that is alone turns it on. */
export function mayKeep(
  { reader }: { readonly reader: Pick<MetadataReader, 'nodes' | 'features'> },
  algorithm: ChecksumAlgorithm,
): boolean {
  const feature = featureOfChecksum(algorithm);
  return feature === undefined || reader.nodes().length === 0 || reader.features().includes(feature);
}

/**
 * Asked before anything is proposed, and before the bytes: a node that does not know the algorithm and decides the proposal would write a row that nobody can read.
 * @throws StoreError NotImplemented
 */
export function checkMayKeep(rooms: Pick<Rooms, 'reader'>, algorithm: ChecksumAlgorithm | undefined): void {
  if (algorithm === undefined || mayKeep(rooms, algorithm)) return;
  throw unknownFeature('newerChecksums', `A checksum by ${algorithm} needs`);
}
