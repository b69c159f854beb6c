import { after, describe } from 'node:test';
import { realHost } from '../../host/index.ts';
import { describeSharedLog } from '../shared.suite.ts';
import type { SharedLog } from '../shared.ts';
import { noEtcd, quickFlags, startCluster } from './etcd.fixture.ts';
import { FaultyEtcd } from './faulty.fixture.ts';
import { openEtcdLog } from './open.ts';

const host = realHost();

describe('etcd, one member', { skip: noEtcd }, async () => {
  if (noEtcd) return;
  const cluster = await startCluster(1, quickFlags);
  const etcd = await cluster.connect();
  after(async () => {
    await etcd.close();
    await cluster.stop();
  });
  let count = 0;

  describeSharedLog('etcd', async () => {
    const shard = `shared-${count++}`;
    const nodes = new Map<string, FaultyEtcd>();
    const logs: SharedLog[] = [];
    const faulty = (node: string): FaultyEtcd => nodes.get(node) as FaultyEtcd;
    return {
      async open(node) {
        const own = new FaultyEtcd(etcd);
        nodes.set(node, own);
        const bounds = { leaseSeconds: 1 };
        const log = await openEtcdLog({ etcd: own, host, cluster: 'c', shard, node, address: `${node}:1`, bounds });
        logs.push(log);
        return log;
      },
      pause: (node) => faulty(node).pause(),
      resume: (node) => faulty(node).resume(),
      cut: (node) => faulty(node).cut(true),
      heal: (node) => faulty(node).cut(false),
      async close() {
        for (const node of nodes.keys()) {
          faulty(node).resume();
          faulty(node).cut(false);
        }
        for (const log of logs) await log.close();
      },
    };
  });
});
