import { type SimulatedLog, simulatedLog } from '../../src/log/index.ts';
import type { Settings } from '../scenario.ts';
import type { Dice } from '../world/dice.ts';
import type { Life } from '../world/life.ts';

const leaseMs = 1500;
/** Entries kept for followers alone: few, so that nodes fall behind and need snapshots. */
const tailBytes = 64 * 1024;

/** The log of a shard, as the engine keeps it. @param healed whether all that is appended is heard of */
export function logOf(
  shard: number,
  dice: Dice,
  settings: Settings,
  { host }: Life,
  healed: () => boolean,
): SimulatedLog {
  const named = shard === 0 ? '' : ` ${shard}`;
  const late = dice.fork(`log delay${named}`);
  const fates = dice.fork(`log fate${named}`);
  const heard = fates.pick([1, 0.995, 0.95]);
  // One node hears of everything late: what others see, it does not see yet.
  const lags = fates.chance(0.4) ? `n${fates.between(1, settings.nodes)}` : undefined;
  return simulatedLog({
    host,
    leaseMs,
    replicas: settings.nodes,
    tailBytes,
    delay: (node) =>
      settings.networkMs * (late.chance(0.03) ? 20 * late.float() : 0.5 + late.float()) * (node === lags ? 15 : 1),
    fate: () => (healed() || fates.chance(heard) ? 'heard' : fates.pick(['lost', 'unheard'])),
  });
}
