/*
 * Metadata appends through etcd: 64 hands append 1 KiB each to the log of one shard. The limit of the same run is etcd itself: 64 hands each
 * put 1 KiB with the same client.
 */

import { realHost } from '../src/host/index.ts';
import { startCluster } from '../src/log/etcd/etcd.fixture.ts';
import { openEtcdLog } from '../src/log/index.ts';
import { payload } from '../src/log/suite.ts';

const hands = 64;
const bytes = 1024;

/** Calls from 64 hands for so long. */
async function rate(milliseconds: number, call: (hand: number) => Promise<unknown>) {
  const end = performance.now() + milliseconds;
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  await Promise.all(
    Array.from({ length: hands }, async (_, hand) => {
      for (let now = performance.now(); now < end; ) {
        await call(hand);
        const then = performance.now();
        latencies.push(then - now);
        now = then;
      }
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  const calls = latencies.length;
  return { perSecond: (calls * 1000) / milliseconds, p50: at(0.5), p99: at(0.99), cpu: (user + system) / calls };
}

export interface EtcdRates {
  readonly members: number;
  readonly appends: number;
  readonly puts: number;
  /** Of one append, ms. */
  readonly p50: number;
  readonly p99: number;
  /** µs of this process for each append. */
  readonly cpu: number;
}

/** @param runs alternating runs of appends and puts, of `milliseconds` each; the medians count */
export async function metadataAppends(members: number, runs: number, milliseconds = 2000): Promise<EtcdRates> {
  const cluster = await startCluster(members);
  const etcd = await cluster.connect();
  const log = await openEtcdLog({ etcd, host: realHost(), cluster: 'bench', shard: 's', node: 'n', address: 'n:1' });
  const owner = await log.own(new AbortController().signal);
  const one = payload(1, bytes);
  const put = (hand: number) =>
    etcd.transact({ compare: [], success: [{ put: { key: `bench/${hand}`, value: one } }] });
  const appended: Awaited<ReturnType<typeof rate>>[] = [];
  const puts: number[] = [];
  await rate(milliseconds, async () => owner?.append(one));
  for (let run = 0; run < runs; run++) {
    appended.push(await rate(milliseconds, async () => owner?.append(one)));
    puts.push((await rate(milliseconds, put)).perSecond);
  }
  await log.close();
  await etcd.close();
  await cluster.stop();
  const middle = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return {
    members,
    appends: middle(appended.map(({ perSecond }) => perSecond)),
    puts: middle(puts),
    p50: middle(appended.map(({ p50 }) => p50)),
    p99: middle(appended.map(({ p99 }) => p99)),
    cpu: middle(appended.map(({ cpu }) => cpu)),
  };
}
