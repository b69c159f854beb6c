import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { type Host, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { entriesOf, owned } from '../shared.suite.ts';
import type { OwnedLog } from '../shared.ts';
import { noEtcd, startCluster } from './etcd.fixture.ts';
import { openEtcdLog } from './open.ts';
import { EtcdError } from './types.ts';

const real = realHost();
/** Looks at things fifty times as often. */
const host: Host = {
  ...real,
  timers: { ...real.timers, every: (milliseconds, run) => real.timers.every(milliseconds / 50, run) },
};
const isFull = (error: unknown): boolean => error instanceof StoreError && error.code === 'StorageFull';
const entry = Buffer.alloc(60_000, 'space ');

/** Appends until it is refused. @returns what `roomy` said before each append */
async function fill(owner: OwnedLog): Promise<boolean[]> {
  const roomy: boolean[] = [];
  await assert.rejects(async () => {
    for (;;) {
      roomy.push(owner.roomy);
      await owner.append(entry);
      await host.timers.sleep(limits.etcdSpaceMs / 100);
    }
  }, isFull);
  return roomy;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await host.timers.sleep(20);
}

describe('the space of etcd', { skip: noEtcd }, () => {
  it('is never used up: the owner says so early, then refuses, and goes on once the log is trimmed', async () => {
    // Said to both: etcd 3.6 tells its quota, and what a member tells counts.
    const quotaBytes = 4 * 1024 * 1024;
    const cluster = await startCluster(1, ['--quota-backend-bytes', String(quotaBytes)]);
    const etcd = await cluster.connect({ quotaBytes });
    try {
      const log = await openEtcdLog({ etcd, host, cluster: 'c', shard: 's', node: 'n', address: 'n:1' });
      const owner = await owned(log);
      const roomy = await fill(owner);
      assert.equal(roomy[0], true);
      assert.equal(roomy.at(-1), false, 'it says so before it refuses');
      assert.equal(owner.lost.aborted, false);
      const [before] = await etcd.statuses();
      assert.ok(before && before.bytes < quotaBytes, `${before?.bytes} bytes`);
      assert.deepEqual(await etcd.alarms(), []);
      const { head } = owner;
      assert.equal((await entriesOf(log)).length, head);
      await log.covered(head);
      await owner.trim(head + 1);
      assert.equal(owner.tail, head);
      await until(() => owner.roomy);
      assert.equal((await owner.append(entry)).position, head + 1);
      const [after] = await etcd.statuses();
      assert.ok(after && after.bytes < before.bytes / 2, `${after?.bytes} of ${before.bytes} bytes`);
      await log.close();
    } finally {
      await etcd.close();
      await cluster.stop();
    }
  });

  it('when it is used up all the same refuses appends, and keeps the log', async () => {
    const cluster = await startCluster(1, ['--quota-backend-bytes', String(2 * 1024 * 1024)]);
    const etcd = await cluster.connect();
    try {
      const log = await openEtcdLog({ etcd, host, cluster: 'c', shard: 's', node: 'n', address: 'n:1' });
      const owner = await owned(log);
      for (let count = 0; count < 8; count++) await owner.append(entry);
      // By somebody else: etcd 3.6 tells its quota, so the log itself would stop before.
      const others: string[] = [];
      await assert.rejects(
        async () => {
          for (;;) {
            others.push(`other/${others.length}`);
            await etcd.transact({ compare: [], success: [{ put: { key: others.at(-1) as string, value: entry } }] });
          }
        },
        (error) => error instanceof EtcdError && error.full,
      );
      assert.deepEqual(
        (await etcd.alarms()).map(({ name }) => name),
        ['NOSPACE'],
      );
      await fill(owner);
      await until(() => !owner.roomy);
      await assert.rejects(owner.append(entry), isFull);
      assert.equal(owner.lost.aborted, false);
      assert.equal((await entriesOf(log)).length, await log.barrier());
      // Once an operator gave it space.
      const removed = others.map((key) => ({ remove: { key } }));
      const { revision } = await etcd.transact({ compare: [], success: removed });
      await etcd.compact(revision);
      for (const { endpoint } of await etcd.statuses()) await etcd.defragment(endpoint);
      await etcd.disarm();
      await until(() => owner.roomy);
      await owner.append(entry);
      await log.close();
    } finally {
      await etcd.close();
      await cluster.stop();
    }
  });
});
