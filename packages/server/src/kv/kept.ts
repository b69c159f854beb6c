import { limits } from '../limits.ts';
import type { KvView } from './types.ts';

/**
 * What was read of rows whose keys begin with one byte, by name, until a commit changes any of them ({@link KvView.changeCount}). What is not there is
 * not kept, since there is no end to names that do not exist. Bounded by `limits.readerRowsKept`.
 */
export class Kept<Name, Value> {
  readonly #kv: Pick<KvView, 'changeCount'>;
  readonly #first: number;
  readonly #read: (name: Name) => Value | undefined;
  readonly #values = new Map<Name, Value>();
  #count: number | undefined;

  /** @param first first byte of the keys @param read looks at such rows alone, through the same view */
  constructor(kv: Pick<KvView, 'changeCount'>, first: number, read: (name: Name) => Value | undefined) {
    this.#kv = kv;
    this.#first = first;
    this.#read = read;
  }

  get(name: Name): Value | undefined {
    const count = this.#kv.changeCount(this.#first);
    if (count === undefined) return this.#read(name);
    if (count !== this.#count) {
      this.#values.clear();
      this.#count = count;
    }
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const value = this.#read(name);
    if (value === undefined) return undefined;
    if (this.#values.size >= limits.readerRowsKept) this.#values.clear();
    this.#values.set(name, value);
    return value;
  }
}
