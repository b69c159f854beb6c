import { limits } from '../limits.ts';

/**
 * Bytes of a file system that objects in slabs never take: they are for what must go on when it is full (log entries of deletions, pages of
 * the KV, checkpoints). A part of a large disk; of a small one as much as a log and a KV need at least.
 */
export const reserveOf = (totalBytes: number): number =>
  Math.min(limits.deviceReserveBytes, Math.max(limits.deviceReserveLeastBytes, Math.floor(totalBytes / 16)));
