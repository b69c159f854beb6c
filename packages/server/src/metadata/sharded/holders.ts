import { localNumber, numberOf, shardOfNumber } from '../machine/numbering.ts';
import type { GarbageFrom, GarbageRow, LendersFrom, LendersPage, Link, MetadataReader } from '../types.ts';
import { mergeRuns } from './listing.ts';

/* Who holds which bytes, and which nobody holds, over shards: what holds is in the shard of what it holds. */

/** As {@link MetadataReader.garbage}; positions are told apart by shard. */
export function garbageOver(
  shards: readonly MetadataReader[],
  limit: number,
  after: GarbageFrom | undefined,
): readonly GarbageRow[] {
  const found: GarbageRow[] = [];
  const first = after ? shardOfNumber(after.position) : 0;
  for (const [shard, reader] of shards.entries()) {
    if (shard < first || found.length >= limit) continue;
    const from = after && shard === first ? { ...after, position: localNumber(after.position) } : undefined;
    for (const row of reader.garbage(limit - found.length, from))
      found.push({ ...row, position: numberOf(shard, row.position) });
  }
  return found;
}

/** As {@link MetadataReader.links}. */
export const linksOver = (shards: readonly MetadataReader[], start: Buffer, limit: number): readonly Link[] =>
  mergeRuns(
    shards.map((shard) => shard.links(start, limit)),
    limit,
    (a, b) => Buffer.compare(a.manifest, b.manifest),
  );

/** As {@link MetadataReader.lenders}: shard after shard. */
export function lendersOver(
  shards: readonly MetadataReader[],
  from: LendersFrom | undefined,
  limit: number,
): LendersPage {
  const shard = from?.shard ?? 0;
  const page = shards[shard]?.lenders(from?.row && { shard: 0, row: from.row }, limit);
  if (page?.next) return { ...page, next: { ...page.next, shard } };
  return { manifests: page?.manifests ?? [], next: shard + 1 < shards.length ? { shard: shard + 1 } : undefined };
}
