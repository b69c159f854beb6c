import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader, Proposer, Term } from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { keepBuckets } from './buckets.ts';
import { keepFeatures } from './features.ts';
import { keepLayout } from './layout.ts';
import type { ObjectShard } from './objectshards.ts';
import { keepRenames, type RenamesLeft } from './renames.ts';
import { keepSharding } from './sharding.ts';

export interface DutiesInput {
  readonly host: Host;
  readonly log: Pick<StructuredLog, 'info' | 'warn'>;
  readonly healthy: (device: string) => boolean;
  /** Those that this node has open, as they are now. */
  readonly objectShards: () => readonly Pick<ObjectShard, 'replica'>[];
}

export interface ObjectDutiesInput {
  readonly host: Host;
  readonly number: number;
  readonly reader: MetadataReader;
  readonly system: Parameters<typeof keepBuckets>[2];
  /** All shards as one, once they are open. */
  readonly all: () => Proposer | undefined;
  /** Renames that were left half way were finished, or given up. */
  readonly onRenames: (left: RenamesLeft) => void;
  /** Something could not be done; it is tried again. */
  readonly onError: (what: string, cause: unknown) => void;
}

export interface Duty {
  stop(): Promise<void>;
}

/** What the node that owns an object shard does, until each is stopped. */
export function objectDutiesOf(
  term: Term,
  { host, number, reader, system, all, onRenames, onError }: ObjectDutiesInput,
): readonly Duty[] {
  const failed = (what: string) => (cause: unknown) => onError(what, cause);
  return [
    keepBuckets(
      number,
      term,
      system,
      host,
      failed('a shard could not take over what changed in the system shard; it tries again'),
    ),
    keepRenames(
      number,
      reader,
      all,
      host,
      onRenames,
      failed('what is left of renames between shards could not be finished; it tries again'),
    ),
  ];
}

/** What the node that leads the system shard does, until each is stopped. */
export function dutiesOf(term: Term, { host, log, healthy, objectShards }: DutiesInput): readonly Duty[] {
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
