import { StoreError } from '../../errors.ts';
import { sourceChanged } from '../machine/decide-objects.ts';
import { localNumber, numberOf, shardOfId, shardOfNumber } from '../machine/numbering.ts';
import type { BucketId, StoredBucket } from '../machine/records.ts';
import { shardOfRename } from '../machine/renames.ts';
import type { Command, DeleteResult, MetadataReader, Proposer, Reply } from '../types.ts';
import { shardNotOpen, shardsForBucket, shardsInUse } from './routing.ts';

/*
 * Sends each command to the shard that decides it. What only concerns one key goes to the shard of the key. Buckets are the system shard's, and
 * their records are copied into the shards that hold their objects; machine/decide-buckets.ts says why that is safe. A shard that does not
 * know a bucket yet is told of it when something is put there, so nothing has to be finished after a crash.
 */

type Outcome = Awaited<ReturnType<Proposer['propose']>>;
type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

export interface ShardedOptions {
  /** By number; the first is the system shard. Both arrays may get longer. */
  readonly proposers: readonly Proposer[];
  /** Readers of the same shards, which have what their proposer answered. */
  readonly readers: readonly MetadataReader[];
  /** Over all of them. */
  readonly reader: MetadataReader;
  /** Whether new buckets are spread over the object shards. Absent: they are. */
  readonly spreads?: () => boolean;
}

const isRefusal = (error: unknown, code: StoreError['code']): boolean =>
  error instanceof StoreError && error.code === code;

/** Times that somebody else may come first. */
const patience = 8;

const busy = (): StoreError =>
  new StoreError('ConditionalRequestConflict', { message: 'The bucket is being changed by others. Try again.' });

/** Whoever renames looks whether the names are in two shards, and then takes the steps between them. */
const apart = (): StoreError =>
  new StoreError('ConditionalRequestConflict', {
    message: 'One of the two names has got to another shard. Try again.',
  });

export class ShardedProposer implements Proposer {
  readonly #options: ShardedOptions;
  readonly #reader: MetadataReader;

  constructor(options: ShardedOptions) {
    this.#options = options;
    this.#reader = options.reader;
  }

  propose(command: Command, request?: Buffer): Promise<Outcome> {
    switch (command.type) {
      case 'bucket.create':
        return this.#create(command, request);
      case 'bucket.configure':
        return this.#configure(command, request);
      case 'bucket.update':
        return this.#update(command, request);
      case 'bucket.delete':
        return this.#delete(command);
      case 'object.delete':
        return this.#remove(command, request);
      case 'object.share':
      case 'object.put':
      case 'object.append':
      case 'object.rename':
      case 'rename.prepare':
      case 'rename.hold':
      case 'object.annotate':
      case 'object.lock':
      case 'object.replicated':
      case 'object.rewrap':
      case 'object.restore':
      case 'object.recode':
      case 'upload.create':
        return this.#ofKey(command, command.key, request);
      case 'upload.part':
      case 'upload.complete':
      case 'upload.abort':
        return this.#within(this.#shardOfUpload(command), command, request);
      case 'rename.commit':
        return this.#within(shardOfRename(command.rename), command, request);
      case 'rename.release':
      case 'rename.unhold':
        return this.#within(command.shard, command, request);
      case 'rename.abort':
      case 'rename.forget':
        return this.#to(shardOfRename(command.rename), command, request);
      case 'bucket.reshard':
        return this.#reshard(command, request);
      case 'object.touch':
        return this.#touch(command);
      case 'intent.open':
      case 'intent.close':
        return this.#to(command.shard ?? 0, command, request);
      case 'restore.advance':
        return this.#to(command.shard, command, request);
      case 'intent.collected':
        return this.#to(this.#reader.shardOfIntent(command.prefix), command, request);
      case 'intent.expire':
        return this.#everywhere(command);
      case 'garbage.collected':
        return this.#collected(command);
      case 'node.write':
        return this.#node(command);
      case 'node.remove':
      case 'feature.enable':
        return this.#everywhere(command);
      default:
        return this.#to(0, command, request);
    }
  }

  /** Positions are told apart by shard. */
  async #to(shard: number, command: Command, request?: Buffer): Promise<Outcome> {
    const proposer = this.#options.proposers[shard];
    if (!proposer) throw shardNotOpen(shard);
    const { reply, position } = await proposer.propose(command, request);
    return { reply, position: numberOf(shard, position) };
  }

  get #objectShards(): readonly number[] {
    return Array.from({ length: this.#options.proposers.length - 1 }, (_, at) => at + 1);
  }

  /** The system shard first: what it refuses, nobody does. */
  async #everywhere(command: Command): Promise<Outcome> {
    const outcome = await this.#to(0, command);
    await Promise.all(this.#objectShards.map((shard) => this.#to(shard, command)));
    return outcome;
  }

  /** A key with an open upload stays in the shard that began it. What no shard of the bucket gave names no upload. */
  #shardOfUpload({ bucket, key, upload }: Of<'upload.part' | 'upload.complete' | 'upload.abort'>): number {
    const shard = shardOfId(upload);
    return this.#reader.shardsOf(bucket).includes(shard) ? shard : this.#reader.shardOf(bucket, key);
  }

  /**
   * A command about one key. A shard that says that it does not have the key, and makes it no more, never will: the next one is asked. Only this
   * answer leads on: after any other, as when it is not known what came of the command, another shard must not be asked.
   */
  async #ofKey(command: Command & { readonly bucket: BucketId }, key: Buffer, request?: Buffer): Promise<Outcome> {
    const gone = new Set<number>();
    for (let attempt = 1; attempt <= patience; attempt++) {
      const shard = this.#reader.shardOf(command.bucket, key, gone);
      if (command.type === 'object.share' && this.#reader.shardOf(command.source.bucket, command.source.key) !== shard)
        throw sourceChanged();
      // The id names the shard that decides it.
      if (command.type === 'rename.prepare' && shardOfRename(command.rename) !== shard) throw apart();
      if (command.type === 'object.rename' && this.#reader.shardOf(command.bucket, command.source.key) !== shard)
        throw apart();
      try {
        return await this.#within(shard, command, attempt === 1 ? request : undefined);
      } catch (error) {
        if (!isRefusal(error, 'NotInThisShard')) throw error;
      }
      gone.add(shard);
      // It has more shards than this node knew. This changes nothing, and what the system shard has answered can be read here.
      await this.#to(0, { type: 'bucket.keep', id: command.bucket, generation: 0 });
    }
    throw busy();
  }

  /** A command about objects of one shard, which is told of their bucket when it does not know it. */
  async #within(shard: number, command: Command & { readonly bucket: BucketId }, request?: Buffer): Promise<Outcome> {
    for (let attempt = 1; ; attempt++) {
      try {
        // A request that was refused is refused again: after the first time it is another one.
        return await this.#to(shard, command, attempt === 1 ? request : undefined);
      } catch (error) {
        if (shard === 0 || !isRefusal(error, 'NoSuchBucket') || attempt === patience) throw error;
      }
      await this.#openIn(shard, command.bucket);
    }
  }

  /** What a shard is told of a bucket. The generation is read first: what is read after it is of no earlier one. */
  #adoption(id: BucketId): Of<'bucket.adopt'> | undefined {
    const place = this.#reader.bucketShards(id);
    const bucket = this.#reader.bucketById(id);
    if (!bucket || !place) return undefined;
    const lock = this.#reader.configuration(id, 'objectLock');
    return { type: 'bucket.adopt', bucket: stored(bucket), place, ...(lock && { lock }) };
  }

  /** @throws StoreError NoSuchBucket when it is gone */
  async #openIn(shard: number, id: BucketId): Promise<void> {
    for (let attempt = 1; attempt <= patience; attempt++) {
      const adopt = this.#adoption(id);
      if (!adopt) throw new StoreError('NoSuchBucket');
      const { place } = adopt;
      try {
        await this.#to(shard, adopt);
        return;
      } catch (error) {
        if (!isRefusal(error, 'ConditionalRequestConflict')) throw error;
      }
      // It is being deleted: the system shard says which of the two comes first.
      await this.#to(0, { type: 'bucket.keep', id, generation: place.generation });
    }
    throw busy();
  }

  /** The record of a bucket as it is now, in all of its shards. */
  async #spread(id: BucketId): Promise<void> {
    const adopt = this.#adoption(id);
    if (!adopt) return;
    await Promise.all(
      adopt.place.shards.map((shard) =>
        this.#to(shard, adopt).catch((error: unknown) => {
          // Sealed by a deletion: who opens it again takes the newest record.
          if (!isRefusal(error, 'ConditionalRequestConflict')) throw error;
        }),
      ),
    );
  }

  async #create(command: Of<'bucket.create'>, request: Buffer | undefined): Promise<Outcome> {
    const spreads = this.#options.spreads?.() ?? true;
    const shards =
      command.shards ??
      (spreads ? shardsForBucket(command.name, shardsInUse(this.#reader, this.#options.proposers.length - 1)) : []);
    const outcome = await this.#to(0, { ...command, shards }, request);
    // Who comes before this is done does it himself.
    if (outcome.reply.type === 'bucket') await this.#spread(outcome.reply.bucket.id).catch(() => {});
    return outcome;
  }

  /** In force in all shards once it is answered. */
  async #update(command: Of<'bucket.update'>, request: Buffer | undefined): Promise<Outcome> {
    const { reply, position } = await this.#to(0, command, request);
    if (reply.type !== 'bucket') return { reply, position };
    const { id } = reply.bucket;
    await this.#spread(id);
    return { reply: { type: 'bucket', bucket: this.#reader.bucketById(id) ?? reply.bucket }, position };
  }

  /** What the shards of the bucket have to know is in force in all of them once it is answered, also when it was so already. */
  async #configure(command: Of<'bucket.configure'>, request: Buffer | undefined): Promise<Outcome> {
    const outcome = await this.#to(0, command, request);
    const bucket = command.kind === 'objectLock' ? this.#reader.bucket(command.name) : undefined;
    if (bucket) await this.#spread(bucket.id);
    return outcome;
  }

  /** All shards know of it once it is answered; until then keys are made where they were, in those that do not. */
  async #reshard(command: Of<'bucket.reshard'>, request: Buffer | undefined): Promise<Outcome> {
    const outcome = await this.#to(0, command, request);
    if (outcome.reply.type === 'bucket') await this.#spread(outcome.reply.bucket.id);
    return outcome;
  }

  async #delete(command: Of<'bucket.delete'>): Promise<Outcome> {
    for (let attempt = 1; attempt <= patience; attempt++) {
      const bucket = this.#reader.bucket(command.name);
      const place = bucket && this.#reader.bucketShards(bucket.id);
      if (!bucket || !place) return this.#to(0, command);
      const { id, counts } = bucket;
      const { generation } = place;
      const notEmpty = new StoreError('BucketNotEmpty', { resource: bucket.name });
      // Nobody's writes are disturbed for a bucket that is in use.
      if (counts.versions > 0 || counts.uploads > 0) throw notEmpty;
      const sealing = await Promise.allSettled(
        place.shards.map((shard) => this.#to(shard, { type: 'bucket.seal', id, generation })),
      );
      const failures = sealing.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
      try {
        if (failures.length === 0) return await this.#to(0, { ...command, generation });
      } catch (error) {
        if (!isRefusal(error, 'ConditionalRequestConflict')) throw error;
        continue;
      }
      const [first] = failures.filter((error) => !isRefusal(error, 'ConditionalRequestConflict'));
      if (first === undefined) continue;
      await this.#to(0, { type: 'bucket.keep', id, generation });
      await this.#spread(id);
      throw isRefusal(first, 'BucketNotEmpty') ? notEmpty : first;
    }
    throw busy();
  }

  /** Each shard decides its own, together; every item has its own outcome. */
  async #remove(command: Of<'object.delete'>, request: Buffer | undefined): Promise<Outcome> {
    const { bucket, items } = command;
    const shards = Map.groupBy(items.keys(), (at) => this.#reader.shardOf(bucket, items[at]!.key));
    const [item] = items;
    if (item && items.length === 1) return this.#ofKey(command, item.key, request);
    const results: DeleteResult[] = [];
    let position = 0;
    await Promise.all(
      Array.from(shards, async ([shard, places]) => {
        const mine = places.map((at) => items[at]!);
        const whole = shards.size === 1 ? request : undefined;
        const outcomes = await this.#within(shard, { ...command, items: mine }, whole).then(
          (outcome) => [outcome],
          (error: unknown) => {
            if (!isRefusal(error, 'NotInThisShard')) throw error;
            return this.#oneByOne(command, mine);
          },
        );
        const found = outcomes.flatMap(({ reply }) => (reply as Extract<Reply, { type: 'deleted' }>).results);
        for (const [index, at] of places.entries()) results[at] = found[index]!;
        position = Math.max(position, ...outcomes.map((outcome) => outcome.position));
      }),
    );
    return { reply: { type: 'deleted', results }, position };
  }

  /** Some of them are not in the shard that was asked any more, which has deleted none of them. In order, because a key may be named twice. */
  async #oneByOne(command: Of<'object.delete'>, items: Of<'object.delete'>['items']): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const item of items) outcomes.push(await this.#ofKey({ ...command, items: [item] }, item.key));
    return outcomes;
  }

  /** Each shard notes its own. */
  async #touch(command: Of<'object.touch'>): Promise<Outcome> {
    const shards = Map.groupBy(command.items, ({ bucket, key }) => this.#reader.shardOf(bucket, key));
    let last: Outcome = { reply: { type: 'done' }, position: 0 };
    for (const [shard, items] of shards) last = await this.#to(shard, { ...command, items });
    return last;
  }

  async #collected(command: Of<'garbage.collected'>): Promise<Outcome> {
    const shards = Map.groupBy(command.rows, ({ position }) => shardOfNumber(position));
    let last: Outcome = { reply: { type: 'done' }, position: 0 };
    for (const [shard, rows] of shards)
      last = await this.#to(shard, {
        ...command,
        rows: rows.map((row) => ({ ...row, position: localNumber(row.position) })),
      });
    return last;
  }

  /**
   * Object shards know of a node which life of its process is the present one, and whether it is gone for good: this closes the intents of the lives
   * before. The rest is the system shard's alone.
   */
  async #node(command: Of<'node.write'>): Promise<Outcome> {
    const outcome = await this.#to(0, command);
    const { node } = command;
    const state = node.state === 'removed' ? 'removed' : 'active';
    await Promise.all(
      this.#objectShards.map(async (shard) => {
        const there = this.#options.readers[shard]?.nodes().find(({ id }) => id === node.id);
        if (state === 'removed' && (!there || there.state === 'removed')) return;
        if (state === 'active' && there?.incarnation.equals(node.incarnation)) return;
        await this.#to(shard, { type: 'node.write', node: { ...node, zone: '', state } });
      }),
    );
    return outcome;
  }
}

/** The record alone: counts are a view of the shards. */
function stored(bucket: StoredBucket): StoredBucket {
  const { id, name, owner, createdMs, region, versioning, tags, wrappedKey, consistency, redundancy } = bucket;
  return { id, name, owner, createdMs, region, versioning, tags, wrappedKey, consistency, redundancy };
}
