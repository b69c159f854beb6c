import { CorruptionError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import type { Kv, KvChange } from '../kv/index.ts';
import { decodeFragment, encodeFragment, fragmentKey, tombstone, tombstoneKey } from './rows.ts';
import { Draft, type Space } from './space.ts';
import type { Extent, FragmentRecord, Window } from './types.ts';

/** What is known of an id within the batch: its place, or that it has none. */
type Place = Extent | 'gone';

/** Additions and removals that become one commit of the index. Nothing is changed before that. */
export class Batch {
  readonly draft: Draft;
  /** In the order of the batch. */
  readonly added: Extent[] = [];
  readonly freed: Extent[] = [];
  damagedRows = 0;
  readonly #space: Space;
  readonly #kv: Kv;
  readonly #windows: readonly Window[];
  readonly #places = new Map<string, Place>();
  readonly #changes: KvChange[] = [];

  /** @param windows those in which a walk after a crash may find what is removed now */
  constructor(space: Space, kv: Kv, windows: Iterable<Window>) {
    this.#space = space;
    this.#kv = kv;
    this.#windows = [...windows];
    this.draft = new Draft(space);
  }

  overlaps(extent: Extent): boolean {
    return this.added.some(
      (one) => one.address < extent.address + extent.length && extent.address < one.address + one.length,
    );
  }

  /** Gives the id its row; a row that it had before goes, with its space. The extent must be leased and not in the batch yet. */
  add(record: FragmentRecord): void {
    const key = fragmentKey(record.id);
    const value = encodeFragment(key, record);
    this.#drop(key);
    this.draft.use(record.extent);
    this.added.push(record.extent);
    this.#places.set(key.toString('hex'), record.extent);
    this.#changes.push([key, value]);
  }

  /** Where the id's fragment lies; undefined when it has no row, or a damaged one. */
  addressOf(id: Uint8Array): number | undefined {
    const key = fragmentKey(id);
    const known = this.#places.get(key.toString('hex'));
    if (known) return known === 'gone' ? undefined : known.address;
    const value = this.#kv.get(key);
    return value && this.#extentOf(key, value)?.address;
  }

  /** Does nothing for an id without a row. */
  remove(id: Uint8Array): void {
    const key = fragmentKey(id);
    if (!this.#drop(key)) return;
    this.#places.set(key.toString('hex'), 'gone');
    this.#changes.push([key, undefined]);
  }

  #drop(key: Buffer): boolean {
    const known = this.#places.get(key.toString('hex'));
    if (known === 'gone') return false;
    let extent: Extent | undefined = known;
    if (!extent) {
      const value = this.#kv.get(key);
      if (!value) return false;
      extent = this.#extentOf(key, value);
      if (!extent) return true;
    }
    this.draft.free(extent);
    this.freed.push(extent);
    const { address } = extent;
    for (const { nonce, runs } of this.#windows) {
      const inside = runs.some((run) => run.address <= address && address < run.address + run.length);
      if (inside) this.#changes.push([tombstoneKey(nonce, address), tombstone]);
    }
    return true;
  }

  /** A damaged row does not tell its space: it goes, and the space stays in use until a check of the whole index frees it. */
  #extentOf(key: Buffer, value: Buffer): Extent | undefined {
    try {
      const row = decodeFragment(this.#space.geometry, key, value);
      return { address: row.address, length: row.extentBytes };
    } catch (error) {
      invariant(error instanceof CorruptionError, 'decoding a row fails only because it is damaged');
      this.damagedRows++;
      return undefined;
    }
  }

  *changes(): Generator<KvChange> {
    yield* this.#changes;
    yield* this.draft.rows();
  }
}
