import { type Dirent, type Stats, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { CommandError, exitCode } from './exit.ts';

export interface LocalItem {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Path below the folder that was walked, with `/`. */
  readonly relative: string;
}

/** What a path is, following links; undefined when nothing is there. */
export function lookAt(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false });
}

const bytes = (name: string) => Buffer.from(name);

/** In the order in which a listing gives the keys made of them: a folder counts as its name and a slash. */
function inKeyOrder(entries: readonly Dirent[]): Dirent[] {
  const named = entries.map((entry) => ({ entry, order: bytes(entry.isDirectory() ? `${entry.name}/` : entry.name) }));
  return named.sort((a, b) => Buffer.compare(a.order, b.order)).map(({ entry }) => entry);
}

/**
 * All files below a folder, in key order, one folder's names in memory at a time. Links to files are followed, links to folders are not.
 * @param skipped hears of what is neither file nor folder, or cannot be looked at
 */
export async function* walk(
  folder: string,
  skipped: (file: string, why: string) => void,
  below = '',
): AsyncGenerator<LocalItem> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    if (below === '') throw cause;
    skipped(folder, (cause as Error).message);
    return;
  }
  for (const entry of inKeyOrder(entries)) {
    const file = path.join(folder, entry.name);
    const relative = `${below}${entry.name}`;
    if (entry.isDirectory()) yield* walk(file, skipped, `${relative}/`);
    else if (entry.isFile() || entry.isSymbolicLink()) {
      const found = await stat(file).catch((cause: Error) => cause);
      if (found instanceof Error) skipped(file, found.message);
      else if (!found.isFile()) skipped(file, found.isDirectory() ? 'a link to a folder' : 'not a regular file');
      else yield { path: file, size: found.size, modifiedMs: found.mtimeMs, relative };
    } else skipped(file, 'not a regular file');
  }
}

/** Names of this program's unfinished downloads, which are never uploaded. */
export const partSuffix = '.dsom-part';

/**
 * The path below `folder` that stands for a key.
 * @throws CommandError for keys that a file system cannot hold, or that would lead out of the folder: keys are written by others
 */
export function pathBelow(folder: string, relative: string): string {
  const segments = relative.split('/');
  const bad = segments.some(
    (segment) => segment === '' || segment === '.' || segment === '..' || segment.includes('\0'),
  );
  const foreign = path.sep === '\\' && /[\\:]/.test(relative);
  if (bad || foreign)
    throw new CommandError(
      exitCode.failed,
      'the key cannot be a file name',
      'Copy it alone, to a name of your choice: dsom cp s3://BUCKET/KEY ./NAME',
    );
  return path.join(folder, ...segments);
}
