import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import {
  type BucketRecord,
  doubled,
  type Metadata,
  objectShardsName,
  shardsInUse,
  shardsInUseName,
  unknownFeature,
} from '../../metadata/index.ts';
import type { ClusterAdmin } from './admin.ts';
import { lacking, objectShardsOf } from './sharding.ts';

export interface ShardAdminInput {
  /** All shards that this node has open, as one. */
  readonly metadata: Pick<Metadata, 'propose' | 'reader'>;
  /** This node. */
  readonly node: string;
  /** Readers of its object shards, from number 1 on. */
  readonly objectShards: () => readonly Metadata['reader'][];
}

const refuse = (message: string): never => {
  throw new StoreError('InvalidRequest', { message });
};

/** What an operator asks about the shards of the cluster and of its buckets. */
export function shardAdmin({ metadata, node, objectShards }: ShardAdminInput): ClusterAdmin {
  const { reader } = metadata;
  const named = (name: string): BucketRecord => {
    const bucket = reader.bucket(name);
    if (!bucket) throw new StoreError('NoSuchBucket', { resource: name });
    return bucket;
  };
  const inUse = (): number => shardsInUse(reader, objectShards().length);
  const status = () => {
    const wanted = objectShardsOf(reader) ?? 0;
    const waits = new Set<string>();
    const open = objectShards();
    for (let number = 1; number <= wanted; number++) {
      const shard = open[number - 1];
      if (shard) for (const id of lacking(reader, shard)) waits.add(id);
      // What the others have of it cannot be seen from here.
      else waits.add(node);
    }
    return { objectShards: wanted, inUse: inUse(), notOpenOn: [...waits].sort() };
  };
  const bucketStatus = (name: string) => {
    const bucket = named(name);
    const place = reader.bucketShards(bucket.id);
    const shards = place?.shards ?? [0];
    const open = objectShards();
    return {
      bucket: name,
      madeWith: place?.madeWith ?? shards.length,
      objectShardsInUse: inUse(),
      shards: shards.map((shard) => {
        const here = place ? open[shard - 1]?.bucketById(bucket.id) : bucket;
        const { objects = 0, versions = 0, uploads = 0, bytes = 0 } = here?.counts ?? {};
        return { shard, objects, versions, uploads, bytes };
      }),
    };
  };
  /** Twice as many. */
  const double = async (name: string): Promise<void> => {
    const bucket = named(name);
    const place = reader.bucketShards(bucket.id);
    if (!place)
      return refuse(
        `The objects of the bucket ${name} are in the system shard, where they stay. Copy them into a new bucket, of a cluster that has object shards (\`dsom cluster shards\`): it is spread over them.`,
      );
    const wanted = 2 * place.shards.length;
    if (wanted > limits.bucketShards)
      return refuse(
        `The bucket ${name} has ${place.shards.length} shards, which is the most. Put further keys into another bucket.`,
      );
    const shards = doubled(place.shards, inUse());
    if (!shards)
      return refuse(
        `The bucket ${name} has ${place.shards.length} of the ${inUse()} object shards that are in use, and would need ${wanted}. \`dsom cluster shards grow ${wanted}\` adds them, and says how they come into use.`,
      );
    await metadata.propose({ type: 'bucket.reshard', name, shards, generation: place.generation });
  };
  return {
    'cluster.shards': status,
    'cluster.growShards': async (argument) => {
      const { count } = argument as { readonly count: number };
      const before = objectShardsOf(reader) ?? 0;
      if (count > limits.objectShards)
        refuse(`A cluster has ${limits.objectShards} object shards at most: ask for that many, or fewer.`);
      if (count < before)
        refuse(`The cluster has ${before} object shards, and keeps them: ask for more than that, or leave it.`);
      if (!reader.features().includes('reshard')) throw unknownFeature('reshard');
      if (count === before) return status();
      // First that those which come are not in use: they are when every node has them.
      if (reader.setting(shardsInUseName) === undefined)
        await metadata.propose({ type: 'setting.write', name: shardsInUseName, value: String(before) });
      await metadata.propose({ type: 'setting.write', name: objectShardsName, value: String(count) });
      return status();
    },
    'cluster.bucketShards': (argument) => bucketStatus((argument as { readonly name: string }).name),
    'cluster.reshardBucket': async (argument) => {
      const { name, shards } = argument as { readonly name: string; readonly shards?: number };
      const before = bucketStatus(name).shards.length;
      if (shards !== undefined && (shards < before || !Number.isInteger(Math.log2(shards))))
        refuse(
          `The bucket ${name} has ${before} shards. Their number can be doubled, once or more: ask for ${2 * before}, for example.`,
        );
      const wanted = shards ?? 2 * before;
      if (wanted === before) return bucketStatus(name);
      do await double(name);
      while (bucketStatus(name).shards.length < wanted);
      return bucketStatus(name);
    },
  };
}
