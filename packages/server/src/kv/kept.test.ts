import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { changeCountOf, commitCounted, newCounts } from './counts.ts';
import type { Environment } from './environment.ts';
import { Kept } from './kept.ts';
import { Reads } from './view.ts';

const row = Buffer.from('a row');
const beside = Buffer.from('another of its table');
const [first] = row as unknown as [number];
/** Two rows of one table that hold the same number after every commit. */
const changes = (number: number) => [row, beside].map((key) => [key, Buffer.from([number])] as const);

type Writes = Pick<Environment, 'put' | 'remove' | 'transactionSync'>;

/** One way in which steps of two threads can follow each other, out of all: each `next` is asked for its choice in turn. */
class Choices {
  readonly #made: { choice: number; of: number }[] = [];
  #at = 0;

  next(of: number): number {
    const made = this.#made[this.#at] ?? { choice: 0, of };
    this.#made[this.#at++] = made;
    return made.choice;
  }

  /** Whether there is another way, which the next choices are. */
  another(): boolean {
    this.#made.length = this.#at;
    this.#at = 0;
    for (let last = this.#made.pop(); last; last = this.#made.pop())
      if (last.choice + 1 < last.of) return this.#made.push({ choice: last.choice + 1, of: last.of }) > 0;
    return false;
  }
}

const { add, load } = Atomics;

/**
 * Everything that a commit changes in what other threads see, step by step, as its own code makes it. It can be recorded, because nothing
 * of it depends on who reads.
 */
function stepsOf(number: number): ((memory: Memory) => void)[] {
  const steps: ((memory: Memory) => void)[] = [];
  Atomics.add = ((_counts: Int32Array, at: number, by: number) => {
    steps.push(({ counts }) => add(counts, at, by));
    return 0;
  }) as typeof add;
  try {
    const written = new Map<string, number>();
    const environment: Writes = {
      put: (key, value) => written.set(String(key), value[0] as number),
      remove: () => assert.fail('nothing is removed'),
      transactionSync(run) {
        run();
        steps.push((memory) => {
          memory.visible = written;
        });
      },
    };
    commitCounted(newCounts(), environment, changes(number));
  } finally {
    Atomics.add = add;
  }
  return steps;
}

/** What threads share. */
interface Memory {
  readonly counts: Int32Array;
  /** The newest state of the rows. */
  visible: ReadonlyMap<string, number>;
}

/** Every place where a writer can come between two steps of a reader, in the reader's own code over an LMDB of a few lines. */
class Reader {
  readonly #reads: Reads;
  readonly #kept: Kept<'row', number>;
  #renewed = true;
  #state: ReadonlyMap<string, number> | undefined;

  constructor(memory: Memory, seam: () => void) {
    const environment = {
      resetReadTxn: () => {
        seam();
        this.#renewed = true;
      },
      get: (key: Uint8Array) => {
        seam();
        if (this.#renewed) this.#state = memory.visible;
        this.#renewed = false;
        const number = this.#state?.get(String(key)) ?? 0;
        seam();
        return Buffer.from([number]);
      },
    } as unknown as Environment;
    this.#reads = new Reads(environment, '', manualHost(), memory.counts);
    const view = { changeCount: (of: number) => changeCountOf(memory.counts, of) };
    this.#kept = new Kept(view, first, () => this.#reads.get(row)?.[0]);
  }

  /** LMDB renews a read transaction by itself too, in a turn of the event loop. */
  turn(): void {
    this.#renewed = true;
  }

  kept = (): number => this.#kept.get('row') as number;
  read = (): number => this.#reads.get(beside)?.[0] as number;
}

/** Makes these looks in every order with the steps of a second commit, after a first one; gives the number of orders. */
function everyOrder(looks: readonly ('kept' | 'read')[]): number {
  const [before, during] = [stepsOf(1), stepsOf(2)];
  const choices = new Choices();
  let orders = 0;
  let seam = (): void => {};
  Atomics.load = ((counts: Int32Array, at: number) => {
    seam();
    return load(counts, at);
  }) as typeof load;
  try {
    do {
      const memory: Memory = { counts: newCounts(), visible: new Map() };
      for (const step of before) step(memory);
      let made = 0;
      const reader = new Reader(memory, () => seam());
      seam = () => {
        for (let steps = choices.next(during.length - made + 1); steps > 0; steps--) during[made++]?.(memory);
      };
      let least = 1;
      for (const look of looks) {
        if (choices.next(2) === 1) reader.turn();
        if (made === during.length) least = 2;
        const seen = reader[look]();
        if (seen < least) assert.fail(`${look} gave ${seen} when ${least} was there`);
        least = seen;
      }
      while (made < during.length) during[made++]?.(memory);
      seam = () => {};
      if (reader.kept() !== 2) assert.fail('what is old stays for good');
      orders++;
    } while (choices.another());
  } finally {
    Atomics.load = load;
  }
  return orders;
}

describe('kv: what a reader keeps', () => {
  it('is never older than a commit that has returned, nor than what the reader has seen of it, in whatever order the steps come', () => {
    assert.ok(everyOrder(['kept', 'read', 'kept']) > 1000);
  });

  it('is used as long as nothing of its table is committed, and while it is, not', () => {
    const counts = newCounts();
    let reads = 0;
    const kept = new Kept(
      { changeCount: (of) => changeCountOf(counts, of) },
      first,
      (name: string) => `${name} ${++reads}`,
    );
    const commit = (text: string, meanwhile = (): void => {}) =>
      commitCounted(
        counts,
        {
          put: () => {},
          remove: () => {},
          transactionSync(run) {
            run();
            meanwhile();
          },
        },
        [[Buffer.from(text), undefined]],
      );
    assert.equal(kept.get('x'), 'x 1');
    commit('more', () => assert.equal(kept.get('x'), 'x 1'));
    assert.equal(kept.get('x'), 'x 1');
    commit('a', () => {
      assert.equal(kept.get('x'), 'x 2');
      assert.equal(kept.get('x'), 'x 3');
    });
    assert.deepEqual([kept.get('x'), kept.get('x')], ['x 4', 'x 4']);
    const failed = (): void => {
      throw new StoreError('StorageFull');
    };
    assert.throws(() => commit('a', failed), StoreError);
    assert.deepEqual([kept.get('x'), kept.get('x')], ['x 5', 'x 5'], 'a commit that fails ends too');
  });
});
