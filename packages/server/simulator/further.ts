import { type FaultMix, mean } from './mix.ts';
import type { Settings, TimedFault } from './scenario.ts';
import type { Dice } from './world/dice.ts';

/* What a seed decides of zones, and of shards that come while the cluster runs. Each draws from dice of its own. */

/** Some clusters begin with one object shard, as they do outside, and are given more. @param shards that it would begin with otherwise */
export function growthOf(
  dice: Dice,
  shards: number,
): Partial<Pick<Settings, 'shards' | 'further' | 'keysPerShard'>> & Pick<Settings, 'further' | 'keysPerShard'> {
  const further = dice.chance([0, 0.35, 0.5][shards] ?? 0) ? (shards === 1 ? dice.pick([1, 1, 3]) : 1) : 0;
  if (further === 0) return { further, keysPerShard: 0 };
  return { shards: 1, further, keysPerShard: dice.chance(0.4) ? dice.pick([1, 3, 6]) : 0 };
}

/** When the cluster is given its shards, and which buckets get more, when. @param buckets all that there are */
export function growthFaults(
  dice: Dice,
  { settings: { shards, further, keysPerShard }, milliseconds }: FaultMix,
  buckets: readonly string[],
): TimedFault[] {
  if (further === 0) return [];
  const faults: TimedFault[] = [];
  let at = 20 + dice.below(milliseconds / 4);
  for (let all = 2 * shards; all <= shards + further; all *= 2) {
    faults.push({ at, fault: { kind: 'grow', shards: all } });
    for (const bucket of buckets)
      if (dice.chance(keysPerShard > 0 ? 0.3 : 0.8))
        faults.push({ at: at + dice.below(milliseconds / 4), fault: { kind: 'reshard', bucket } });
    at += dice.below(milliseconds / 3);
  }
  return faults;
}

/** What happens to the nodes of one zone at once, and which nodes are put into other zones. */
export function zoneFaults(dice: Dice, { settings: { zones, nodes }, milliseconds }: FaultMix): TimedFault[] {
  if (zones === 0) return [];
  const faults: TimedFault[] = [];
  const zone = (more = 0): string => `z${dice.between(1, zones + more)}`;
  for (const [kind, between, lasts] of [
    ['blackout', 2500, 1200],
    ['isolate', 2000, 2000],
  ] as const) {
    if (!dice.chance(0.6)) continue;
    for (let at = mean(dice, between); at < milliseconds; at += 50 + mean(dice, between))
      faults.push({ at, fault: { kind, zone: zone(), ms: 50 + mean(dice, lasts) } });
  }
  if (!dice.chance(0.4)) return faults;
  for (let left = dice.between(1, 3), at = dice.below(milliseconds / 2); left > 0; left--) {
    // One that may have joined meanwhile too; and a zone that there was none of.
    faults.push({ at, fault: { kind: 'label', node: `n${dice.between(1, nodes + 1)}`, zone: zone(1) } });
    if (dice.chance(0.6)) faults.push({ at: at + 1, fault: { kind: 'rebalance' } });
    at += mean(dice, milliseconds / 4);
  }
  return faults;
}
