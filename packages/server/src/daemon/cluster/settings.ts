import { limits } from '../../limits.ts';
import type { MetadataReader } from '../../metadata/index.ts';

/** What an operator has said of moving bytes; kept in the metadata, so that a node that leads next goes on. */
export interface RebalanceSetting {
  readonly state: 'stopped' | 'running' | 'paused';
  /** What each node writes of moved and missing fragments in a second. */
  readonly bytesPerSecond: number;
}

export const rebalanceName = 'rebalance';

const usual: RebalanceSetting = { state: 'stopped', bytesPerSecond: limits.movedBytesPerSecond };

export function readRebalance(reader: Pick<MetadataReader, 'setting'>): RebalanceSetting {
  const kept = reader.setting(rebalanceName);
  return kept === undefined ? usual : { ...usual, ...(JSON.parse(kept) as Partial<RebalanceSetting>) };
}
