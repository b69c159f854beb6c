import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Term } from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { keepFeatures } from './features.ts';
import { keepLayout } from './layout.ts';
import type { ObjectShard } from './objectshards.ts';
import { keepSharding } from './sharding.ts';

export interface DutiesInput {
  readonly host: Host;
  readonly log: Pick<StructuredLog, 'info' | 'warn'>;
  readonly healthy: (device: string) => boolean;
  /** Those that this node has open, as they are now. */
  readonly objectShards: () => readonly Pick<ObjectShard, 'replica'>[];
}

/** What the node that leads the system shard does, until each is stopped. */
export function dutiesOf(
  term: Term,
  { host, log, healthy, objectShards }: DutiesInput,
): readonly { stop(): Promise<void> }[] {
  const failed = (what: string) => (cause: unknown) => log.warn(what, { cause });
  return [
    keepLayout(term, host, healthy, failed('the placement groups could not be planned')),
    keepFeatures(
      term,
      host,
      (feature) => log.info('every node knows this feature: it is turned on for good', { feature }),
      failed('a feature could not be turned on'),
    ),
    keepSharding({
      system: term,
      objectShards: () => objectShards().map((one) => one.replica.reader),
      host,
      keysPerShard: limits.keysPerShard,
      onEvent: (text, fields) => log.info(text, fields),
      onError: failed('shards could not be taken into use or given to buckets'),
    }),
  ];
}
