import { keys, tableEnd, tableStart } from './keys.ts';
import {
  decodeQuota,
  decodeSubject,
  decodeUsage,
  encodeSubject,
  holderOf,
  type Quota,
  type QuotaReader,
  type QuotaSubject,
  tenantOf,
  type Usage,
} from './quotas.ts';
import type { BucketId } from './records.ts';
import { decodeBucket } from './rows.ts';
import type { View } from './view.ts';

/** Quotas and usage of one shard as values: what deciding, applying and readers look at. */
export class QuotaView implements QuotaReader {
  readonly #view: View;

  constructor(view: View) {
    this.#view = view;
  }

  any(): boolean {
    return this.#view.isMetered();
  }

  of(subject: QuotaSubject): Quota | undefined {
    const row = this.#view.rows.get(keys.quota(encodeSubject(subject)));
    return row && decodeQuota(row);
  }

  list(after: QuotaSubject | undefined, limit: number): ReturnType<QuotaReader['list']> {
    // The row with the number of rows comes first.
    const start = Buffer.concat([after ? keys.quota(encodeSubject(after)) : keys.quotaRows(), Buffer.from([0])]);
    const rows = [...this.#view.rows.range({ start, end: tableEnd('quotas'), limit: limit + 1 })];
    const items = rows.slice(0, limit).map(({ key, value }) => ({
      subject: decodeSubject(key.subarray(1)),
      quota: decodeQuota(value),
    }));
    return { items, truncated: rows.length > limit };
  }

  *counted(): Iterable<QuotaSubject> {
    if (!this.any()) return;
    for (const { key } of this.#view.rows.range({ start: tableStart('usage'), end: tableEnd('usage') }))
      yield holderOf(key.toString('utf8', 1));
  }

  writerOf(sequence: number): string | undefined {
    return this.#view.rows.get(keys.charge(sequence))?.toString();
  }

  /** Whether what an account has is a row here. */
  keeps(account: string): boolean {
    return this.#view.rows.get(keys.usage(account)) !== undefined;
  }

  usage(subject: QuotaSubject): Usage {
    if (subject.kind === 'bucket') return this.#ofBucket(subject.bucket);
    const of = subject.kind === 'user' ? subject.user : subject.account;
    const row = this.#view.rows.get(keys.usage(of));
    if (row) return decodeUsage(row);
    return subject.kind === 'user' ? { objects: 0, bytes: 0 } : this.addedUp(of);
  }

  #ofBucket(bucket: BucketId): Usage {
    const { versions, bytes, partBytes } = this.#view.counts(bucket);
    return { objects: versions, bytes: bytes + partBytes };
  }

  /** Of all its buckets, one by one: `limits.buckets` at most. */
  addedUp(account: string): Usage {
    const sum = { objects: 0, bytes: 0 };
    for (const { value } of this.#view.rows.range({ start: tableStart('buckets'), end: tableEnd('buckets') })) {
      const { id, owner } = decodeBucket(value);
      if (tenantOf(owner) !== account) continue;
      const { objects, bytes } = this.#ofBucket(id);
      sum.objects += objects;
      sum.bytes += bytes;
    }
    return sum;
  }
}
