import { NearQuotas } from '../near-quotas.ts';
import type { Metadata } from '../owner.ts';
import { Rig } from '../rig.support.ts';
import type { MetadataReader } from '../types.ts';
import { otherShards } from './quotas.ts';
import { joinShards } from './shards.ts';

/** Several shards over memory, told and asked as one. */
export class ShardedRig extends Rig {
  /** The system shard, then the others. */
  readonly each: Rig[] = [];
  /** Of each, as the others know it. */
  protected readonly readers: (MetadataReader | undefined)[] = [];

  static async start(objectShards: number, seed = 1): Promise<ShardedRig> {
    const rig = new ShardedRig(seed);
    for (let shard = 0; shard <= objectShards; shard++)
      rig.each.push(await Rig.open(seed + shard, shard, otherShards(rig.readers, shard)));
    rig.#join();
    return rig;
  }

  #join(): void {
    this.metadata = joinShards(this.each.map(({ metadata }, shard) => this.#careful(metadata, shard)));
    this.kv = this.each[0]!.kv;
    this.readers.splice(0, this.readers.length, ...this.each.map(({ reader }) => reader));
  }

  /** As a node of a cluster has it. What the others have applied is known at once here. */
  #careful(metadata: Metadata, shard: number): Metadata {
    const others = otherShards(this.readers, shard);
    const shards = () => this.readers.length;
    const { timers } = this.host;
    const near = new NearQuotas({ reader: metadata.reader, others, shards, latest: async () => {}, timers });
    const decide = metadata.propose.bind(metadata);
    metadata.propose = (command, request) => near.decide(command, () => decide(command, request));
    return metadata;
  }

  /** The others do not know a shard any more, as while it is being opened. */
  close(shard: number): void {
    this.readers[shard] = undefined;
  }

  override async crash(): Promise<void> {
    for (const rig of this.each) await rig.crash();
    this.forget();
    this.#join();
  }

  /** In every shard, so that what is written under it may belong to any key. */
  protected override async openIntent(prefix: Buffer): Promise<void> {
    for (const shard of this.each.keys()) await this.metadata.propose({ type: 'intent.open', prefix, shard });
  }
}
