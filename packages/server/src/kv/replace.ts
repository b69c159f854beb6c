import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { type KvOptions, openKv } from './owner.ts';
import { nextOf, previousOf, removeAll, settleKv, syncDirectory } from './settle.ts';
import type { Kv } from './types.ts';

/**
 * Fills an empty KV beside the one in a directory, which may be in use meanwhile, and puts it in its place. Durable when it resolves; when `fill`
 * or anything else fails, the old one is still there. Not while another replacement of the same directory is under way.
 * @param retire once the new one is whole: closes the old one, for good, in every thread
 */
export async function replaceKv<Result>(
  options: KvOptions,
  fill: (kv: Kv) => Promise<Result>,
  retire: () => Promise<void> = async () => {},
): Promise<Result> {
  const { directory } = options;
  await settleKv(directory);
  const next = nextOf(directory);
  const result = await filled({ ...options, directory: next }, fill);
  await retire();
  await fs.mkdir(directory, { recursive: true });
  const parent = dirname(directory);
  await syncDirectory(next);
  await fs.rename(directory, previousOf(directory));
  await syncDirectory(parent);
  await fs.rename(next, directory);
  await syncDirectory(parent);
  await removeAll(previousOf(directory));
  return result;
}

async function filled<Result>(options: KvOptions, fill: (kv: Kv) => Promise<Result>): Promise<Result> {
  const kv = await openKv(options);
  try {
    const result = await fill(kv);
    await kv.close();
    return result;
  } catch (cause) {
    await kv.close().catch(() => {});
    await removeAll(options.directory);
    throw cause;
  }
}
