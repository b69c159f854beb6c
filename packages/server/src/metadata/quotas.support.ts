import assert from 'node:assert/strict';
import type { KvView } from '../kv/index.ts';
import { type Table, tableEnd, tableStart } from './machine/keys.ts';
import { decodeUsage, tenantOf } from './machine/quotas.ts';
import { decodeBucket, decodeNumber, decodeUpload } from './machine/rows.ts';
import { openMetadataReader } from './reader.ts';

/** Adds up what is counted in one shard, from the rows of what is counted, and compares. Every upload must have been begun with the feature on. */
export function auditQuotas(kv: KvView): void {
  const reader = openMetadataReader(kv);
  const rows = (table: Table) => [...kv.range({ start: tableStart(table), end: tableEnd(table) })];
  const parts = new Map<string, number>();
  const ofBuckets = new Map<number, number>();
  for (const { value } of rows('uploads')) {
    const { id, bucket } = decodeUpload(value);
    const uploaded = reader.parts(id, 0, 10_000).items;
    const bytes = uploaded.reduce((sum, { piece }) => sum + piece.size, 0);
    if (uploaded.length > 0) parts.set(id.toString('hex'), bytes);
    ofBuckets.set(bucket, (ofBuckets.get(bucket) ?? 0) + bytes);
  }
  const counted = rows('partBytes').map(({ key, value }) => [key.toString('hex', 1), decodeNumber(value)] as const);
  assert.deepEqual(new Map(counted), parts, 'the parts of every open upload are counted');
  const tenants = new Map<string, { objects: number; bytes: number }>();
  for (const { value } of rows('buckets')) {
    const { id, owner } = decodeBucket(value);
    const { versions, bytes, partBytes } = reader.bucketById(id)!.counts;
    assert.equal(partBytes, ofBuckets.get(id) ?? 0, 'a bucket has the parts of its uploads');
    const sum = tenants.get(tenantOf(owner)) ?? { objects: 0, bytes: 0 };
    tenants.set(tenantOf(owner), { objects: sum.objects + versions, bytes: sum.bytes + bytes + partBytes });
  }
  const usage = rows('usage');
  for (const { key, value } of usage)
    assert.deepEqual(decodeUsage(value), tenants.get(key.toString('latin1', 1)) ?? { objects: 0, bytes: 0 });
  const [count, ...quotas] = rows('quotas');
  assert.equal(count ? decodeNumber(count.value) : 0, usage.length + quotas.length, 'rows of quotas are counted');
}
