import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Etcd, KeyValue, RangeAnswer } from './types.ts';

type Found = ReadonlyMap<string, KeyValue | undefined>;

interface Turn {
  readonly keys: Set<string>;
  /** Called when its read begins. */
  readonly began: (() => void)[];
  readonly found: PromiseWithResolvers<Found>;
}

/*
 * Reads of the ends of several logs in one etcd, together. One is under way at a time; keys that are asked for meanwhile are read by the next one,
 * in one transaction. So barriers cost etcd the same however many shards a request is about, and each read began after whoever waits for it asked.
 *
 * Where somebody waits already when a read ends, the next one rests for as long as that took: those who were just answered ask again, and one read
 * then serves both. Without the rest they would take turns, and each read serve half of them. Who asks alone never waits.
 */
export class TailReads {
  readonly #etcd: Pick<Etcd, 'range' | 'ranges'>;
  readonly #host: Pick<Host, 'clock' | 'timers'>;
  #isRunning = false;
  #next: Turn | undefined;

  constructor(etcd: Pick<Etcd, 'range' | 'ranges'>, host: Pick<Host, 'clock' | 'timers'>) {
    this.#etcd = etcd;
    this.#host = host;
  }

  /**
   * The row of a key at some moment after the call, linearizable.
   * @param began called when the read begins that tells it: who asks later than that gets the next one
   * @throws EtcdError
   */
  async read(key: string, began: () => void = () => {}): Promise<KeyValue | undefined> {
    this.#next ??= { keys: new Set(), began: [], found: Promise.withResolvers() };
    const { keys, found } = this.#next;
    keys.add(key);
    this.#next.began.push(began);
    if (!this.#isRunning) void this.#run();
    return (await found.promise).get(key);
  }

  async #run(): Promise<void> {
    const { clock, timers } = this.#host;
    this.#isRunning = true;
    // Those who ask in one turn go together.
    await Promise.resolve();
    for (let turn = this.#next; turn; turn = this.#next) {
      this.#next = undefined;
      const sent = clock.monotonic();
      for (const begin of turn.began) begin();
      await this.#readAll([...turn.keys]).then(turn.found.resolve, turn.found.reject);
      const rest = Math.min(Math.round(clock.monotonic() - sent), limits.etcdTailRestMs);
      if (this.#next && rest > 0) await timers.sleep(rest);
    }
    this.#isRunning = false;
  }

  async #readAll(keys: readonly string[]): Promise<Found> {
    const [only] = keys;
    const answers: readonly RangeAnswer[] =
      keys.length === 1 && only !== undefined
        ? [await this.#etcd.range({ key: only })]
        : await this.#etcd.ranges(keys.map((key) => ({ key })));
    return new Map(keys.map((key, index) => [key, answers[index]?.pairs[0]]));
  }
}

const shared = new WeakMap<Etcd, TailReads>();

/** Those of one connection, whichever log asks. */
export function tailReadsOf(etcd: Etcd, host: Pick<Host, 'clock' | 'timers'>): TailReads {
  const known = shared.get(etcd);
  if (known) return known;
  const made = new TailReads(etcd, host);
  shared.set(etcd, made);
  return made;
}
