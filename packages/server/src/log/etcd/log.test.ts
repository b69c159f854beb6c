import { after, describe } from 'node:test';
import { realHost } from '../../host/index.ts';
import { describeLog, suiteLimits } from '../suite.ts';
import type { Log } from '../types.ts';
import { noEtcd, startCluster } from './etcd.fixture.ts';
import { openEtcdLog } from './open.ts';

const host = realHost();

describe('etcd, one member', { skip: noEtcd }, async () => {
  if (noEtcd) return;
  const cluster = await startCluster();
  const etcd = await cluster.connect();
  after(async () => {
    await etcd.close();
    await cluster.stop();
  });
  let count = 0;
  const bounds = { batchBytes: 8192, entryBytes: suiteLimits.entryBytes, tailBytes: suiteLimits.tailBytes };

  describeLog('etcd', async () => {
    const shard = `suite-${count++}`;
    return {
      /** The log of a node that owns it, and whose snapshots cover what is trimmed. */
      async open(): Promise<Log> {
        const shared = await openEtcdLog({ etcd, host, cluster: 'c', shard, node: 'n', address: 'n:1', bounds });
        const owned = await shared.own(new AbortController().signal);
        if (!owned) throw new Error('nobody else wants it');
        const { trim, close } = owned;
        return Object.assign(owned, {
          async trim(position: number) {
            await shared.covered(position);
            await trim.call(owned, position);
          },
          async close() {
            await close.call(owned);
            await shared.close();
          },
        });
      },
    };
  });
});
