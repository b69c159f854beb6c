import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

/** Where a folder goes that cannot be used; the one before it goes away. */
export const asideFolder = (folder: string): string => `${folder}.damaged`;

/** Puts a folder aside, durably. @returns where it went, undefined when there was none */
export function putAside(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const kept = asideFolder(folder);
  rmSync(kept, { recursive: true, force: true });
  renameSync(folder, kept);
  const parent = openSync(path.dirname(folder), 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
  return kept;
}
