import { placeText, type Replication, replicationOf, replicationRule } from '../api/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Sender, TargetSecret } from '../notifications/index.ts';
import { Replicator, type ResyncCounts, resync } from '../replication/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import type { Owner } from './owner.ts';
import { type Line, Runs } from './runs.ts';

/* Replication of buckets to stores that are targets: how these are spoken to, and the comparison of a whole bucket. */

/** A bucket of a store that is a target. */
export interface Destination {
  readonly target: string;
  readonly bucket: string;
}

export interface ReplicatingOptions {
  readonly owner: Pick<Owner, 'thread' | 'metadata' | 'cluster'>;
  readonly host: Host;
  readonly log: Pick<StructuredLog, 'info' | 'warn'>;
  /** Opens a target by its name. @throws StoreError NotFound */
  readonly open: (target: string) => Promise<Sender>;
}

export class Replicating {
  readonly #options: ReplicatingOptions;
  readonly #runs = new Runs('A bucket is replicated anew already: wait for its end.');

  constructor(options: ReplicatingOptions) {
    this.#options = options;
  }

  get #reader() {
    return this.#options.owner.thread.reader;
  }

  /** What writes to a store. */
  sender(target: string, secret: TargetSecret): Replicator {
    const { owner, host } = this.#options;
    const replicator: Replicator = new Replicator(secret, {
      host,
      objects: owner.thread.objects,
      rule: (bucket, place, key, tags) => {
        const replication = this.#of(bucket);
        return replication && replicationRule(replication, place, key, tags);
      },
      note: async ({ bucket, key, version, place, outcome }) => {
        const record = this.#reader.bucket(bucket);
        const { sequence, nonce } = version;
        if (record && this.#notes)
          await owner.metadata.propose({
            type: 'object.replicated',
            bucket: record.id,
            key,
            version: { sequence, nonce },
            place,
            outcome,
          });
      },
      resync: (signal) => this.#makeUp(target, replicator, signal),
    });
    return replicator;
  }

  /** Whether every node can read what versions say of their replication. */
  get #notes(): boolean {
    return !this.#options.owner.cluster || this.#reader.features().includes('replicationStatus');
  }

  #of(bucket: string): Replication | undefined {
    const record = this.#reader.bucket(bucket);
    const document = record && this.#reader.configuration(record.id, 'replication');
    return document && replicationOf(bucket, document);
  }

  /** Buckets with a rule that names a store. */
  *#replicatedTo(target: string): Generator<readonly [bucket: string, replication: Replication]> {
    let start = '';
    for (;;) {
      const { items, truncated } = this.#reader.buckets(start, limits.listPage);
      for (const { name } of items) {
        const replication = this.#of(name);
        if (replication?.rules.some((rule) => rule.target === target)) yield [name, replication];
      }
      const last = items.at(-1);
      if (!truncated || !last) return;
      start = `${last.name}\0`;
    }
  }

  /** The first bucket with a rule that names a store. */
  user(target: string): string | undefined {
    for (const [bucket] of this.#replicatedTo(target)) return bucket;
    return undefined;
  }

  /** All that should be at a store is compared with it. @throws Error where something could not be brought there: then it is tried again */
  async #makeUp(target: string, replicator: Replicator, signal: AbortSignal): Promise<void> {
    const { owner, log } = this.#options;
    for (const [bucket, replication] of this.#replicatedTo(target)) {
      const counts = nothing();
      log.info('a bucket is replicated anew: the log could not keep all that was to be sent', { target, bucket });
      await resync({
        objects: owner.thread.objects,
        bucket,
        replication,
        replicator: (name) => (name === target ? replicator : undefined),
        counts,
        signal,
        onFailure: (failure) => log.warn('an object could not be replicated', { bucket, ...failure }),
      });
      log.info('a bucket was replicated anew', { target, bucket, ...counts });
      if (counts.failed > 0) throw new Error(`${counts.failed} objects of ${bucket} could not be brought there`);
    }
  }

  /** @returns in the words of AWS, what a destination lacks; undefined: nothing */
  async #lacks({ target, bucket }: Destination): Promise<string | undefined> {
    const sender = (await this.#options.open(target)) as Replicator;
    try {
      return await sender.lacks(bucket);
    } catch (cause) {
      return `Destination bucket must exist. The store ${target} could not be asked: ${cause instanceof Error ? cause.message : String(cause)}`;
    } finally {
      await sender.close();
    }
  }

  async #resync(bucket: string, counts: ResyncCounts, tell: (line: Line) => void, signal: AbortSignal): Promise<Line> {
    const { owner, open } = this.#options;
    const replication = this.#of(bucket);
    if (!replication) throw new StoreError('ReplicationConfigurationNotFoundError');
    const writers = new Map<string, Replicator>();
    const close = () => Promise.all(Array.from(writers.values(), (writer) => writer.close()));
    signal.addEventListener('abort', () => void close());
    let named = 0;
    try {
      for (const target of new Set(replication.rules.map((rule) => rule.target)))
        writers.set(target, (await open(target)) as Replicator);
      await resync({
        objects: owner.thread.objects,
        bucket,
        replication,
        replicator: (target) => writers.get(target),
        counts,
        signal,
        onFailure: (failure) => {
          if (named++ < limits.resyncFailures) tell({ type: 'failure', ...failure });
        },
      });
    } finally {
      await close();
    }
    return { type: 'summary', bucket, destinations: [...new Set(replication.rules.map(placeText))], ...counts };
  }

  readonly methods: Readonly<Record<string, (argument: unknown) => unknown>> = {
    'replication.lacks': (argument) => this.#lacks(argument as Destination),
    'replication.start': (bucket) => {
      const counts = nothing();
      return this.#runs.start(
        (tell, signal) => this.#resync(bucket as string, counts, tell, signal),
        () => ({ type: 'progress', ...counts }),
      );
    },
    'replication.news': (id) => this.#runs.news(id as number),
  };

  async stop(): Promise<void> {
    this.#runs.stop();
    await this.#runs.ended();
  }
}

const nothing = (): ResyncCounts => ({ looked: 0, sent: 0, there: 0, left: 0, failed: 0, refused: 0 });
