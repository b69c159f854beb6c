import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualHost } from '../../host/index.ts';
import { memoryKv } from '../../kv/index.ts';
import { type SharedLog, simulatedLog } from '../../log/index.ts';
import { type Command, openShardReplica, type Term } from '../../metadata/index.ts';
import { followSystem } from './buckets.ts';
import { bucketCommand } from './rig.fixture.ts';

/** A shard whose only node leads it. */
async function lead(shard: number): Promise<Term> {
  const host = manualHost(shard + 1);
  const log: SharedLog = simulatedLog({ host, replicas: 1, leaseMs: 3000 }).open('n');
  const replica = openShardReplica({ log, kv: memoryKv(host), host, shard });
  let term: Term | undefined;
  const leading = (async () => {
    const owned = await log.own(new AbortController().signal);
    term = await replica.lead(owned!);
  })();
  for (let turn = 0; turn < 200 && !term; turn++) {
    host.advance(20);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await leading;
  const led = term as Term;
  const propose = led.propose.bind(led);
  return Object.assign(led, {
    async propose(command: Command) {
      const asked = propose(command);
      let over = false;
      const end = () => void (over = true);
      asked.then(end, end);
      for (let turn = 0; turn < 500 && !over; turn++) {
        host.advance(20);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return asked;
    },
  });
}

describe('a shard that looks at the system shard', () => {
  it('takes over buckets that are new or have changed, and features, and nothing that is not its own', async () => {
    const system = await lead(0);
    const shard = await lead(2);
    for (const feature of ['settings', 'objectShards']) await system.propose({ type: 'feature.enable', feature });
    await system.propose({ ...bucketCommand('mine'), shards: [1, 2] } as Command);
    await system.propose({ ...bucketCommand('others'), shards: [1] } as Command);
    await system.propose(bucketCommand('plain'));
    await followSystem(2, shard, system.reader);
    assert.deepEqual(shard.reader.features(), system.reader.features());
    assert.equal(shard.reader.bucket('mine')?.versioning, 'off');
    assert.equal(shard.reader.bucket('others'), undefined);
    assert.equal(shard.reader.bucket('plain'), undefined);
    // Whoever changed it died before he told the shards.
    await system.propose({ type: 'bucket.update', name: 'mine', versioning: 'enabled' });
    await followSystem(2, shard, system.reader);
    assert.equal(shard.reader.bucket('mine')?.versioning, 'enabled');
    const before = shard.reader.position();
    await followSystem(2, shard, system.reader);
    assert.equal(shard.reader.position(), before);
  });
});
