import { limits } from '../limits.ts';
import type { MetadataReader } from '../metadata/index.ts';
import type { Registry } from '../telemetry/index.ts';

/** What is allowed and what is held, of the first {@link limits.quotaSeries} buckets and tenants with a quota: the others are asked for by name. */
export function quotaMetrics(
  registry: Registry,
  reader: Pick<MetadataReader, 'bucketById' | 'identities' | 'quotas'>,
): void {
  const labels = ['of', 'name', 'unit'] as const;
  const allowed = registry.gauge('dsom_quota_limit', 'What a quota allows, in bytes and objects.', [...labels]);
  const used = registry.gauge('dsom_quota_used', 'What is held of it.', [...labels]);
  registry.refresh(() => {
    allowed.clear();
    used.clear();
    if (!reader.quotas.any()) return;
    for (const { subject, quota } of reader.quotas.list(undefined, limits.quotaSeries).items) {
      const name =
        subject.kind === 'bucket'
          ? reader.bucketById(subject.bucket)?.name
          : (reader.identities.account(subject.account)?.name ?? 'root');
      const usage = reader.quotas.usage(subject);
      for (const unit of ['bytes', 'objects'] as const) {
        const most = quota[unit];
        if (name === undefined || most === undefined) continue;
        const at = [subject.kind, name, unit] as const;
        allowed.add(allowed.at(...at), most);
        used.add(used.at(...at), usage[unit]);
      }
    }
  });
}
