import type { Etcd, KeyValue, RangeAnswer } from './types.ts';

/*
 * Reads of the ends of several logs in one etcd, together. One is under way at a time; keys that are asked for meanwhile are read by the next one,
 * in one transaction. So barriers cost etcd the same however many shards a request is about, and each read began after whoever waits for it asked.
 */
export class TailReads {
  readonly #etcd: Pick<Etcd, 'range' | 'ranges'>;
  #running: Promise<unknown> = Promise.resolve();
  #next: { readonly keys: Set<string>; readonly found: Promise<ReadonlyMap<string, KeyValue | undefined>> } | undefined;

  constructor(etcd: Pick<Etcd, 'range' | 'ranges'>) {
    this.#etcd = etcd;
  }

  /** The row of a key at some moment after the call, linearizable. @throws EtcdError */
  async read(key: string): Promise<KeyValue | undefined> {
    if (!this.#next) {
      const keys = new Set<string>();
      const found = this.#running.then(() => {
        this.#next = undefined;
        return this.#readAll([...keys]);
      });
      this.#next = { keys, found };
      this.#running = found.then(
        () => {},
        () => {},
      );
    }
    const { keys, found } = this.#next;
    keys.add(key);
    return (await found).get(key);
  }

  async #readAll(keys: readonly string[]): Promise<ReadonlyMap<string, KeyValue | undefined>> {
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
export function tailReadsOf(etcd: Etcd): TailReads {
  const known = shared.get(etcd);
  if (known) return known;
  const made = new TailReads(etcd);
  shared.set(etcd, made);
  return made;
}
