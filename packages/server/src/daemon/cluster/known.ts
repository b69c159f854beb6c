import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { type MetadataReader, NearQuotas, type OtherShards, otherShards } from '../../metadata/index.ts';
import type { GateCalls } from './gate.ts';
import { objectShardsOf } from './sharding.ts';

/*
 * What the shards of a node know of each other when they decide what counts towards a quota: what is applied here of each that is open and, near a quota, what a strong read
 * of all of them finds. A shard is known once all that its log had is applied; one that the cluster was given further is known before the node says that it has it, so before anything is in it.
 */
export class KnownShards {
  /** By number. Those that there are and that are not open yet are undefined. */
  readonly #readers: (MetadataReader | undefined)[] = [];
  readonly #timers: Host['timers'];
  #gates: GateCalls | undefined;

  constructor({ timers }: Pick<Host, 'timers'>) {
    this.#timers = timers;
  }

  add(number: number, reader: MetadataReader): void {
    this.#readers[number] = reader;
  }

  /** One that could not be opened: what counts over all shards must not wait for it, it is not in use. */
  leaveOut(number: number): void {
    this.#readers.length = number;
  }

  /** All that the node begins with are open. @param gates of all of them, and of those that are opened later */
  opened(gates: GateCalls, count: number): void {
    this.#readers.length = count;
    this.#gates = gates;
  }

  /** What a shard knows of those besides it. */
  others(number: number): OtherShards {
    return otherShards(this.#readers, number);
  }

  /** What decides the writes of a shard that come near a quota. */
  nearQuotas(number: number, reader: MetadataReader): NearQuotas {
    return new NearQuotas({
      reader,
      others: this.others(number),
      shards: () => this.#count(),
      latest: () => this.#latest(),
      timers: this.#timers,
    });
  }

  async #latest(): Promise<void> {
    if (this.#gates) return this.#gates.latest({ wide: true });
    throw new StoreError('ServiceUnavailable', {
      message: 'This node is starting, and does not know yet what is held of a quota that is near: try again.',
      retryAfter: 1,
    });
  }

  /** Before all are open, as many as the system shard says: what one of them holds is not known then, which is not as if it held nothing. */
  #count(): number {
    const [system] = this.#readers;
    if (!this.#gates && system)
      this.#readers.length = Math.max(this.#readers.length, 1 + (objectShardsOf(system) ?? 0));
    return this.#readers.length;
  }
}
