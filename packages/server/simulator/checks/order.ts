import { type CheckReport, crossCheck, type ScrubReport } from '../../src/durability/index.ts';
import type { FragmentStore } from '../../src/fragments/index.ts';
import type { Host } from '../../src/host/index.ts';
import { memoryKv } from '../../src/kv/index.ts';
import { type MetadataReader, restoreSnapshot, shardOfNumber } from '../../src/metadata/index.ts';

/** What a scrub found that is not in order, as a sentence; empty when nothing is. */
export function scrubText({ missing, damaged, unreadable, skipped }: ScrubReport): string {
  if (missing + damaged + unreadable + skipped.length === 0) return '';
  return `a scrub found ${missing} copies missing, ${damaged} damaged, ${unreadable} unreadable, and left out ${skipped.length} devices`;
}

/** What is left over or does not fit, as a sentence; empty when nothing does. @param writers threads that write stripes */
export async function disorder(
  reader: MetadataReader,
  stores: ReadonlyMap<string, FragmentStore>,
  host: Host,
  writers: number,
): Promise<string> {
  const garbage = reader.garbage(10);
  if (garbage.length > 0) return `garbage of position ${garbage[0]?.position} is still listed`;
  const closed = reader.intents().filter(({ state }) => state === 'closed');
  if (closed.length > 0) return `${closed.length} closed intents are still listed`;
  // Each has in each shard one that it numbers stripes under, and perhaps the next.
  for (const [shard, open] of Map.groupBy(reader.intents(), ({ openedAt }) => shardOfNumber(openedAt)))
    if (open.length > 2 * writers)
      return `${open.length} intents of shard ${shard} are open, and there are ${writers} writers`;
  return findingsText(await crossCheck({ reader, groups: () => reader.groups(), stores, host }).report);
}

function findingsText({ findings }: CheckReport): string {
  return findings
    .slice(0, 5)
    .map(({ kind, where, what }) => `${kind}: ${where}: ${what}`)
    .join(' ');
}

/** The running digest is that of all rows, counted anew. @throws CorruptionError when it is not */
export async function recount(snapshot: Iterable<Buffer>, host: Host): Promise<void> {
  await restoreSnapshot(memoryKv(host), [...snapshot]);
}
