import type { RateCounters } from '../access/index.ts';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Network } from './cluster/network.ts';

/**
 * Shares limits with the other nodes: what those that answer say of themselves counts from the next look on. A node that does not answer has no share, since nobody knows whether it is there.
 * @returns ends it
 */
export function shareRates(
  counters: Pick<RateCounters, 'askedElsewhere'>,
  network: Pick<Network, 'neighbours'>,
  timers: Pick<Timers, 'every'>,
): () => void {
  return timers.every(limits.nodeStateMs, () =>
    counters.askedElsewhere(network.neighbours().flatMap(({ state }) => (state?.limited ? [state.limited] : []))),
  );
}
