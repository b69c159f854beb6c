import type { MetadataReader } from '../../src/metadata/index.ts';
import { cap } from '../ruled.ts';

/** Parts of an upload have at most this number. */
const mostParts = 3;

/**
 * What the bucket with a quota holds, counted anew, against what is counted and, where one shard decides, against the quota.
 * @returns what is wrong, as a sentence; undefined when nothing is
 */
export function miscounted(reader: MetadataReader): string | undefined {
  const bucket = reader.bucket('capped');
  if (!bucket) return undefined;
  const none = Buffer.alloc(0);
  const query = { bucket: bucket.id, prefix: none, delimiter: none, start: none, limit: 1000, after: undefined };
  const held = { objects: 0, bytes: 0 };
  for (const item of reader.listVersions(query).items) {
    if (!('record' in item)) continue;
    held.objects += 1;
    held.bytes += item.record.kind === 'object' ? item.record.size : 0;
  }
  for (const upload of reader.listUploads(query).items) {
    if (!('id' in upload)) continue;
    for (let part = 1; part <= mostParts; part++) held.bytes += reader.part(upload.id, part)?.piece.size ?? 0;
  }
  const counted = reader.quotas.usage({ kind: 'bucket', bucket: bucket.id });
  const text = ({ objects, bytes }: { objects: number; bytes: number }) => `${objects} objects and ${bytes} bytes`;
  if (counted.objects !== held.objects || counted.bytes !== held.bytes)
    return `the bucket with a quota holds ${text(held)}, and ${text(counted)} are counted`;
  // Over several shards it may be passed by one write of each other shard (docs/quotas.md), and what a replica has of them is of different moments.
  if (reader.shards === 1 && (held.objects > cap.objects || held.bytes > cap.bytes))
    return `the bucket with a quota holds ${text(held)}, and may hold ${text(cap)}`;
  return undefined;
}
