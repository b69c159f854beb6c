import { createCipheriv } from 'node:crypto';
import type { StripeStore, StripeWriter } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Redundancy } from '../metadata/index.ts';

/** Bytes that no compressor shrinks, the same for the same seed. */
export function noise(length: number, seed: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed >>> 0, 0);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Calls of each kind that go well before one throws. */
interface Failures {
  create?: number;
  append?: number;
  seal?: number;
}

/** A stripe store in memory, for tests: counts what is open, holds several copies, and breaks on demand. */
export interface MemoryStripes extends StripeStore {
  /** 8 bytes that the id of every stripe for a shard begins with: its intent. */
  prefixOf(shard: number): Buffer;
  /** Copies of the sealed stripes, by id in hexadecimal; one that is to be missing has no bytes. */
  readonly held: Map<string, Buffer[]>;
  readonly settled: Set<string>;
  /** Stripe id in hexadecimal, `/`, copy. */
  readonly distrusted: string[];
  readonly reads: { readonly start: number; readonly end: number }[];
  readonly failures: Failures;
  /** What each stripe was to be kept with. */
  readonly asked: (Redundancy | undefined)[];
  /** Awaited by every write, so that tests can hold writes back. */
  gate: () => Promise<void> | undefined;
  /** Stripes ever begun. */
  created(): number;
  /** Writers neither sealed nor aborted. */
  openWriters(): number;
  /** Bytes given to `append` that no device has yet. */
  pending(): number;
}

export function memoryStripes(copies = 1): MemoryStripes {
  const prefixOf = (shard: number): Buffer => Buffer.from([0x5e, 0xed, 0x5e, 0xed, 0x5e, 0xed, 0x5e, shard]);
  const held = new Map<string, Buffer[]>();
  const settled = new Set<string>();
  const distrusted: string[] = [];
  const reads: MemoryStripes['reads'] = [];
  const asked: MemoryStripes['asked'] = [];
  let counter = 0;
  let open = 0;
  let pending = 0;

  const failIfDue = (kind: keyof Failures): void => {
    const left = store.failures[kind];
    if (left === undefined) return;
    store.failures[kind] = left - 1;
    if (left <= 0) throw new StoreError('StorageFull');
  };

  function writer(id: Buffer, maximum: number): StripeWriter {
    const pieces: Buffer[] = [];
    let bytes = 0;
    let ended = false;
    let appending = false;
    open++;
    const end = (): void => {
      if (ended) throw new Error('a writer is sealed or aborted once');
      ended = true;
      open--;
    };
    const append = async (given: readonly Uint8Array[]): Promise<void> => {
      if (appending || ended) throw new Error('a writer takes one append at a time, before its end');
      appending = true;
      const length = given.reduce((sum, piece) => sum + piece.length, 0);
      pending += length;
      bytes += length;
      try {
        await store.gate();
        failIfDue('append');
        if (bytes > maximum) throw new Error('more bytes than the bound that was announced');
        for (const piece of given) pieces.push(Buffer.from(piece));
      } finally {
        appending = false;
        pending -= length;
      }
    };
    return {
      id,
      group: 1,
      append,
      async seal(last) {
        if (last) await append(last);
        end();
        await store.gate();
        failIfDue('seal');
        const whole = Buffer.concat(pieces);
        held.set(
          id.toString('hex'),
          Array.from({ length: copies }, () => Buffer.from(whole)),
        );
      },
      async abort() {
        end();
        settled.add(id.toString('hex'));
      },
    };
  }

  const store: MemoryStripes = {
    prefixOf,
    held,
    settled,
    distrusted,
    reads,
    failures: {},
    asked,
    gate: () => undefined,
    created: () => counter,
    openWriters: () => open,
    pending: () => pending,
    async create(redundancy: Redundancy | undefined, maximum: number, shard = 0) {
      asked.push(redundancy);
      await store.gate();
      failIfDue('create');
      const id = Buffer.alloc(16);
      prefixOf(shard).copy(id);
      id.writeUInt32BE(++counter, 11);
      return writer(id, maximum);
    },
    fetch: (stripe, start, end) => store.read(stripe, start, end),
    async read({ id }, start, end) {
      reads.push({ start, end });
      const [bytes] = held.get(id.toString('hex')) ?? [];
      if (!bytes || end > bytes.length) throw new StoreError('Damaged', { resource: id.toString('hex') });
      return Buffer.from(bytes.subarray(start, end));
    },
    lacking({ id }) {
      return (held.get(id.toString('hex')) ?? []).filter((bytes) => bytes.length === 0).length;
    },
    async search({ id }, start, end, open) {
      const bad: number[] = [];
      for (const [copy, bytes] of held.get(id.toString('hex'))?.entries() ?? []) {
        if (end > bytes.length) continue;
        const opened = open(Buffer.from(bytes.subarray(start, end)));
        if (opened === undefined) bad.push(copy);
        else {
          for (const other of bad) distrusted.push(`${id.toString('hex')}/${other}`);
          return opened;
        }
      }
      throw new StoreError('Damaged', { resource: id.toString('hex') });
    },
    async prepare(redundancy) {
      if (!('copies' in redundancy) || redundancy.copies < 1 || redundancy.copies > copies)
        throw new StoreError('UnsupportedRedundancy');
    },
    usual: () => copies,
    carries: (redundancy) => 'copies' in redundancy && redundancy.copies <= copies,
    redundancyFor: (_, redundancy) => redundancy,
    redundancyOf: () => ({ copies }),
    settle(stripes) {
      for (const id of stripes) settled.add(id.toString('hex'));
    },
    async remove(stripes) {
      for (const id of stripes) held.delete(id.toString('hex'));
      store.settle(stripes);
    },
    async close() {},
  };
  return store;
}
