import { invariant } from '../../invariant.ts';
import type { Feed } from '../feed.ts';
import type { Metadata, MetadataStatistics } from '../owner.ts';
import type { Command, MetadataReader, Reply } from '../types.ts';
import { ShardedProposer } from './proposer.ts';
import { shardedReader } from './reader.ts';

/** Several shards as one, to which further ones can be added while it is used. */
export interface GrowingMetadata extends Metadata {
  /** From now on there is a shard of the next number. */
  add(shard: Metadata): void;
}

/**
 * Several shards as one. Digest, snapshot and feed are those of the system shard: each shard has its own, and who wants those of another asks that shard.
 */
class Shards implements GrowingMetadata {
  readonly reader: MetadataReader;
  readonly #shards: Metadata[];
  readonly #readers: MetadataReader[];
  readonly #system: Metadata;
  readonly #proposer: ShardedProposer;

  constructor(shards: readonly Metadata[]) {
    const [system] = shards;
    invariant(system, 'there is a system shard');
    this.#shards = [...shards];
    this.#system = system;
    this.#readers = shards.map(({ reader }) => reader);
    this.reader = shardedReader(this.#readers, true);
    this.#proposer = new ShardedProposer({ proposers: this.#shards, readers: this.#readers, reader: this.reader });
  }

  add(shard: Metadata): void {
    this.#shards.push(shard);
    this.#readers.push(shard.reader);
  }

  propose(command: Command, request?: Buffer): Promise<{ readonly reply: Reply; readonly position: number }> {
    return this.#proposer.propose(command, request);
  }

  failure(): string | undefined {
    for (const [shard, one] of this.#shards.entries()) {
      const failure = one.failure();
      if (failure !== undefined) return shard === 0 ? failure : `shard ${shard}: ${failure}`;
    }
    return undefined;
  }

  /** What is counted is the sum, where a shard stands is that of the system shard. */
  statistics(): MetadataStatistics {
    const all = this.#shards.map((one) => one.statistics());
    const sum = (name: keyof MetadataStatistics): number => all.reduce((total, one) => total + one[name], 0);
    const { position, checkpointPosition } = this.#system.statistics();
    return {
      position,
      checkpointPosition,
      checkpoints: sum('checkpoints'),
      replayed: sum('replayed'),
      entries: sum('entries'),
      entryBytes: sum('entryBytes'),
      proposals: sum('proposals'),
      refused: sum('refused'),
      waiting: sum('waiting'),
    };
  }

  digest(): Buffer {
    return this.#system.digest();
  }

  feed(name: string, from: number): Feed {
    return this.#system.feed(name, from);
  }

  snapshot(): Iterable<Buffer> {
    return this.#system.snapshot();
  }

  async checkpoint(): Promise<void> {
    await Promise.all(this.#shards.map((one) => one.checkpoint()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#shards.map((one) => one.close()));
  }
}

/** @param shards by number: the first is the system shard */
export const joinGrowing = (shards: readonly Metadata[]): GrowingMetadata => new Shards(shards);

/** @param shards by number: the first is the system shard, and alone it is the same as before */
export function joinShards(shards: readonly Metadata[]): Metadata {
  const [only] = shards;
  return only && shards.length === 1 ? only : new Shards(shards);
}
