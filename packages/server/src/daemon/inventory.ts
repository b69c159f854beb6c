import { type Inventory, type InventoryReport, inventoriesOf, lastWritten, writeInventory } from '../api/index.ts';
import { repeat } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import type { Owner } from './owner.ts';

/*
 * Writes the inventories that buckets ask for, one after the other. In a cluster the node that owns the system shard does. What was written last is read from the destination itself, so
 * there is nothing to remember; a run that a crash ended is made again.
 */

/** A run that an operator asked for. */
export interface InventoryRun {
  readonly bucket: string;
  readonly id: string;
}

type Line = Readonly<Record<string, unknown>>;

export interface InventoryWork {
  readonly methods: Readonly<Record<string, (argument: unknown) => unknown>>;
  stop(): Promise<void>;
}

/** Days since 1970-01-01, a Thursday: weeks begin on Sundays, as those of AWS do. */
const sunday = 3;

/** The number of the day, or week, of a time. */
export function periodOf(frequency: Inventory['frequency'], ms: number, dayMs: number): number {
  const day = Math.floor(ms / dayMs);
  return frequency === 'Daily' ? day : Math.floor((day - sunday) / 7);
}

export function startInventory(
  owner: Pick<Owner, 'cluster' | 'thread'>,
  host: Host,
  log: Pick<StructuredLog, 'info' | 'warn'>,
  dayMs: number,
): InventoryWork {
  const { objects } = owner.thread;
  const seconds = dayMs < limits.dayMs;
  const inventories = (bucket: string): readonly Inventory[] => {
    const document = objects.configuration(bucket, 'inventory');
    return document ? inventoriesOf(document) : [];
  };
  /** One at a time: a pass waits for what an operator asked for, and that for the pass. */
  let last: Promise<unknown> = Promise.resolve();
  const write = (
    bucket: string,
    inventory: Inventory,
    signal: AbortSignal,
    onRows?: (rows: number) => void,
  ): Promise<InventoryReport> => {
    const next = last.then(() =>
      writeInventory({ objects, host, bucket, inventory, signal, seconds, ...(onRows && { onRows }) }),
    );
    last = next.catch(() => {});
    return next;
  };

  const due = (bucket: string, inventory: Inventory): boolean => {
    const now = periodOf(inventory.frequency, host.clock.now(), dayMs);
    const written = lastWritten(objects, bucket, inventory);
    return written === undefined || periodOf(inventory.frequency, written, dayMs) < now;
  };
  const ofBucket = async (bucket: string, signal: AbortSignal): Promise<void> => {
    for (const inventory of inventories(bucket)) {
      try {
        if (!inventory.enabled || !due(bucket, inventory)) continue;
        const { manifest, rows } = await write(bucket, inventory, signal);
        log.info('an inventory was written', { bucket, id: inventory.id, target: inventory.bucket, manifest, rows });
      } catch (cause) {
        if (signal.aborted) return;
        log.warn('an inventory could not be written; it is tried again', { bucket, id: inventory.id, cause });
      }
    }
  };
  const job = repeat({
    host,
    everyMs: Math.min(limits.inventoryCheckMs, dayMs / 4),
    async run(signal) {
      if (owner.cluster && !owner.cluster.shard.leads) return;
      for (let start = ''; ; ) {
        const { items, truncated } = objects.buckets(start, limits.listPage);
        for (const { name } of items) await ofBucket(name, signal);
        const end = items.at(-1);
        if (!truncated || !end || signal.aborted) return;
        start = `${end.name}\0`;
      }
    },
    onError: (cause) => log.warn('the inventories stopped; they go on with the next look', { cause }),
  });

  const stopping = new AbortController();
  let id = 0;
  let running: Promise<void> | undefined;
  let lines: Line[] = [];
  const start = ({ bucket, id: name }: InventoryRun): number => {
    const inventory = inventories(bucket).find((one) => one.id === name);
    if (!inventory) throw new StoreError('NoSuchConfiguration', { resource: bucket });
    if (running)
      throw new StoreError('ConditionalRequestConflict', {
        message: 'An inventory is written on request already. Wait for its end.',
      });
    const { counts } = objects.bucket(bucket);
    const total = inventory.versions === 'All' ? counts.versions : counts.objects;
    lines = [];
    let rows = 0;
    running = write(bucket, inventory, stopping.signal, (more) => {
      rows += more;
      // The newest only: who fetches seldom still sees where it is.
      lines = [...lines.filter(({ type }) => type !== 'progress'), { type: 'progress', rows, total }];
    }).then(
      (report) => void lines.push({ type: 'summary', ...report }),
      (cause: Error) => void lines.push({ type: 'error', message: cause.message }),
    );
    void running.then(() => {
      running = undefined;
    });
    return ++id;
  };
  return {
    methods: {
      'inventory.start': (argument) => start(argument as InventoryRun),
      'inventory.news': (asked) => {
        if (asked !== id) return { lines: [{ type: 'error', message: 'this run is over: start another' }], done: true };
        const news = lines;
        lines = [];
        return { lines: news, done: running === undefined };
      },
    },
    async stop() {
      stopping.abort();
      await job.stop();
      await running;
    },
  };
}
