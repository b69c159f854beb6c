import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';

/*
 * A KV that is made anew in the place of another, from a stream that may break off: it is filled in a directory beside the old one, and takes
 * its place only once it is whole and durable. A crash leaves one of these, and whoever opens the KV knows which is the one:
 *
 *   directory            next                previous       the KV is
 *   old                  none, or unfinished  -             the old one
 *   -                    whole                old           the new one
 *   new                  -                    old           the new one
 */

export const nextOf = (directory: string): string => `${directory}.next`;
export const previousOf = (directory: string): string => `${directory}.previous`;

const isThere = (path: string): Promise<boolean> =>
  fs.stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );

export const removeAll = (path: string): Promise<void> => fs.rm(path, { recursive: true, force: true });

export async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Ends a replacement that a crash broke off, before the KV in the directory is opened. */
export async function settleKv(directory: string): Promise<void> {
  const replaced = await isThere(previousOf(directory));
  if (replaced && !(await isThere(directory))) {
    await fs.rename(nextOf(directory), directory);
    await syncDirectory(dirname(directory));
  }
  await removeAll(previousOf(directory));
  await removeAll(nextOf(directory));
}
