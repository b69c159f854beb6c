import type { DsomClient } from '@dsom/sdk';
import type { Command } from 'commander';
import { parseBucket } from './address.ts';
import { emptyBucket } from './buckets.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatSize, formatTable, parseCount, parseDuration, parseSize } from './format.ts';

interface BenchOptions extends CommonOptions {
  readonly size: string;
  readonly concurrency: string;
  readonly duration: string;
  readonly bucket?: string;
}

interface Load {
  readonly client: DsomClient;
  readonly bucket: string;
  readonly prefix: string;
  readonly size: number;
  readonly concurrency: number;
  readonly milliseconds: number;
}

/** One operation of a phase; `turn` counts from 0 over all lanes. Answers the bytes it moved, or undefined when there is nothing left to do. */
type Operation = (turn: number) => Promise<number | undefined>;

interface Phase {
  readonly name: string;
  readonly operation: Operation;
}

interface Measured {
  readonly phase: string;
  readonly operations: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

async function measure(
  context: Context,
  { name, operation }: Phase,
  { concurrency, milliseconds }: Load,
): Promise<Measured> {
  const { clock } = context.host;
  const latencies: number[] = [];
  let bytes = 0;
  let turn = 0;
  const startedAt = clock.monotonic();
  const until = startedAt + milliseconds;
  const lane = async () => {
    for (let now = clock.monotonic(); now < until && !context.signal.aborted; ) {
      const moved = await operation(turn++);
      if (moved === undefined) return;
      const end = clock.monotonic();
      latencies.push(end - now);
      bytes += moved;
      now = end;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  context.signal.throwIfAborted();
  const seconds = (clock.monotonic() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    phase: name,
    operations: latencies.length,
    perSecond: latencies.length / seconds,
    bytesPerSecond: bytes / seconds,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: latencies.at(-1) ?? 0,
  };
}

function phasesOf(context: Context, load: Load): Phase[] {
  const { client, bucket, prefix, size } = load;
  const { signal } = context;
  const body = context.host.entropy.bytes(size);
  let written = 0;
  let deleted = 0;
  const key = (turn: number) => `${prefix}${String(turn).padStart(9, '0')}`;
  return [
    {
      name: 'put',
      async operation(turn) {
        await client.put(bucket, key(turn), body, { signal });
        written = Math.max(written, turn + 1);
        return size;
      },
    },
    {
      name: 'get',
      async operation(turn) {
        if (written === 0) return undefined;
        // A step that has no factor in common with most counts: no order that a readahead could guess.
        return (await (await client.get(bucket, key((turn * 7919) % written), { signal })).bytes()).length;
      },
    },
    {
      name: 'head',
      async operation(turn) {
        if (written === 0) return undefined;
        await client.head(bucket, key((turn * 7919) % written), { signal });
        return 0;
      },
    },
    {
      name: 'list',
      async operation() {
        await client.listPage(bucket, { prefix, signal });
        return 0;
      },
    },
    {
      name: 'delete',
      async operation() {
        if (deleted >= written) return undefined;
        await client.delete(bucket, key(deleted++), { signal });
        return 0;
      },
    },
  ];
}

async function bench(context: Context, _: readonly string[], options: BenchOptions): Promise<void> {
  const client = context.client();
  const size = parseSize(options.size);
  if (size > 1024 ** 3) throw new UsageError('--size is at most 1GiB');
  const own = options.bucket === undefined;
  const mark = context.host.entropy.bytes(4).toString('hex');
  const bucket = own ? `dsom-bench-${mark}` : parseBucket(options.bucket ?? '').bucket;
  const load: Load = {
    client,
    bucket,
    prefix: `dsom-bench-${mark}/`,
    size,
    concurrency: parseCount(options.concurrency),
    milliseconds: parseDuration(options.duration) * 1000,
  };
  if (own) await client.buckets.create(bucket, {}, { signal: context.signal });
  context.note(
    `${formatSize(size)} objects, ${load.concurrency} at a time, ${load.milliseconds / 1000} s each; this process is part of what is measured`,
  );
  const rows: string[][] = [['', 'per second', 'bytes/s', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms']];
  try {
    for (const phase of phasesOf(context, load)) {
      const one = await measure(context, phase, load);
      if (context.options.json) await context.result({ size, concurrency: load.concurrency, ...one });
      const bytes = one.bytesPerSecond > 0 ? formatSize(one.bytesPerSecond) : '';
      rows.push([
        one.phase,
        String(Math.round(one.perSecond)),
        bytes,
        ...[one.p50, one.p90, one.p99, one.max].map((ms) => ms.toFixed(ms < 10 ? 2 : 1)),
      ]);
    }
    context.succeed();
    await context.result(undefined, formatTable(rows));
  } finally {
    await cleanUp(context, load, own);
  }
}

/** What is left of a load that was cut short, and the bucket if it was made for this. */
async function cleanUp(context: Context, { client, bucket, prefix }: Load, own: boolean): Promise<void> {
  try {
    const keys = async function* () {
      for await (const entry of client.list(bucket, { prefix })) if (entry.kind === 'object') yield entry.key;
    };
    await client.deleteMany(bucket, keys());
    if (!own) return;
    if (!context.signal.aborted) await emptyBucket(context, { bucket });
    await client.buckets.delete(bucket);
  } catch (cause) {
    context.warn(`what the load left in ${bucket}/${prefix} could not be removed: ${(cause as Error).message}`);
  }
}

export function addBenchCommand(program: Command, run: Run): void {
  clientCommand(program, 'bench', 'a quick load of put, get, head, list and delete')
    .option('-s, --size <size>', 'bytes of an object', '4KiB')
    .option('-c, --concurrency <n>', 'operations at the same time', '16')
    .option('-d, --duration <duration>', 'time for each kind', '3s')
    .option('--bucket <name>', 'use this bucket instead of a new one')
    .action(run(bench));
}
