import { StoreError } from '../../errors.ts';
import { shardOfNumber } from '../machine/numbering.ts';
import { encodeSubject, type OtherShards, type QuotaReader, type Usage } from '../machine/quotas.ts';
import type { MetadataReader } from '../types.ts';

type Replica = Pick<MetadataReader, 'quotas'>;

function sum(replicas: readonly (Replica | undefined)[], usage: (quotas: QuotaReader) => Usage): Usage {
  const total = { objects: 0, bytes: 0 };
  for (const replica of replicas) {
    if (!replica)
      throw new StoreError('ServiceUnavailable', {
        message: 'This node has not opened all shards yet, and does not know what the others hold: try again.',
        retryAfter: 1,
      });
    const { objects, bytes } = usage(replica.quotas);
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
    usage: (subject) => sum(replicas, (quotas) => quotas.usage(subject)),
    list: (after, limit) => system.list(after, limit),
    *counted() {
      const met = new Set<string>();
      for (const { quotas } of replicas)
        for (const subject of quotas.counted()) {
          const name = encodeSubject(subject).toString('latin1');
          if (!met.has(name)) yield subject;
          met.add(name);
        }
    },
    addedUp: (account) => sum(replicas, (quotas) => quotas.addedUp(account)),
    writerOf: (sequence) => replicas[shardOfNumber(sequence)]?.quotas.writerOf(sequence),
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
        (quotas) => quotas.usage(subject),
      ),
  };
}
