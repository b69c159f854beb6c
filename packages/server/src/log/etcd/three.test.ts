import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { realHost } from '../../host/index.ts';
import { entriesOf, owned } from '../shared.suite.ts';
import type { OwnedLog, SharedLog } from '../shared.ts';
import type { Position } from '../types.ts';
import { noEtcd, quickFlags, startCluster, type TestCluster } from './etcd.fixture.ts';
import { openEtcdLog } from './open.ts';
import type { Etcd } from './types.ts';

const host = realHost();

describe('the log in etcd, three members', { skip: noEtcd }, async () => {
  if (noEtcd) return;
  const cluster: TestCluster = await startCluster(3, quickFlags);
  // A connection for each node: their failures are their own.
  const connections: Etcd[] = await Promise.all([cluster.connect(), cluster.connect()]);
  after(async () => {
    for (const etcd of connections) await etcd.close();
    await cluster.stop();
  });

  async function leader(): Promise<string> {
    for (;;) {
      const statuses = await (connections[0] as Etcd).statuses();
      const found = statuses.find(({ member, leader: known }) => member === known);
      if (found) return `http://${found.endpoint}`;
      await host.timers.sleep(50);
    }
  }

  /** Appends from several hands until told to stop, as owner again whenever the ownership was lost. */
  class Writer {
    readonly acknowledged = new Map<Position, string>();
    /** Longest time between two acknowledgements, ms. */
    gap = 0;
    #last = host.clock.monotonic();
    #stopped = false;
    readonly #done: Promise<void>;

    constructor(log: SharedLog) {
      this.#done = this.#run(log);
    }

    async #run(log: SharedLog): Promise<void> {
      while (!this.#stopped) {
        const owner = await owned(log);
        this.#last = host.clock.monotonic();
        await Promise.all(Array.from({ length: 8 }, (_, hand) => this.#write(owner, hand)));
        if (this.#stopped) await owner.resign();
      }
    }

    async #write(owner: OwnedLog, hand: number): Promise<void> {
      for (let i = 0; !this.#stopped; i++) {
        const text = `${owner.epoch} ${hand} ${i}`.padEnd(500, '.');
        try {
          const { position } = await owner.append(Buffer.from(text));
          assert.ok(!this.acknowledged.has(position), `position ${position} was given twice`);
          this.acknowledged.set(position, text);
        } catch {
          return;
        }
        const now = host.clock.monotonic();
        this.gap = Math.max(this.gap, now - this.#last);
        this.#last = now;
      }
    }

    /** Resolves when so many more were acknowledged. */
    async more(count: number): Promise<void> {
      const goal = this.acknowledged.size + count;
      while (this.acknowledged.size < goal) await host.timers.sleep(10);
    }

    stop(): Promise<void> {
      this.#stopped = true;
      return this.#done;
    }
  }

  let count = 0;
  const faults: readonly [string, (victim: string) => Promise<void>, (victim: string) => Promise<void>][] = [
    ['killed', (victim) => cluster.signal(victim, 'SIGKILL'), async (victim) => cluster.restart(victim)],
    ['stopped', (victim) => cluster.signal(victim, 'SIGSTOP'), (victim) => cluster.signal(victim, 'SIGCONT')],
  ];
  for (const [what, fault, heal] of faults) {
    it(`loses nothing that was acknowledged when the leader is ${what} under load`, async (t) => {
      const shard = `three-${count++}`;
      const [a, b] = (await Promise.all(
        connections.map((etcd, i) =>
          openEtcdLog({ etcd, host, cluster: 'c', shard, node: `n${i}`, address: `n${i}:1` }),
        ),
      )) as [SharedLog, SharedLog];
      const writer = new Writer(a);
      try {
        await writer.more(200);
        for (let round = 0; round < 2; round++) {
          const victim = await leader();
          await fault(victim);
          await writer.more(200);
          await heal(victim);
          await writer.more(100);
        }
      } finally {
        await writer.stop();
      }
      t.diagnostic(
        `longest gap between acknowledgements: ${writer.gap.toFixed(0)} ms, ${writer.acknowledged.size} entries`,
      );
      assert.ok(writer.gap < 60_000);
      const tail = await b.barrier();
      await b.reached(tail);
      const found = new Map((await entriesOf(b)).map(({ position, payload }) => [position, payload.toString()]));
      assert.deepEqual(
        [...found.keys()],
        Array.from({ length: tail }, (_, i) => i + 1),
      );
      for (const [position, text] of writer.acknowledged) assert.equal(found.get(position), text);
      assert.equal(new Set(found.values()).size, found.size, 'nothing is there twice');
      await a.close();
      await b.close();
    });
  }
});
