import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { CorruptionError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { openKv } from '../kv/index.ts';
import { Cluster } from './cluster.support.ts';
import { ReplicaError } from './failure.ts';
import { openShardReplica, type ShardReplica } from './open.ts';
import { installSnapshot } from './snapshot.ts';

const root = await fs.mkdtemp(join(tmpdir(), 'dsom-install-'));
after(() => fs.rm(root, { recursive: true, force: true }));
const host = realHost();
let count = 0;

/** A cluster whose log is trimmed, and a replica in files that is left behind. */
async function leftBehind() {
  const cluster = new Cluster();
  const leader = await cluster.start();
  const bucket = await cluster.bucket(leader);
  const directory = join(root, String(count++));
  const log = cluster.log.open('late');
  const open = async () => {
    const kv = await openKv({ directory, host });
    return { kv, replica: openShardReplica({ log, kv, host: cluster.host, shard: 7 }) };
  };
  const first = await open();
  await cluster.settle();
  await leader.put(bucket, 'a', '1');
  await first.replica.reached(2);
  log.cut();
  for (let n = 0; n < 50; n++) await leader.put(bucket, `k${n}`, '1');
  await cluster.settle();
  for (const node of [...cluster.nodes].reverse()) await node.replica.checkpoint();
  log.heal();
  await cluster.advance(1000);
  assert.equal(first.replica.failureKind(), 'behind');
  return { cluster, leader, bucket, directory, open, ...first };
}

const close = async (kv: { close(): Promise<void> }, replica: ShardReplica) => {
  await replica.close();
  await kv.close();
};

/** As it comes over a network. */
async function* arriving(chunks: Iterable<Buffer>): AsyncGenerator<Buffer> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield chunk;
  }
}

describe('a snapshot that is installed', () => {
  it('takes the place of a state that is left behind, which serves until then, and follows on', async () => {
    const { cluster, leader, bucket, directory, open, kv, replica } = await leftBehind();
    const chunks = arriving(leader.replica.snapshot());
    const retire = async () => {
      assert.equal(replica.reader.version(bucket, Buffer.from('a'), undefined)?.kind, 'object');
      await close(kv, replica);
    };
    const { position } = await installSnapshot({ directory, host, chunks, atLeast: cluster.log.tail - 1, retire });
    assert.equal(position, cluster.log.head);
    const next = await open();
    await leader.put(bucket, 'last', '1');
    await next.replica.reached(cluster.log.head);
    assert.deepEqual(next.replica.digest(), leader.replica.digest());
    await close(next.kv, next.replica);
    await cluster.stop();
  });

  it('changes nothing when it is damaged, cut or too old', async () => {
    const { cluster, leader, bucket, directory, kv, replica } = await leftBehind();
    const whole = [...leader.replica.snapshot()];
    const damaged = whole.map((chunk) => Buffer.from(chunk));
    damaged.at(-1)![5]! ^= 1;
    const retire = () => assert.fail('the state that is there is not given up');
    const install = (chunks: Iterable<Buffer>, atLeast = 0) =>
      installSnapshot({ directory, host, chunks: arriving(chunks), atLeast, retire });
    await assert.rejects(install(damaged), CorruptionError);
    await assert.rejects(install(whole.slice(0, -1)), CorruptionError);
    await assert.rejects(
      install(whole, cluster.log.head + 1),
      (error: unknown) => error instanceof ReplicaError && error.kind === 'behind',
    );
    assert.equal(replica.reader.version(bucket, Buffer.from('a'), undefined)?.kind, 'object');
    await close(kv, replica);
    const again = await openKv({ directory, host });
    assert.ok(again.statistics().rows > 0);
    await again.close();
    await cluster.stop();
  });
});
