import { readFile, stat } from 'node:fs/promises';

/** What kind of disk carries a directory, as Linux says it; `unknown` where it does not (overlay file systems, other systems). */
export async function diskClass(directory: string): Promise<'ssd' | 'hdd' | 'unknown'> {
  try {
    const { dev } = await stat(directory, { bigint: true });
    // The encoding of dev_t by glibc: 12 low and 20 high bits of the major number, 8 low and 12 high bits of the minor number.
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    const base = `/sys/dev/block/${major}:${minor}`;
    // A partition has no queue of its own: its disk is the directory above.
    for (const place of [`${base}/queue/rotational`, `${base}/../queue/rotational`]) {
      const text = await readFile(place, 'utf8').catch(() => '');
      if (text !== '') return text.trim() === '1' ? 'hdd' : 'ssd';
    }
  } catch {
    // No such directory, or no /sys: the answer below is the honest one.
  }
  return 'unknown';
}
