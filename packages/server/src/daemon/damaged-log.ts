import type { DamagedSegment } from '../log/index.ts';

/**
 * What an operator should know of a segment of the log that is damaged in one directory, as a sentence. A start makes two directories equal where
 * a segment is not there at all; what is damaged within is seen by whoever reads it.
 */
export const damagedLogText = ({ side, other, segment }: DamagedSegment): string =>
  `${segment} in ${side}/metadata/log is damaged, and was read from ${other}: look at the disk, stop the server, move that file away, and start again, which writes it anew`;
