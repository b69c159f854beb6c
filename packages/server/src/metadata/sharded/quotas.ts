import { StoreError } from '../../errors.ts';
import type { OtherShards, QuotaReader, QuotaSubject, Usage } from '../machine/quotas.ts';
import type { MetadataReader } from '../types.ts';

type Replica = Pick<MetadataReader, 'quotas'>;

function sum(replicas: readonly (Replica | undefined)[], subject: QuotaSubject): Usage {
  const total = { objects: 0, bytes: 0 };
  for (const replica of replicas) {
    if (!replica)
      throw new StoreError('ServiceUnavailable', {
        message: 'This node has not opened all shards yet, and does not know what the others hold: try again.',
        retryAfter: 1,
      });
    const { objects, bytes } = replica.quotas.usage(subject);
    total.objects += objects;
    total.bytes += bytes;
  }
  return total;
}

/** Quotas are the system shard's, and what counts is what all shards hold. */
export function quotasOver(replicas: readonly Replica[]): QuotaReader {
  const system = (replicas[0] as Replica).quotas;
  return {
    any: () => system.any(),
    of: (subject) => system.of(subject),
    usage: (subject) => sum(replicas, subject),
    list: (after, limit) => system.list(after, limit),
  };
}

/**
 * What a shard is to know of the others when it decides: as the replicas of this node have it.
 * @param replicas by number of the shard; those that are not open yet are undefined, and `shard` itself is passed over
 */
export function otherShards(replicas: readonly (Replica | undefined)[], shard: number): OtherShards {
  return {
    get quotas() {
      return shard === 0 ? undefined : replicas[0]?.quotas;
    },
    usage: (subject) =>
      sum(
        Array.from(replicas).filter((_, number) => number !== shard),
        subject,
      ),
  };
}
