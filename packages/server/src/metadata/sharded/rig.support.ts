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
    this.metadata = joinShards(this.each.map(({ metadata }) => metadata));
    this.kv = this.each[0]!.kv;
    this.readers.splice(0, this.readers.length, ...this.each.map(({ reader }) => reader));
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
