/*
 * `npm run bench [-- --only small,large,list,million,version,erasure,policies,requests,lifecycle,etcd,links,tls,cluster,shards,fairness --runs 3 --save]`
 *
 * Each row stands beside the limit measured in the same run, since rates of one machine differ from hour to hour: trust ratios.
 * The client, the server and the bare servers share the machine's cores. `--save` writes the table to results/.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { clusterRows, shardRows } from './cluster-rows.ts';
import {
  erasureRows,
  etcdRows,
  fairnessRows,
  lifecycleRows,
  linkRows,
  policyRows,
  requestRows,
  tlsRows,
} from './part-rows.ts';
import {
  cpuSeconds,
  diskUsage,
  load,
  MiB,
  median,
  privateMemory,
  scratch,
  startBare,
  startDsom,
  syncedWriteRate,
  syncTime,
  type Target,
} from './rig.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'small,large,list' },
    runs: { type: 'string', default: '3' },
    port: { type: 'string', default: '19700' },
    objects: { type: 'string', default: '1000000' },
    before: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const parts = values.only.split(',');
const runs = Number(values.runs);
const port = Number(values.port);

interface Row {
  readonly work: string;
  readonly ours: string;
  readonly limit: string;
  readonly reach: string;
  readonly good: boolean;
}
const table: Row[] = [];
function row(work: string, ours: string, limit: string, reach: string, good: boolean): void {
  table.push({ work, ours, limit, reach, good });
  console.log(`${good ? 'ok   ' : 'SHORT'} ${work}: ${ours}${limit && ` ÷ ${limit}`} (reach ${reach})`);
}
/** A row whose figure is a share of a limit. */
function share(work: string, unit: string, ours: number, limit: number, least: number): void {
  row(
    work,
    `${ours.toFixed(0)} ${unit}`,
    `${limit.toFixed(0)} = ${(ours / limit).toFixed(2)}`,
    `≥ ${least}`,
    ours / limit >= least,
  );
}
const peak = new Map<string, number>();
function noteMemory(what: string, target: Target): void {
  peak.set(what, Math.max(peak.get(what) ?? 0, privateMemory(target.pid)));
}

async function small(): Promise<void> {
  const data = scratch('small');
  const dsom = await startDsom(data, port);
  const bare = await startBare(port + 1, 4096);
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  for (const target of [dsom, bare]) {
    await load(target, { operation: 'put', size: 4096, count: 15_000, connections: 32, prefix: 'warm/' });
    await load(target, { operation: 'get', count: 20_000, keys: 15_000, connections: 32, prefix: 'warm/' });
  }
  const rates: Record<string, number[]> = {
    put: [],
    sink: [],
    get: [],
    bare: [],
    head: [],
    delete: [],
    one: [],
    oneWorst: [],
    putOne: [],
    sync: [],
    range: [],
    bareRange: [],
  };
  const bareRange = await startBare(port + 2, 65_536);
  await load(dsom, { operation: 'put', size: 8 * MiB, count: 8, connections: 4, prefix: 'ranged/' });
  for (let run = 0; run < runs; run++) {
    const prefix = `r${run}/`;
    rates['put']?.push(
      (await load(dsom, { operation: 'put', size: 4096, count: 20_000, connections: 32, prefix })).perSecond,
    );
    noteMemory('PUT 4 KiB', dsom);
    rates['sink']?.push(
      (await load(bare, { operation: 'put', size: 4096, count: 20_000, connections: 32, prefix })).perSecond,
    );
    rates['get']?.push(
      (await load(dsom, { operation: 'get', count: 30_000, keys: 20_000, connections: 32, prefix })).perSecond,
    );
    noteMemory('GET 4 KiB', dsom);
    rates['bare']?.push((await load(bare, { operation: 'get', count: 30_000, connections: 32, prefix })).perSecond);
    rates['head']?.push(
      (await load(dsom, { operation: 'head', count: 30_000, keys: 20_000, connections: 32, prefix })).perSecond,
    );
    const one = await load(dsom, { operation: 'get', count: 3000, connections: 1, prefix });
    rates['one']?.push(one.p50);
    rates['oneWorst']?.push(one.p99);
    rates['sync']?.push(syncTime(data));
    rates['putOne']?.push(
      (await load(dsom, { operation: 'put', size: 4096, count: 1500, connections: 1, prefix: `one${run}/` })).p50,
    );
    rates['range']?.push(
      (await load(dsom, { operation: 'range', size: 8 * MiB, count: 8000, keys: 8, connections: 8, prefix: 'ranged/' }))
        .perSecond,
    );
    noteMemory('ranges', dsom);
    rates['bareRange']?.push((await load(bareRange, { operation: 'get', count: 8000, connections: 8 })).perSecond);
    rates['delete']?.push(
      (await load(dsom, { operation: 'delete', count: 20_000, connections: 32, prefix })).perSecond,
    );
  }
  const of = (name: string) => median(rates[name] as number[]);
  share('PUT 4 KiB, 32 connections, durable', 'per s', of('put'), of('sink'), 0.35);
  share('GET 4 KiB, 32 connections', 'per s', of('get'), of('bare'), 0.6);
  row(
    'GET 4 KiB, one connection',
    `p50 ${of('one')} ms, p99 ${of('oneWorst')} ms`,
    '',
    'p50 < 0.4 ms, p99 < 2 ms',
    of('one') < 0.4 && of('oneWorst') < 2,
  );
  row(
    'PUT 4 KiB, one connection, durable, p50',
    `${of('putOne')} ms`,
    `${of('sync').toFixed(3)} ms (fdatasync) = ${(of('putOne') / of('sync')).toFixed(1)}`,
    '< 4 ×',
    of('putOne') < 4 * of('sync'),
  );
  share('HEAD, 32 connections, to GET 4 KiB', 'per s', of('head'), of('get'), 1);
  share('64 KiB range of 8 MiB, 8 connections', 'per s', of('range'), of('bareRange'), 0.5);
  row('DELETE, 32 connections', `${of('delete').toFixed(0)} per s`, '', '≥ 5000 per s', of('delete') >= 5000);
  for (const target of [dsom, bare, bareRange]) await target.stop();
}

async function large(): Promise<void> {
  const data = scratch('large');
  const dsom = await startDsom(data, port);
  const bare = await startBare(port + 1, 8 * MiB, { file: true, hash: true });
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  await load(dsom, { operation: 'put', size: 8 * MiB, count: 16, connections: 8, prefix: 'warm/' });
  const open = await startDsom(scratch('plain'), port + 2, ['--encryption', 'off']);
  await load(open, { operation: 'bucket', count: 1, connections: 1 });
  await load(open, { operation: 'put', size: 8 * MiB, count: 64, connections: 8, prefix: 'plain/' });
  for (const [target, prefix] of [
    [dsom, 'warm/'],
    [open, 'plain/'],
    [bare, 'warm/'],
  ] as const)
    await load(target, { operation: 'get', count: 64, keys: 16, connections: 8, prefix });
  const put: number[] = [];
  const sink: number[] = [];
  const disk: number[] = [];
  const get: number[] = [];
  const plain: number[] = [];
  const file: number[] = [];
  for (let run = 0; run < runs; run++) {
    const prefix = `r${run}/`;
    disk.push(syncedWriteRate(data));
    put.push(
      (await load(dsom, { operation: 'put', size: 8 * MiB, count: 64, connections: 8, prefix })).megabytesPerSecond,
    );
    noteMemory('PUT 8 MiB', dsom);
    sink.push((await load(bare, { operation: 'put', size: 8 * MiB, count: 64, connections: 8 })).megabytesPerSecond);
    get.push((await load(dsom, { operation: 'get', count: 128, keys: 64, connections: 8, prefix })).megabytesPerSecond);
    noteMemory('GET 8 MiB', dsom);
    plain.push(
      (await load(open, { operation: 'get', count: 128, keys: 64, connections: 8, prefix: 'plain/' }))
        .megabytesPerSecond,
    );
    noteMemory('GET 8 MiB, plain', open);
    file.push((await load(bare, { operation: 'get', count: 128, connections: 8 })).megabytesPerSecond);
  }
  console.log(
    `      disk ${median(disk).toFixed(0)} MB/s synced, bare node:http with MD5 ${median(sink).toFixed(0)} MB/s`,
  );
  share('PUT 8 MiB, 8 connections, durable', 'MB/s', median(put), Math.min(median(disk), median(sink)), 1);
  share('GET 8 MiB, 8 connections, encrypted', 'MB/s', median(get), median(file), 0.7);
  share('GET 8 MiB, 8 connections, plain', 'MB/s', median(plain), median(file), 0.9);
  for (const target of [dsom, open, bare]) await target.stop();
}

async function list(): Promise<void> {
  const dsom = await startDsom(scratch('list'), port);
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  await load(dsom, { operation: 'put', size: 1024, count: 40_000, connections: 64, prefix: 'a/' });
  const four = await load(dsom, { operation: 'list', count: 800, connections: 4, prefix: 'a/' });
  const one = await load(dsom, { operation: 'list', count: 300, connections: 1, prefix: 'a/' });
  noteMemory('list', dsom);
  row(
    'list, 1000 keys a page, 4 connections',
    `${((four.perSecond * 1000) / 1000).toFixed(0)} k keys per s`,
    '',
    '≥ 200 k',
    four.perSecond >= 200,
  );
  row('list, one connection, p50 of a page', `${one.p50} ms`, '', '< 8 ms', one.p50 < 8);
  await dsom.stop();
}

/** Paths of all files below a folder, relative to it. */
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));

/** False for the log, whose segments are trimmed and used again. */
const keeps = (name: string): boolean => !name.includes('log/');

async function million(): Promise<void> {
  const data = scratch('million');
  const objects = Number(values.objects);
  const batch = objects / 10;
  let dsom = await startDsom(data, port);
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  const rates: number[] = [];
  const costs: number[] = [];
  for (let i = 0; i < 10; i++) {
    const used = cpuSeconds(dsom.pid);
    rates.push(
      (
        await load(dsom, {
          operation: 'put',
          size: 1024,
          count: batch,
          first: i * batch,
          connections: 64,
          prefix: 'm/',
        })
      ).perSecond,
    );
    costs.push(((cpuSeconds(dsom.pid) - used) / batch) * 1e6);
    noteMemory(`create ${objects}`, dsom);
    const memory = privateMemory(dsom.pid).toFixed(0);
    console.log(
      `      ${(i + 1) * batch} objects: ${rates.at(-1)?.toFixed(0)} per s, ${costs.at(-1)?.toFixed(0)} µs of CPU each, private memory ${memory} MB`,
    );
  }
  const [first, last] = [rates[0] as number, rates[9] as number];
  row(
    `create ${objects} × 1 KiB, 64 connections`,
    `first tenth ${first.toFixed(0)}, last tenth ${last.toFixed(0)} per s; CPU ${costs[0]?.toFixed(0)} and ${costs[9]?.toFixed(0)} µs each`,
    '',
    '≥ 5000 per s, as fast at the end',
    last >= 5000 && last >= 0.9 * first,
  );
  await dsom.stop();
  dsom = await startDsom(data, port);
  row(`start with ${objects} objects`, `${dsom.startMs.toFixed(0)} ms`, '', '< 1000 ms', dsom.startMs < 1000);
  const all = { operation: 'list', count: objects / 1000, pages: true, prefix: 'm/' } as const;
  const four = await load(dsom, { ...all, connections: 4 });
  const one = await load(dsom, { ...all, connections: 1 });
  noteMemory(`list ${objects}`, dsom);
  row(
    `list all ${objects}, 1000 keys a page, 4 connections`,
    `${four.perSecond.toFixed(0)} k keys per s, ${four.failures + one.failures} failures`,
    '',
    '≥ 200 k',
    four.perSecond >= 200 && four.failures + one.failures === 0,
  );
  row(
    `list all ${objects}, one connection`,
    `p50 of a page ${one.p50} ms, p99 ${one.p99} ms`,
    '',
    '< 8 ms',
    one.p50 < 8,
  );
  await dsom.stop();
  const files = filesBelow(data);
  const log = files.filter((name) => !keeps(name));
  const each = diskUsage(data, files.filter(keeps)) / objects;
  row(
    'disk for each object, log apart',
    `${(each / 1024).toFixed(2)} KiB (log ${(diskUsage(data, log) / MiB).toFixed(0)} MiB)`,
    '',
    '≤ 2.5 KiB',
    each <= 2.5 * 1024,
  );
}

/** New versions of an object whose bytes stay where they are. */
async function version(): Promise<void> {
  const data = scratch('version');
  const dsom = await startDsom(data, port);
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  await load(dsom, { operation: 'versioning', count: 1, connections: 1 });
  await load(dsom, { operation: 'put', size: 1024 * MiB, count: 1, connections: 1, prefix: 'big/' });
  const copies = (count: number, connections: number) =>
    load(dsom, { operation: 'copy', count, connections, keys: 1, prefix: 'big/' });
  // The KV's file first grows to what it needs between two checkpoints, whatever is stored; then it only grows by rows.
  const many = 50_000;
  await copies(many, 32);
  const before = diskUsage(data, filesBelow(data).filter(keeps));
  await copies(many, 32);
  const grown = (diskUsage(data, filesBelow(data).filter(keeps)) - before) / many;
  const one = await copies(500, 1);
  row(
    'new version of an unchanged 1 GiB object (copy with other metadata)',
    `p50 ${one.p50} ms, p99 ${one.p99} ms, ${grown.toFixed(0)} bytes more on disk, log apart`,
    '',
    '< 5 ms, < 1 KiB',
    one.p50 < 5 && grown < 1024,
  );
  await dsom.stop();
}

const all: Readonly<Record<string, () => Promise<void>>> = {
  small,
  large,
  list,
  million,
  version,
  erasure: () => erasureRows({ row, share }),
  policies: async () => policyRows({ row, share }, runs),
  requests: () => requestRows({ row, share }, Number(values.objects), runs, port),
  lifecycle: () => lifecycleRows({ row, share }, Number(values.objects)),
  etcd: () => etcdRows({ row, share }, runs),
  links: () => linkRows({ row, share }, runs),
  tls: () => tlsRows({ row, share }, runs, port),
  cluster: () => clusterRows({ row, share }, runs, port),
  shards: () => shardRows({ row, share }, runs),
  fairness: () => fairnessRows({ row, share }, port, values.before),
};
for (const part of parts) {
  const run = all[part];
  if (!run) throw new Error(`no part "${part}": ${Object.keys(all).join(', ')}`);
  console.log(`-- ${part}`);
  await run();
}
for (const [what, megabytes] of peak)
  row(`private memory: ${what}`, `${megabytes.toFixed(0)} MB`, '', '< 250 MB', megabytes < 250);
if (values.save) {
  const day = new Date().toISOString().slice(0, 10);
  const lines = table.map(
    (one) => `| ${one.work} | ${one.ours} | ${one.limit} | ${one.reach} | ${one.good ? 'yes' : '**no**'} |`,
  );
  const name = path.join(import.meta.dirname, 'results', `${day}-${parts.join('-')}.md`);
  writeFileSync(
    name,
    [
      `# ${day}: ${parts.join(', ')}`,
      '',
      `${availableParallelism()} cores (${cpus()[0]?.model}), Node ${process.version}, median of ${runs} runs.`,
      '',
      '| work | ours | limit in the same run, and share | reach | reached |',
      '|---|---|---|---|---|',
      ...lines,
      '',
    ].join('\n'),
  );
  console.log(`saved to ${name}`);
}
process.exit(0);
