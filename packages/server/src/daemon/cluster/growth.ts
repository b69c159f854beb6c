import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { NodeRecord } from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { pack, type Transport, unpack } from '../../transport/index.ts';
import type { Engine } from './engine.ts';
import { callNames, type MemberPlan } from './serve.ts';
import { membersWanted } from './turns.ts';

/** How a new node has room made for its first member of etcd: by the node that let it in. */
export function planFrom(transport: Pick<Transport, 'peer'>, by: { readonly node: string; readonly address: string }) {
  return async (peerUrl: string): Promise<MemberPlan | undefined> => {
    const peer = transport.peer(by.node, by.address);
    try {
      const { head } = await peer.call(callNames.planMember, pack({ peerUrl }), { deadlineMs: limits.planMemberMs });
      return unpack<MemberPlan | null>(head) ?? undefined;
    } finally {
      await peer.close();
    }
  };
}

export interface GrowthOptions {
  readonly engine: Engine;
  readonly host: Host;
  readonly log: StructuredLog;
  readonly nodes: () => readonly NodeRecord[];
  /** Whether this node may run a member at all. */
  readonly able: boolean;
  /** Whether a node is there now. */
  readonly answers: (node: string) => boolean;
  /** This node has begun to run a member. */
  readonly grown: () => void;
}

/** Has this node run a member of etcd as soon as the cluster has room for one more. `stop` waits for what is under way, `limits.etcdStopMs` at most. */
export function keepGrowing(options: GrowthOptions): { stop(): Promise<void> } {
  const { engine, host, log } = options;
  const grow = async (): Promise<void> => {
    if (engine.hasMember || !options.able) return;
    const mayRun = ({ state, roles }: NodeRecord): boolean => state === 'active' && roles.includes('metadata');
    const nodes = options.nodes();
    const sites = nodes.map((one) => ({ id: one.id, zone: one.zone, able: mayRun(one) && options.answers(one.id) }));
    if (!(await engine.grow(sites, membersWanted(nodes.filter(mayRun).length)))) return;
    options.grown();
    log.info('this node runs a member of etcd from now on', {});
  };
  let growing: Promise<void> | undefined;
  const cancel = host.timers.every(limits.etcdGrowMs, () => {
    growing ??= grow()
      .catch((cause: unknown) => log.warn('a member of etcd could not be started here; it is tried again', { cause }))
      .finally(() => (growing = undefined));
  });
  return {
    async stop() {
      cancel();
      await Promise.race([growing, host.timers.sleep(limits.etcdStopMs)]);
    },
  };
}
