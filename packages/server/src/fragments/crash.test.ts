import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import {
  auditOf,
  checkSpace,
  contentOf,
  crashSystem,
  idOf,
  newSystem,
  put,
  type System,
  settle,
  slabBytes,
  storeCount,
} from './system.fixture.ts';
import type { FragmentWriter } from './types.ts';

/**
 * What the model knows of a fragment. After a crash: `sealed` must be there, `gone` and `open` must not, `perhaps` may be; whatever is
 * there has exactly its bytes.
 */
type Fate = 'open' | 'sealed' | 'removed' | 'gone' | 'perhaps';

interface Known {
  readonly number: number;
  readonly length: number;
  fate: Fate;
  /** Counts seals and removals begun: of two at the same time, nobody knows which came last. */
  turn: number;
  /** A seal is under way. */
  sealing: boolean;
}

interface Writing {
  readonly known: Known;
  readonly writer: FragmentWriter;
  readonly bytes: Buffer;
  written: number;
}

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 3900, max: 4300 }),
  fc.integer({ min: 0, max: 120_000 }),
);
const pick = fc.nat(1000);

/** One thing that happens. `wait` says whether its end is waited for, or how many turns pass before the next thing. */
const step = fc.record({
  what: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('begin' as const),
        length: sizes,
        spare: fc.constantFrom(0, 0, 1, 30_000),
        checksumBytes: fc.constantFrom(512, 4096, 65_552),
        store: fc.nat(storeCount - 1),
      }),
    },
    {
      weight: 9,
      arbitrary: fc.record({ do: fc.constant('append' as const), pick, part: fc.constantFrom(0.1, 0.5, 1, 1) }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('seal' as const), pick }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), pick }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), pick }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), pick, store: fc.nat(storeCount - 1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('reclaim' as const), bytes: fc.nat(2_000_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), seed: fc.nat(1_000_000) }) },
  ),
  wait: fc.oneof({ weight: 3, arbitrary: fc.constant('end' as const) }, { weight: 1, arbitrary: fc.nat(25) }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const isFull = (error: unknown): boolean => error instanceof StoreError && error.code === 'StorageFull';

class Run {
  #system!: System;
  readonly #known = new Map<number, Known>();
  #writings: Writing[] = [];
  #numbers = 0;
  #reclaiming: Promise<void> = Promise.resolve();
  /** Counts crashes: what was under way before one tells nothing after it. */
  #life = 0;

  async start(capacity: number): Promise<void> {
    this.#system = await newSystem(capacity);
  }

  /** Runs one call; an outcome counts only in the life in which the call was made. */
  async #call(wait: Step['wait'], call: () => Promise<void>): Promise<void> {
    const life = this.#life;
    const running = call().catch((error: unknown) => {
      if (life === this.#life && !isFull(error)) throw error;
    });
    if (wait === 'end') return running;
    running.catch(() => undefined);
    await settle(wait);
  }

  #inThisLife(change: () => void): () => void {
    const life = this.#life;
    return () => {
      if (life === this.#life) change();
    };
  }

  async #begin(number: number, length: number, spare: number, checksumBytes: number, store: number): Promise<void> {
    const known = this.#known.get(number) ?? { number, length, fate: 'open', turn: 0, sealing: false };
    this.#known.set(number, known);
    const id = idOf(number);
    const entered = this.#inThisLife(() =>
      this.#writings.push({ known, writer, bytes: contentOf(id, length), written: 0 }),
    );
    let writer: FragmentWriter;
    await this.#call('end', async () => {
      writer = await (this.#system.stores[store] as System['stores'][number]).create(id, length + spare, checksumBytes);
      entered();
    });
  }

  async #append(writing: Writing, part: number, wait: Step['wait']): Promise<void> {
    const from = writing.written;
    const to = Math.min(writing.bytes.length, from + Math.ceil(writing.bytes.length * part));
    writing.written = to;
    // With its last byte the header may go out: from here on a crash may leave a whole fragment.
    const perhaps = to === writing.bytes.length && writing.known.fate === 'open';
    if (perhaps) writing.known.fate = 'perhaps';
    const middle = Math.floor((from + to) / 2);
    const { bytes, writer } = writing;
    await this.#call('end', () => writer.append([bytes.subarray(from, middle), bytes.subarray(middle, to)])).catch(
      (error) => {
        throw error;
      },
    );
    if (wait !== 'end') await settle(wait);
  }

  async #seal(writing: Writing, wait: Step['wait']): Promise<void> {
    this.#writings = this.#writings.filter((one) => one !== writing);
    const { known, writer } = writing;
    if (writing.written < writing.bytes.length) await this.#append(writing, 1, 'end');
    const before = known.fate;
    if (before !== 'sealed') known.fate = 'perhaps';
    const turn = ++known.turn;
    known.sealing = true;
    const sealed = this.#inThisLife(() => {
      if (known.turn === turn) known.fate = 'sealed';
    });
    const ended = this.#inThisLife(() => {
      if (known.turn === turn) known.sealing = false;
    });
    await this.#call(wait, async () => {
      try {
        await writer.seal();
      } catch (error) {
        await writer.abort();
        throw error;
      } finally {
        ended();
      }
      sealed();
    });
  }

  async #abort(writing: Writing, wait: Step['wait']): Promise<void> {
    this.#writings = this.#writings.filter((one) => one !== writing);
    const { known, writer } = writing;
    const turn = known.turn;
    const aborted = this.#inThisLife(() => {
      if (known.turn === turn && known.fate === 'perhaps') known.fate = 'open';
    });
    await this.#call(wait, async () => {
      await writer.abort();
      aborted();
    });
  }

  async #remove(known: Known, wait: Step['wait']): Promise<void> {
    known.fate = 'perhaps';
    const turn = ++known.turn;
    const removed = this.#inThisLife(() => {
      if (known.turn === turn) known.fate = 'removed';
    });
    await this.#call(wait, async () => {
      await (this.#system.stores[0] as System['stores'][number]).remove([idOf(known.number)]);
      removed();
    });
  }

  async #flush(wait: Step['wait']): Promise<void> {
    const covered = [...this.#known.values()]
      .filter(({ fate }) => fate === 'removed')
      .map((known) => ({ known, turn: known.turn }));
    const gone = this.#inThisLife(() => {
      for (const { known, turn } of covered) if (known.turn === turn && known.fate === 'removed') known.fate = 'gone';
    });
    await this.#call(wait, async () => {
      await this.#system.owner.flush();
      gone();
    });
  }

  /** Every promise of the model, against the system. */
  async #verify(afterCrash: boolean): Promise<void> {
    checkSpace(this.#system);
    const store = this.#system.stores[0] as System['stores'][number];
    const present = new Set(store.ids(Buffer.alloc(0), 10_000).map((id) => id.toString('hex')));
    for (const known of this.#known.values()) {
      const id = idOf(known.number);
      const here = present.delete(id.toString('hex'));
      if (known.fate === 'sealed') assert.ok(here, `sealed fragment ${known.number} is there`);
      if (known.fate === 'gone' || known.fate === 'open')
        assert.ok(!here, `${known.fate} fragment ${known.number} is not there`);
      if (!afterCrash && known.fate === 'removed') assert.ok(!here, `removed fragment ${known.number} is not there`);
      if (here) {
        const expected = contentOf(id, known.length);
        assert.ok((await store.read(id, 0, known.length)).equals(expected), `fragment ${known.number} has its bytes`);
        const [from, to] = [Math.floor(known.length / 3), Math.ceil(known.length / 2)];
        assert.ok((await store.read(id, from, to)).equals(expected.subarray(from, to)));
      }
      if (afterCrash) Object.assign(known, { fate: here ? 'sealed' : 'gone', sealing: false });
    }
    assert.deepEqual([...present], [], 'nothing unknown is there');
    if (afterCrash) {
      const { leasedBytes, pendingBytes } = this.#system.owner.statistics();
      assert.deepEqual({ leasedBytes, pendingBytes }, { leasedBytes: 0, pendingBytes: 0 });
    }
  }

  async step({ what, wait }: Step): Promise<void> {
    const writing = this.#writings[('pick' in what ? what.pick : 0) % Math.max(1, this.#writings.length)];
    const sealed = [...this.#known.values()].filter(({ fate, sealing }) => fate === 'sealed' && !sealing);
    const target = sealed[('pick' in what ? what.pick : 0) % Math.max(1, sealed.length)];
    switch (what.do) {
      case 'begin':
        return this.#begin(this.#numbers++, what.length, what.spare, what.checksumBytes, what.store);
      case 'append':
        return writing && this.#append(writing, what.part, wait);
      case 'seal':
        return writing && this.#seal(writing, wait);
      case 'abort':
        return writing && this.#abort(writing, wait);
      case 'remove':
        return target && !this.#writings.some(({ known }) => known === target) ? this.#remove(target, wait) : undefined;
      case 'again':
        return target && !this.#writings.some(({ known }) => known === target)
          ? this.#begin(target.number, target.length, 0, 4096, what.store)
          : undefined;
      case 'flush':
        return this.#flush(wait);
      case 'reclaim': {
        const { owner } = this.#system;
        const running = this.#call('end', async () => void (await owner.reclaim(what.bytes)));
        this.#reclaiming = running;
        if (wait === 'end') return running;
        running.catch(() => undefined);
        return settle(wait);
      }
      case 'wait':
        this.#system.host.advance(6000);
        return settle(wait === 'end' ? undefined : wait);
      case 'reopen': {
        for (const { writer } of this.#writings.splice(0)) await writer.abort();
        await this.#reclaiming;
        await settle();
        for (const store of this.#system.stores) await store.close();
        await this.#system.owner.close();
        const { leasedBytes, pendingBytes } = this.#system.owner.statistics();
        assert.deepEqual({ leasedBytes, pendingBytes }, { leasedBytes: 0, pendingBytes: 0 });
        return this.#crash(wait === 'end' ? 0 : wait, true);
      }
      case 'crash':
        return this.#crash(what.seed, false);
    }
  }

  async #crash(seed: number, clean: boolean): Promise<void> {
    this.#life++;
    this.#reclaiming = Promise.resolve();
    this.#writings = [];
    this.#system = await crashSystem(this.#system, seed);
    if (clean) assert.deepEqual(this.#system.owner.recovery, { windows: 0, recovered: 0, torn: 0, unreadableBytes: 0 });
    await this.#verify(true);
  }

  async end(): Promise<void> {
    await this.#reclaiming;
    await settle();
    await this.#verify(false);
    await this.#crash(99, false);
    const again = this.#system;
    // Recovery left nothing to recover.
    this.#system = await crashSystem(again, 1);
    assert.equal(this.#system.owner.recovery.windows, 0);
    assert.equal(auditOf(this.#system.kv, slabBytes).leakedBytes, 0);
  }
}

describe('fragments: any work, any crash', () => {
  it('keeps what was sealed in a window that was closed while a checkpoint ended', async () => {
    for (let turns = 0; turns < 60; turns++) {
      const system = await newSystem();
      const store = system.stores[0] as System['stores'][number];
      await put(store, idOf(1), 5000);
      const checkpoint = system.owner.checkpoint();
      await settle(turns);
      await put(store, idOf(2), 5000);
      await store.close();
      await checkpoint;
      const after = await crashSystem(system, turns);
      for (const number of [1, 2]) assert.equal(after.stores[0]?.length(idOf(number)), 5000);
    }
  });

  const runs = Number(process.env['DSOM_RUNS'] ?? 60);
  for (const capacity of [64 << 20, 3 << 20]) {
    it(`keeps what was sealed, loses no space and gives none out twice (${capacity >> 20} MiB)`, async () => {
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 20, maxLength: 70, size: 'max' }),
        async (steps) => {
          const run = new Run();
          await run.start(capacity);
          for (const one of steps) await run.step(one);
          await run.end();
        },
      );
      await fc.assert(property, {
        numRuns: runs,
        ...(process.env['DSOM_SEED'] ? { seed: Number(process.env['DSOM_SEED']) } : {}),
      });
    });
  }
});
