import { StoreError } from '../../src/errors.ts';
import type { SharedLog } from '../../src/log/index.ts';
import type { Command, Proposer, Reply, ShardReplica, Term } from '../../src/metadata/index.ts';
import type { Life } from '../world/life.ts';
import type { Network } from './network.ts';

/** A node that may lead. */
export interface Leader {
  readonly life: Life;
  term(): Term | undefined;
}

type Outcome = { readonly reply: Reply; readonly position: number };

/** So long a proposal is sent again and again, under one id. */
const patienceMs = 9000;
const retryMs = 60;

const noLeader = (): StoreError =>
  new StoreError('ServiceUnavailable', { message: 'No node leads now. Try again.', retryAfter: 1 });

/**
 * Sends proposals to whoever leads, again when it is not known what became of them; answers when readers of this node see what was decided.
 * @param incarnation of this process: the intents that it opens are its own
 */
export function forwardingProposer(parts: {
  readonly life: Life;
  readonly node: string;
  readonly incarnation: Buffer;
  readonly log: SharedLog;
  readonly replica: ShardReplica;
  readonly network: Network<Leader>;
  readonly term: () => Term | undefined;
}): Proposer {
  const { life, node, log, replica, network } = parts;
  const once = (command: Command, request: Buffer): Promise<Outcome> => {
    const here = parts.term();
    if (here) return here.propose(command, request);
    const owner = log.owner();
    if (!owner || owner.node === node) return Promise.reject(noLeader());
    return network.call(life, owner.node, async (leader) => {
      const term = leader.term();
      if (!term) throw noLeader();
      return term.propose(command, request);
    });
  };
  return {
    async propose(given) {
      const opener = { node, incarnation: parts.incarnation };
      const command: Command = given.type === 'intent.open' ? { ...given, opener } : given;
      const request = life.host.entropy.bytes(16);
      const end = life.host.clock.monotonic() + patienceMs;
      for (;;) {
        try {
          const outcome = await once(command, request);
          await replica.reached(outcome.position);
          return outcome;
        } catch (error) {
          const again = error instanceof StoreError && error.code === 'ServiceUnavailable';
          if (!again || life.host.clock.monotonic() > end) throw error;
        }
        await life.wait(retryMs, 'propose again');
      }
    },
  };
}
