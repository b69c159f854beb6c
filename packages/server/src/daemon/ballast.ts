import { existsSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { reserveOf, roomOf } from '../device/index.ts';
import type { Clock } from '../host/index.ts';
import { limits } from '../limits.ts';

/*
 * A file of zeros in each data directory, which is removed when its disk has no byte left: so a server can start on a disk that somebody
 * else filled up (a start writes locks, and replays the log), and an entry that is durable finds the pages to be applied. It is made again
 * when there is room.
 */

const fileOf = (directory: string): string => path.join(directory, 'ballast');

function freeOf(directory: string): { free: number; bytes: number; reserve: number } {
  const { total, free } = roomOf(directory);
  const reserve = reserveOf(total);
  return { free, bytes: Math.min(limits.ballastBytes, Math.ceil(reserve / 4)), reserve };
}

/** Gives the ballast up where hardly anything else is left. @returns whether it did */
export function dropBallast(directory: string): boolean {
  const { free, bytes } = freeOf(directory);
  if (free >= bytes / 2 || !existsSync(fileOf(directory))) return false;
  rmSync(fileOf(directory));
  return true;
}

/** Takes ballast in where there is room for it. */
export async function takeBallast(directory: string): Promise<void> {
  const { free, bytes, reserve } = freeOf(directory);
  if (existsSync(fileOf(directory)) || free < reserve + bytes) return;
  const draft = `${fileOf(directory)}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    const zeros = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < bytes; at += zeros.length) await file.write(zeros, 0, Math.min(zeros.length, bytes - at), at);
    await file.datasync();
  } catch (error) {
    rmSync(draft);
    throw error;
  } finally {
    await file.close();
  }
  await rename(draft, fileOf(directory));
}

/**
 * Rounds of freeing space, after each of which the ballasts are looked after. A round may fail for want of the space that the ballast has; but one that
 * does may also be followed by one that gets on, and a ballast that was given up goes into files that never shrink. So they have to fail for a while.
 */
export function tending(
  free: (signal: AbortSignal) => Promise<void>,
  tend: () => Promise<void>,
  clock: Clock,
): (signal: AbortSignal) => Promise<void> {
  let since: number | undefined;
  return async (signal) => {
    try {
      await free(signal);
      since = undefined;
    } catch (cause) {
      since ??= clock.monotonic();
      if (clock.monotonic() - since >= limits.ballastWaitMs) await tend();
      throw cause;
    }
    await tend();
  };
}
