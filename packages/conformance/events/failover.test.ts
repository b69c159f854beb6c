/* Event notifications of a cluster: whoever owns a shard delivers its events, and no owner's death loses one. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Cluster, dsom, etcdMissing, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { ask } from './ask.ts';
import { Receiver } from './receiver.ts';

const skip = etcdMissing;
let cluster: Cluster | undefined;
let receiver: Receiver | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
  receiver?.close();
});

test('owners die while events are delivered: every event of every answered write comes', {
  skip,
  timeout: 900_000,
}, async (t) => {
  receiver = await Receiver.start();
  const target = receiver;
  cluster = await Cluster.start(scratchFolder('events-failover'), 3);
  const store = cluster;
  await until('every node knows notifications', 60_000, async () => {
    const features = (await dsom(store.endpoint(0), 'cluster', 'features')) as { name: string; on: boolean }[];
    return features.find(({ name }) => name === 'notifications')?.on === true;
  });
  await dsom(store.endpoint(0), 'notify', 'target', 'add', 'hook', '--webhook', target.url);
  await ask(store.endpoint(0), 'PUT', '/bucket');
  const body =
    '<NotificationConfiguration><QueueConfiguration><Id>q</Id><Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event><Queue>arn:dsom:sqs::hook:webhook</Queue></QueueConfiguration></NotificationConfiguration>';
  const configured = await ask(store.endpoint(1), 'PUT', '/bucket?notification', { body });
  assert.equal(configured.status, 200, configured.text());
  const answered = new Set<string>();
  for (let round = 0; round < 2; round++) {
    // The owner of the system shard, then that of the objects.
    const dead = await store.owner(round);
    const alive = [0, 1, 2].filter((index) => index !== dead);
    let writing = true;
    const writer = (async () => {
      for (let at = 0; writing; at++) {
        const key = `r${round}-${at}`;
        const from = alive[at % 2] as number;
        const put = await ask(store.endpoint(from), 'PUT', `/bucket/${key}`, { body: 'x' }).catch(() => undefined);
        if (put?.status === 200) answered.add(key);
      }
    })();
    try {
      const begun = answered.size;
      await until('some are written', 60_000, async () => answered.size > begun + 20);
      await store.end(dead);
      const before = answered.size;
      await until('writes go on', 60_000, async () => answered.size > before + 20);
    } finally {
      writing = false;
      await writer;
    }
    await store.restart(dead);
  }
  const told = () => new Set(target.records.map(({ s3 }) => s3.object.key as string));
  await until('every event came', 120_000, async () => [...answered].every((key) => told().has(key)));
  t.diagnostic(`${answered.size} writes, ${told().size} events, ${target.repeated} of them a second time`);
});
