import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCache } from './index.ts';

const idOf = (n: number): Buffer => {
  const id = Buffer.alloc(16);
  id.writeUInt32LE(0xabcdef, 0);
  id.writeUInt32BE(n, 11);
  return id;
};
const frameOf = (bytes: number, mark: number): Buffer => {
  const frame = Buffer.from(new ArrayBuffer(bytes));
  if (bytes >= 4) frame.writeUInt32LE(mark, 0);
  return frame;
};

/** The same numbers in every run. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state ^ (state >>> 16)) >>> 0) / 2 ** 32;
  };
}

test('what is found is what was put, under any operations, and the bytes stay bounded', () => {
  const operation = fc.record({
    kind: fc.constantFrom('get', 'put', 'put', 'remove'),
    stripe: fc.nat(30),
    frame: fc.nat(3),
    size: fc.integer({ min: 1, max: 3000 }),
  });
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 400 }),
      fc.integer({ min: 3400, max: 20_000 }),
      (operations, limit) => {
        const cache = createCache({ bytes: limit });
        const model = new Map<string, Buffer>();
        let mark = 0;
        for (const { kind, stripe, frame, size } of operations) {
          const id = idOf(stripe);
          const name = `${stripe}/${frame}`;
          if (kind === 'put') {
            const bytes = frameOf(size, mark++);
            const before = cache.get(id, frame);
            cache.put(id, frame, bytes);
            const after = cache.get(id, frame);
            if (before) assert.equal(after, before);
            else assert.equal(after, bytes);
            model.set(name, after as Buffer);
          } else if (kind === 'remove') {
            cache.remove(id, frame);
            model.delete(name);
            assert.equal(cache.get(id, frame), undefined);
          } else {
            const found = cache.get(id, frame);
            if (found) assert.equal(found, model.get(name));
          }
          const now = cache.statistics();
          assert.ok(now.bytes <= limit, 'bytes within the limit');
          assert.ok(now.entries <= model.size);
        }
        let alive = 0;
        for (const name of model.keys()) {
          const [stripe, frame] = name.split('/').map(Number);
          if (cache.get(idOf(stripe as number), frame as number)) alive++;
        }
        assert.equal(alive, cache.statistics().entries);
      },
    ),
    { numRuns: 200 },
  );
});

test('frames of different stripes and places are never mixed up', () => {
  const cache = createCache({ bytes: 64 * 1024 * 1024 });
  for (let stripe = 0; stripe < 300; stripe++)
    for (let frame = 0; frame < 8; frame++) cache.put(idOf(stripe), frame, frameOf(64, stripe * 8 + frame));
  for (let stripe = 0; stripe < 300; stripe++)
    for (let frame = 0; frame < 8; frame++)
      assert.equal(cache.get(idOf(stripe), frame)?.readUInt32LE(0), stripe * 8 + frame);
  assert.equal(cache.statistics().hits, 2400);
  assert.equal(cache.get(idOf(300), 0), undefined);
  assert.equal(cache.statistics().misses, 1);
});

test('a frame larger than the main queue is not kept, and a cache of no bytes keeps nothing', () => {
  const cache = createCache({ bytes: 1000 });
  cache.put(idOf(1), 0, frameOf(950, 1));
  assert.equal(cache.get(idOf(1), 0), undefined);
  const none = createCache({ bytes: 0 });
  none.put(idOf(1), 0, frameOf(1, 1));
  assert.equal(none.get(idOf(1), 0), undefined);
});

test('a view is charged with the memory that it keeps alive', () => {
  const cache = createCache({ bytes: 100_000 });
  cache.put(idOf(1), 0, frameOf(50_000, 1).subarray(0, 10));
  assert.equal(cache.statistics().bytes, 50_000);
});

test('the memory of a forgotten frame is given back, unless somebody still reads it', () => {
  const cache = createCache({ bytes: 3 * 4096 });
  const push = (n: number): Buffer => {
    const bytes = frameOf(4096, n);
    cache.put(idOf(n), 0, bytes);
    return bytes;
  };
  const sent = push(1);
  cache.done(sent.subarray(5, 9));
  const slow = push(2);
  const again = push(3);
  cache.done(again);
  const borrowed = cache.get(idOf(3), 0);
  for (let n = 4; n < 40; n++) cache.done(push(n));
  for (const n of [1, 2, 3]) assert.equal(cache.get(idOf(n), 0), undefined);
  assert.equal(sent.length, 0, 'nobody reads it');
  assert.equal(slow.readUInt32LE(0), 2, 'its giver reads it');
  assert.equal(borrowed?.readUInt32LE(0), 3, 'a second reader reads it');
  const removed = push(50);
  cache.get(idOf(50), 0);
  cache.done(removed);
  cache.remove(idOf(50), 0);
  assert.equal(removed.readUInt32LE(0), 50, 'one of two readers is not done');
});

/** Least recently used, for comparison. A Map is good enough at this size. */
function lru(entries: number) {
  const held = new Map<string, true>();
  let hits = 0;
  return {
    touch(name: string): void {
      if (held.delete(name)) hits++;
      held.set(name, true);
      if (held.size > entries) held.delete(held.keys().next().value as string);
    },
    hits: () => hits,
  };
}

test('on a skewed trace with scans it finds more than LRU does', () => {
  const random = seeded(7);
  const frames = 20_000;
  const held = 500;
  const size = 4096;
  const cache = createCache({ bytes: held * size });
  const other = lru(held);
  let scan = frames;
  const touch = (n: number) => {
    other.touch(String(n));
    if (!cache.get(idOf(n), 0)) cache.put(idOf(n), 0, frameOf(size, n));
  };
  const steps = 120_000;
  for (let step = 0; step < steps; step++) {
    // Zipf-like: a power of an even draw gathers most reads on few frames.
    touch(Math.floor(frames * random() ** 6) % frames);
    if (step % 2000 === 0) for (let i = 0; i < 600; i++) touch(scan++);
  }
  const share = cache.statistics().hits;
  assert.ok(share > other.hits() * 1.03, `S3-FIFO ${share} hits, LRU ${other.hits()}`);
});

test('one long scan leaves the hot frames in place', () => {
  const cache = createCache({ bytes: 100 * 4096 });
  for (let round = 0; round < 4; round++)
    for (let n = 0; n < 50; n++) if (!cache.get(idOf(n), 0)) cache.put(idOf(n), 0, frameOf(4096, n));
  for (let n = 1000; n < 6000; n++) cache.put(idOf(n), 0, frameOf(4096, n));
  let left = 0;
  for (let n = 0; n < 50; n++) if (cache.get(idOf(n), 0)) left++;
  assert.ok(left >= 45, `${left} of 50 hot frames left`);
});
