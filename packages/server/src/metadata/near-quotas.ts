import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { isAdding, subjectsOf } from './machine/decide-quotas.ts';
import { bytesOf } from './machine/pieces.ts';
import type { OtherShards } from './machine/quotas.ts';
import type { BucketId } from './machine/records.ts';
import { sequenceOf } from './machine/usage.ts';
import type { Command, MetadataReader } from './types.ts';

/*
 * Quotas over several shards. Who decides a write knows what its own shard holds, and of the others what this node has applied of them, so shards that decide at the same moment
 * pass a quota together. Where a write comes near one, it is therefore decided alone: one at a time for its tenant in this shard, and each after all that the other shards had decided
 * before it is applied here. What a shard does not know then are writes that were decided after its look, and each shard decides one such write before it looks again: so
 * with n shards a quota is passed by n - 1 writes at most.
 *
 * Near is nearer than a node is commonly behind: `limits.quotaNearWrites` writes like this one, and as many as are under way here for each shard that there is.
 * Rejected: a look before every write under a quota. It costs a round trip of the log engine, and most writes are far from any quota. Rejected: leases of what is left, handed out by the system shard.
 * They would make the bound 0, and need two changes of two logs for each, given back by shards that may be away.
 */

export interface NearQuotasOptions {
  /** Of this shard alone. */
  readonly reader: Pick<MetadataReader, 'bucketById' | 'quotas' | 'version'>;
  readonly others: OtherShards;
  /** How many shards there are. */
  readonly shards: () => number;
  /** Resolves when what any shard had decided before the call is applied on this node. */
  readonly latest: () => Promise<void>;
  readonly timers: Pick<Host['timers'], 'after'>;
}

const unknown = (message: string, cause?: unknown): StoreError =>
  new StoreError('ServiceUnavailable', { message, retryAfter: 1, cause });

export class NearQuotas {
  readonly #options: NearQuotasOptions;
  /** By tenant or user: the last one of those that are decided alone. */
  readonly #last = new Map<string, Promise<void>>();
  /** By tenant: how many of those there are. */
  readonly #waiting = new Map<string, number>();
  #underWay = 0;

  constructor(options: NearQuotasOptions) {
    this.#options = options;
  }

  /**
   * Has a command decided, alone where it comes near a quota.
   * @throws StoreError SlowDown where too many of the tenant wait already; ServiceUnavailable where its turn does not come, or the others cannot be looked at, within `limits.quotaNearMs`
   */
  async decide<Outcome>(command: Command, decide: () => Promise<Outcome>): Promise<Outcome> {
    const names = this.#near(command);
    if (names) return this.#decideAlone(names, decide);
    this.#underWay++;
    try {
      return await decide();
    } finally {
      this.#underWay--;
    }
  }

  async #decideAlone<Outcome>(names: readonly string[], decide: () => Promise<Outcome>): Promise<Outcome> {
    const tenant = names[0] as string;
    const waiting = this.#waiting.get(tenant) ?? 0;
    if (waiting >= limits.quotaNearWaiting)
      throw new StoreError('SlowDown', {
        message:
          'Please reduce your request rate. Too many writes to buckets of this tenant that come near a quota wait already: try again in a moment.',
        retryAfter: 1,
      });
    this.#waiting.set(tenant, waiting + 1);
    const before = Promise.all(names.flatMap((name) => this.#last.get(name) ?? []));
    const late = Promise.withResolvers<never>();
    const cancel = this.#options.timers.after(limits.quotaNearMs, () =>
      late.reject(
        unknown(
          'This comes near a quota, and what is held of it was not known in time, or too many such writes came before: try again in a moment.',
        ),
      ),
    );
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    for (const name of names) this.#last.set(name, over);
    try {
      await Promise.race([before, late.promise]);
      await Promise.race([this.#look(), late.promise]);
      cancel();
      return await decide();
    } finally {
      cancel();
      const rest = (this.#waiting.get(tenant) ?? 0) - 1;
      if (rest > 0) this.#waiting.set(tenant, rest);
      else this.#waiting.delete(tenant);
      // Who gives up his turn leaves those behind him where they are, behind those before him.
      void before.then(() => {
        for (const name of names) if (this.#last.get(name) === over) this.#last.delete(name);
        end();
      });
    }
  }

  async #look(): Promise<void> {
    await this.#options.latest().catch((cause: unknown) => {
      throw unknown(
        'This comes near a quota, and what other shards hold of it cannot be read now: try again in a moment.',
        cause,
      );
    });
  }

  /** For whom it counts, the tenant first, where one of the quotas is near; undefined: none is. */
  #near(command: Command): readonly string[] | undefined {
    const { reader, others } = this.#options;
    if (!isAdding(command) || !('bucket' in command) || command.type === 'upload.create') return undefined;
    if (this.#options.shards() <= 1) return undefined;
    const quotas = others.quotas ?? reader.quotas;
    if (!quotas.any()) return undefined;
    const bucket = reader.bucketById(command.bucket as BucketId);
    if (!bucket) return undefined;
    const { size, user } = this.#about(command, bucket.id);
    const subjects = subjectsOf(bucket, user);
    const writes = limits.quotaNearWrites + this.#underWay * this.#options.shards();
    const isNear = subjects.some((subject) => {
      const quota = quotas.of(subject);
      if (!quota) return false;
      const [own, elsewhere] = [reader.quotas.usage(subject), others.usage(subject)];
      const { objects = Infinity, bytes = Infinity } = quota;
      return objects - own.objects - elsewhere.objects < writes || bytes - own.bytes - elsewhere.bytes < writes * size;
    });
    if (!isNear) return undefined;
    return subjects.flatMap((subject) => {
      if (subject.kind === 'tenant') return [subject.account];
      return subject.kind === 'user' ? [subject.user] : [];
    });
  }

  /** Bytes that it adds at most, and the user whom it counts for. */
  #about(command: Command, bucket: BucketId): { readonly size: number; readonly user: string | undefined } {
    const { reader } = this.#options;
    const newest = (key: Buffer) => {
      const found = reader.version(bucket, key, undefined);
      return found?.kind === 'object' ? found : undefined;
    };
    const user = 'writer' in command ? command.writer : undefined;
    switch (command.type) {
      case 'object.put':
        return { size: bytesOf(command.pieces), user };
      case 'object.append':
        return { size: command.piece.size, user };
      case 'rename.commit':
        return { size: command.source.size, user };
      case 'upload.part':
        return { size: command.piece.size, user: reader.quotas.writerOf(sequenceOf(command.upload)) };
      case 'upload.complete':
        return { size: 0, user: reader.quotas.writerOf(sequenceOf(command.upload)) };
      case 'object.rename': {
        const source = newest(command.source.key);
        return { size: source?.size ?? 0, user: source && reader.quotas.writerOf(source.sequence) };
      }
      case 'object.share': {
        const { source } = command;
        const version = reader.version(source.bucket, source.key, source.version);
        return { size: version?.kind === 'object' ? version.size : 0, user };
      }
      default:
        return { size: 'key' in command ? (newest(command.key)?.size ?? 0) : 0, user };
    }
  }
}
