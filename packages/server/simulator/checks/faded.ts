import type { MetadataReader } from '../../src/metadata/index.ts';
import { fadingPrefix } from '../world/lifecycle.ts';

/** Keys that a lifecycle takes away and that are there. */
export function fadingLeft(reader: MetadataReader): string[] {
  const bucket = reader.bucket('fading');
  if (!bucket) return [];
  const none = Buffer.alloc(0);
  const query = { bucket: bucket.id, prefix: Buffer.from(fadingPrefix), delimiter: none, start: none, limit: 100 };
  return reader.list(query).items.flatMap((item) => ('key' in item ? [item.key.toString()] : []));
}
