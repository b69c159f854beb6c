import { CorruptionError } from '../errors.ts';
import type { Volume } from './types.ts';

/** Replaces a small file whole: after a crash it is the old one or the new one. Durable when it resolves. */
export async function replaceFile(volume: Volume, name: string, bytes: Uint8Array): Promise<void> {
  const fresh = `${name}.new`;
  const file = await volume.open(fresh, 'create');
  try {
    await file.truncate(bytes.length);
    await file.write([bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await volume.rename(fresh, name);
  await volume.syncDirectory();
}

/**
 * A small file as a whole; undefined when there is none.
 * @throws CorruptionError when it has more than `most` bytes, or ends early
 */
export async function readFile(volume: Volume, name: string, most: number): Promise<Buffer | undefined> {
  if (!(await volume.list()).includes(name)) return undefined;
  const file = await volume.open(name, 'read');
  try {
    const size = await file.size();
    if (size > most) throw new CorruptionError(`it has ${size} bytes, more than ${most}`);
    const bytes = Buffer.alloc(size);
    if ((await file.read(bytes, 0)) !== size) throw new CorruptionError('it ends early');
    return bytes;
  } finally {
    await file.close();
  }
}
