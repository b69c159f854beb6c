import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../limits.ts';
import { Md5Lanes } from './lanes.ts';
import { md5Together } from './together.ts';

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** Lengths around the ends of blocks, those of a lane's input, and any others. */
const length = fc.oneof(
  fc.nat({ max: 300 }),
  fc
    .tuple(fc.nat({ max: 70 }), fc.integer({ min: -10, max: 10 }))
    .map(([blocks, more]) => Math.max(0, 64 * blocks + more)),
  fc.integer({ min: -70, max: 70 }).map((more) => limits.digestLaneBytes + more),
  fc.nat({ max: limits.wholeBodyBytes }),
);
const body = fc.tuple(length, fc.nat()).map(([bytes, seed]) => {
  const out = Buffer.allocUnsafe(bytes);
  for (let i = 0, value = seed; i < bytes; i++) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    out[i] = value >>> 24;
  }
  return out;
});

test('each body gets its own digest, however many come before one is asked for and whoever asks first', () =>
  fc.assert(
    fc.property(
      fc.array(fc.tuple(body, fc.nat()), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 }),
      (bodies, groups) => {
        for (let at = 0, turn = 0; at < bodies.length; turn++) {
          const group = bodies.slice(at, (at += groups[turn % groups.length] as number));
          const asked = group.map(([bytes, order]) => ({ bytes, order, digest: md5Together(bytes) }));
          // Some are never asked for.
          for (const { bytes, digest } of asked.sort((a, b) => a.order - b.order).slice(asked.length > 2 ? 1 : 0)) {
            assert.equal(digest().toString('hex'), md5(bytes), `${bytes.length} bytes`);
            assert.equal(digest().toString('hex'), md5(bytes), 'and the same once more');
          }
        }
      },
    ),
    { numRuns: 300 },
  ));

test('digests of whole bodies and of streams that are under way do not meet in the kernel', async () => {
  let due: (() => void)[] = [];
  const lanes = new Md5Lanes({ soon: (run) => void due.push(run) });
  const turn = () => {
    const now = due;
    due = [];
    for (const run of now) run();
  };
  const bodies = Array.from({ length: 5 }, (_, i) => Buffer.alloc(100_000 + 777 * i, `stream ${i}`));
  const streams = bodies.map(() => lanes.open());
  for (const [i, stream] of streams.entries()) void stream.update((bodies[i] as Buffer).subarray(0, 40_000 + i));
  turn();
  const small = Array.from({ length: 6 }, (_, i) => Buffer.alloc(4096 + i, `body ${i}`));
  const taken = small.map((bytes) => md5Together(bytes));
  for (const [i, digest] of taken.entries()) assert.equal(digest().toString('hex'), md5(small[i] as Buffer));
  const digests = streams.map((stream, i) => {
    void stream.update((bodies[i] as Buffer).subarray(40_000 + i));
    return stream.digest();
  });
  while (due.length > 0) turn();
  for (const [i, digest] of digests.entries()) assert.equal((await digest).toString('hex'), md5(bodies[i] as Buffer));
});
