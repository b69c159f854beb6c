import { limits } from '../limits.ts';
import type { MetadataReader, QuotaSubject } from '../metadata/index.ts';
import type { Registry } from '../telemetry/index.ts';

type Named = Pick<MetadataReader, 'bucketById' | 'identities' | 'quotas'>;

/** What is allowed and what is held, of the first {@link limits.quotaSeries} buckets and tenants with a quota: the others are asked for by name. */
export function quotaMetrics(registry: Registry, reader: Named): void {
  const labels = ['of', 'name', 'unit'] as const;
  const allowed = registry.gauge('dsom_quota_limit', 'What a quota allows, in bytes and objects.', [...labels]);
  const used = registry.gauge('dsom_quota_used', 'What is held of it.', [...labels]);
  registry.refresh(() => {
    allowed.clear();
    used.clear();
    if (!reader.quotas.any()) return;
    for (const { subject, quota } of reader.quotas.list(undefined, limits.quotaSeries).items) {
      const name = nameOf(reader, subject);
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

/** Users by their ids: their names are unique in their tenant alone. */
function nameOf(reader: Named, subject: QuotaSubject): string | undefined {
  if (subject.kind === 'user') return subject.user;
  if (subject.kind === 'bucket') return reader.bucketById(subject.bucket)?.name;
  return reader.identities.account(subject.account)?.name ?? 'root';
}
