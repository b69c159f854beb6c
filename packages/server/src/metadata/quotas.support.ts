import assert from 'node:assert/strict';
import type { KvView } from '../kv/index.ts';
import { type Table, tableEnd, tableStart } from './machine/keys.ts';
import { decodeUsage, tenantOf } from './machine/quotas.ts';
import { decodeBucket, decodeNumber, decodeUpload } from './machine/rows.ts';
import { sequenceOf } from './machine/usage.ts';
import { VersionRow } from './machine/versions.ts';
import { openMetadataReader } from './reader.ts';

type RowsOf = (table: Table) => readonly { readonly key: Buffer; readonly value: Buffer }[];

/** What each user has written, from the versions and uploads that count for him. @param parts bytes of open uploads, by id */
function writersOf(rows: RowsOf, parts: ReadonlyMap<string, number>): Map<string, { objects: number; bytes: number }> {
  const sizes = new Map<number, { objects: number; bytes: number }>();
  for (const table of ['objects', 'history'] as const)
    for (const { value } of rows(table)) {
      const row = new VersionRow(value);
      if (!row.isMarker) sizes.set(row.sequence, { objects: 1, bytes: row.size });
    }
  for (const { value } of rows('uploads')) {
    const { id } = decodeUpload(value);
    sizes.set(sequenceOf(id), { objects: 0, bytes: parts.get(id.toString('hex')) ?? 0 });
  }
  const writers = new Map<string, { objects: number; bytes: number }>();
  for (const { key, value } of rows('charges')) {
    if (key[1] === 0) continue;
    const held = sizes.get(Number(key.readBigUInt64BE(2)));
    assert.ok(held, 'what counts for a user is there');
    const sum = writers.get(value.toString()) ?? { objects: 0, bytes: 0 };
    writers.set(value.toString(), { objects: sum.objects + held.objects, bytes: sum.bytes + held.bytes });
  }
  return writers;
}

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
  const counted = rows('charges')
    .filter(({ key }) => key[1] === 0)
    .map(({ key, value }) => [key.toString('hex', 1), decodeNumber(value)] as const);
  assert.deepEqual(new Map(counted), parts, 'the parts of every open upload are counted');
  const writers = writersOf(rows, parts);
  const tenants = new Map<string, { objects: number; bytes: number }>();
  for (const { value } of rows('buckets')) {
    const { id, owner } = decodeBucket(value);
    const { versions, bytes, partBytes } = reader.bucketById(id)!.counts;
    assert.equal(partBytes, ofBuckets.get(id) ?? 0, 'a bucket has the parts of its uploads');
    const sum = tenants.get(tenantOf(owner)) ?? { objects: 0, bytes: 0 };
    tenants.set(tenantOf(owner), { objects: sum.objects + versions, bytes: sum.bytes + bytes + partBytes });
  }
  const usage = rows('usage');
  for (const { key, value } of usage) {
    const of = key.toString('latin1', 1);
    assert.deepEqual(decodeUsage(value), tenants.get(of) ?? writers.get(of) ?? { objects: 0, bytes: 0 }, of);
    writers.delete(of);
  }
  assert.deepEqual([...writers.keys()], [], 'what counts for a user is in his row');
  for (const subject of reader.quotas.counted())
    if (subject.kind === 'tenant')
      assert.deepEqual(
        reader.quotas.addedUp(subject.account),
        reader.quotas.usage(subject),
        'as the cross-check adds up',
      );
  const [count, ...quotas] = rows('quotas');
  assert.equal(count ? decodeNumber(count.value) : 0, usage.length + quotas.length, 'rows of quotas are counted');
}
