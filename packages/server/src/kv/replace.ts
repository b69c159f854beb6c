import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { type KvOptions, openKv } from './owner.ts';
import type { Kv } from './types.ts';

/*
 * A KV that is made anew in the place of another, from a stream that may break off: it is filled in a directory beside the old one, and takes
 * its place only once it is whole and durable. A crash leaves one of these, and `settleKv` knows which KV is the one:
 *
 *   directory            next                previous       the KV is
 *   old                  none, or unfinished  -             the old one
 *   -                    whole                old           the new one
 *   new                  -                    old           the new one
 */

const nextOf = (directory: string): string => `${directory}.next`;
const previousOf = (directory: string): string => `${directory}.previous`;

const isThere = (path: string): Promise<boolean> =>
  fs.stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );

const removeAll = (path: string): Promise<void> => fs.rm(path, { recursive: true, force: true });

async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Ends a replacement that a crash broke off. Before the KV in the directory is opened. */
export async function settleKv(directory: string): Promise<void> {
  const replaced = await isThere(previousOf(directory));
  if (replaced && !(await isThere(directory))) {
    await fs.rename(nextOf(directory), directory);
    await syncDirectory(dirname(directory));
  }
  await removeAll(previousOf(directory));
  await removeAll(nextOf(directory));
}

/**
 * Fills an empty KV and puts it in the place of the one in the directory, which must be closed. Durable when it resolves; when `fill` or
 * anything else fails, the old one is still there.
 */
export async function replaceKv(options: KvOptions, fill: (kv: Kv) => Promise<unknown>): Promise<void> {
  const { directory } = options;
  await settleKv(directory);
  const next = nextOf(directory);
  const kv = await openKv({ ...options, directory: next });
  try {
    await fill(kv);
  } catch (cause) {
    await kv.close().catch(() => {});
    await removeAll(next);
    throw cause;
  }
  await kv.close();
  await fs.mkdir(directory, { recursive: true });
  const parent = dirname(directory);
  await syncDirectory(next);
  await fs.rename(directory, previousOf(directory));
  await syncDirectory(parent);
  await fs.rename(next, directory);
  await syncDirectory(parent);
  await removeAll(previousOf(directory));
}
