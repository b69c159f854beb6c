import { keepSharding } from '../../src/daemon/cluster/sharding.ts';
import type { Term } from '../../src/metadata/index.ts';
import { isExpected } from '../world/node.ts';
import type { MemberSite } from './member.ts';
import type { OpenShard } from './shards.ts';

/** What the node that leads the system shard does for shards that come while the cluster runs: takes them into use, and gives them to buckets that need them. */
export const keepShards = (
  { life, keysPerShard, onEvent }: MemberSite,
  system: Term,
  objectShards: () => readonly OpenShard[],
): { stop(): Promise<void> } =>
  keepSharding({
    system,
    objectShards: () => objectShards().map((one) => one.replica.reader),
    host: life.host,
    keysPerShard,
    onEvent: (_, fields) =>
      onEvent('bucket' in fields ? 'a bucket got more shards by itself' : 'a further object shard came into use'),
    onError: (cause) => {
      if (!isExpected(cause)) throw cause;
    },
  });
