/* What is printed of a cluster. */
import { clusterRates, failover, type LargeRates, repair, shardRates, wideRates } from './cluster.ts';
import { MiB, median } from './rig.ts';

/** Where rows go. */
export interface Table {
  row(work: string, ours: string, limit: string, reach: string, good: boolean): void;
  share(work: string, unit: string, ours: number, limit: number, least: number): void;
}

/** Three nodes, and eleven, with their members of etcd on this machine: processor time and bytes say more than rates. */
export async function clusterRows({ row, share }: Table, runs: number, port: number): Promise<void> {
  const rates = await clusterRates(runs, port);
  const { inline } = rates;
  const puts = 4000;
  const gets = 6000;
  const inlineOf = (of: (one: (typeof inline)[number]) => number) => median(inline.map(of));
  const [put, alone] = [inlineOf((one) => one.put.perSecond), inlineOf((one) => one.alone.perSecond)];
  row(
    'cluster, PUT 1 KiB inline, 64 connections over three nodes',
    `${put.toFixed(0)} per s`,
    `${alone.toFixed(0)} (one server alone) = ${inlineOf((one) => one.put.perSecond / one.alone.perSecond).toFixed(2)}`,
    '≥ 1500 per s',
    put >= 1500,
  );
  const micros = (seconds: number, count: number) => ((seconds * 1e6) / count).toFixed(0);
  console.log(
    `      p50 ${inlineOf((one) => one.put.p50)} ms, p99 ${inlineOf((one) => one.put.p99)} ms; CPU each: nodes ${micros(
      inlineOf((one) => one.put.cpu),
      puts,
    )} µs, etcd ${micros(
      inlineOf((one) => one.put.etcdCpu),
      puts,
    )} µs, alone ${micros(
      inlineOf((one) => one.alone.cpu),
      puts,
    )} µs`,
  );
  share(
    'cluster, GET 1 KiB inline at strong, to eventual, 32 connections',
    'per s',
    inlineOf((one) => one.strong.perSecond),
    inlineOf((one) => one.eventual.perSecond),
    0.5,
  );
  console.log(
    `      CPU of the nodes each: strong ${micros(
      inlineOf((one) => one.strong.cpu),
      gets,
    )} µs (etcd ${micros(
      inlineOf((one) => one.strong.etcdCpu),
      gets,
    )}), eventual ${micros(
      inlineOf((one) => one.eventual.cpu),
      gets,
    )} µs`,
  );
  for (const [scheme, found] of [
    ['three copies, 8 connections', rates.copies],
    ['a code of 2+1, 8 connections', rates.coded],
  ] as const)
    largeRows(row, scheme, found);
  largeRows(row, 'a code of 8+3 on eleven nodes, 2 connections', await wideRates(runs));
  for (const [what, whole] of [
    ['process of the owner', false],
    ['node of the owner, with its etcd,', true],
  ] as const) {
    const found = await failover(runs, whole);
    const writes = Math.max(...found.map((one) => one.writes));
    row(
      `cluster, ${what} killed: writes go on, longest of ${runs}`,
      `${(writes / 1000).toFixed(1)} s`,
      '',
      '< 5 s',
      writes < 5000,
    );
    const [reads, failed] = [Math.max(...found.map((one) => one.reads)), found.reduce((n, one) => n + one.failed, 0)];
    row(
      `cluster, ${what} killed: reads at eventual`,
      `${failed} failed, longest gap ${reads.toFixed(0)} ms`,
      '',
      'none failed',
      failed === 0,
    );
  }
  const { seconds, bytes, disk, undisturbed, meanwhile } = await repair(24);
  share('cluster, copies of a lost node back on the others', 'MB/s', bytes / seconds / 1e6, disk, 0.5);
  console.log(`      ${(bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(1)} s`);
  share('cluster, reads served meanwhile, to before', 'per s', meanwhile, undisturbed, 0.7);
}

/** Writes of a cluster whose objects are in the system shard alone, and of those with object shards. */
export async function shardRows({ row }: Table, runs: number): Promise<void> {
  const rates = await shardRates(runs, [0, 1, 4]);
  const of = (count: number, value: (one: NonNullable<ReturnType<typeof rates.get>>[number]) => number) =>
    median((rates.get(count) ?? []).map(value));
  const one = of(0, ({ perSecond }) => perSecond);
  for (const count of rates.keys()) {
    const put = of(count, ({ perSecond }) => perSecond);
    const cpu = (value: 'cpu' | 'etcdCpu') => ((of(count, (each) => each[value]) * 1e6) / 4000).toFixed(0);
    row(
      `cluster, PUT 1 KiB inline, 64 connections, ${count} object shards`,
      `${put.toFixed(0)} per s`,
      `${one.toFixed(0)} (system shard alone) = ${(put / one).toFixed(2)}`,
      '≥ 1500 per s',
      put >= 1500,
    );
    console.log(
      `      p50 ${of(count, ({ p50 }) => p50)} ms, p99 ${of(count, ({ p99 }) => p99)} ms; CPU each: nodes ${cpu('cpu')} µs, etcd ${cpu('etcdCpu')} µs`,
    );
  }
}

/** Bytes beside what the scheme asks for: fragments on devices, fragments of other nodes and the object over the network. */
function largeRows(row: Table['row'], scheme: string, found: readonly LargeRates[]): void {
  const of = (value: (one: LargeRates) => number) => median(found.map(value));
  for (const [name, moved] of [
    ['put', (one: LargeRates) => (one.put.written / (one.objects * 8 * MiB)) * (1 / one.stored)],
    ['get', undefined],
  ] as const) {
    const work = `cluster, ${name.toUpperCase()} 8 MiB as ${scheme}`;
    if (moved) row(`${work}: bytes on devices`, of(moved).toFixed(2), '', '≤ 1.3 × the scheme', of(moved) <= 1.3);
    // A GET sends the object to the client, and what was not at hand between nodes; a PUT what the other nodes hold.
    const { stored, nodes } = found[0] as LargeRates;
    const asked = name === 'put' ? stored * (1 - 1 / nodes) : 1;
    const sent = of((one) => one[name].sent / (one.objects * 8 * MiB));
    row(
      `${work}: bytes sent by nodes for each of the object`,
      sent.toFixed(2),
      `${asked.toFixed(2)} (least)`,
      name === 'put' ? '≤ 1.3 × the scheme' : 'printed',
      name === 'get' || sent <= 1.3 * asked,
    );
    console.log(
      `      ${of((one) => one[name].megabytesPerSecond).toFixed(0)} MB/s, p50 ${of((one) => one[name].p50).toFixed(0)} ms; ${of(
        (one) => (one[name].cpu * 1e9) / (one.objects * 8 * MiB),
      ).toFixed(2)} ns of the nodes' CPU for each byte`,
    );
  }
}
