import { StoreError } from '../errors.ts';
import type { Clock, Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { KeyUse, MetadataReader, Proposer } from '../metadata/index.ts';

/*
 * When access keys were used last. A request costs a look into a map; what has gathered is written every minute in one command, and a key at most every quarter of an hour, whatever it is used
 * for: the figure is right to that, and a process that dies loses those of its last minute. What finds no room is noted at the next use.
 */

export interface KeyUsesOptions {
  readonly reader: Pick<MetadataReader, 'accessKey' | 'keyUse'>;
  readonly proposer: Proposer;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly onFailure: (fields: Readonly<Record<string, unknown>>) => void;
}

/** Of one thread. */
export class KeyUses {
  readonly #options: KeyUsesOptions;
  readonly #cancel: () => void;
  #noted = new Map<string, { -readonly [Field in keyof KeyUse]: KeyUse[Field] }>();
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: KeyUsesOptions) {
    this.#options = options;
    this.#cancel = options.timers.every(limits.keyUseWriteMs, () => {
      if (this.#waiting === 0) void this.write();
    });
  }

  /** Somebody has signed with it. */
  used(id: string, service: string, region: string): void {
    const ms = this.#options.clock.now();
    const known = this.#noted.get(id);
    if (!known) {
      if (this.#noted.size < limits.keyUsesNoted) this.#noted.set(id, { ms, service, region });
      return;
    }
    known.ms = ms;
    known.service = service;
    known.region = region;
  }

  /** Writes what has gathered. Never rejects. */
  write(): Promise<void> {
    this.#waiting++;
    this.#last = this.#last.then(() => this.#write()).finally(() => this.#waiting--);
    return this.#last;
  }

  async #write(): Promise<void> {
    const { reader, proposer, onFailure } = this.#options;
    const uses = [...this.#noted].flatMap(([id, use]) => {
      const before = reader.keyUse(id);
      const lately = before !== undefined && use.ms - before.ms < limits.keyUseEveryMs;
      // The root key may be one that stands in no row.
      return lately || !reader.accessKey(id) ? [] : { id, ...use };
    });
    this.#noted = new Map();
    if (uses.length === 0) return;
    try {
      await proposer.propose({ type: 'key.used', uses });
    } catch (cause) {
      // Not every node of the cluster can read it yet.
      if (!(cause instanceof StoreError) || cause.code !== 'NotImplemented') onFailure({ keys: uses.length, cause });
    }
  }

  /** Writes what is left, and waits no longer than a moment for that: in a cluster that is being stopped nobody may answer any more. */
  async close(): Promise<void> {
    this.#cancel();
    const over = new AbortController();
    await Promise.race([this.write(), this.#options.timers.sleep(limits.keyUseCloseMs, over.signal)]);
    over.abort();
  }
}
