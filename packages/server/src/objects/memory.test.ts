import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { takeBody } from './intake.ts';
import { BodyMemory, type Place } from './memory.ts';
import { chunksOf, gathered, pipeline } from './pipeline.fixture.ts';
import { noise } from './stripes.fixture.ts';

const places = 4;
const small = () => {
  const host = manualHost();
  return { host, memory: new BodyMemory({ timers: host.timers, bytes: places * limits.bodyShareBytes }) };
};
const crowded = (error: unknown) => error instanceof StoreError && error.code === 'SlowDown';

test('whoever comes and goes: never more places than there is memory for, and those who wait get theirs in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 200, size: 'max' }), async (steps) => {
      const { memory } = small();
      const held: Place[] = [];
      const order: number[] = [];
      let came = 0;
      for (const enters of steps) {
        if (enters) {
          const number = came++;
          const place = memory.enter();
          const admitted = (one: Place) => {
            held.push(one);
            order.push(number);
          };
          if (place instanceof Promise) void place.then(admitted);
          else admitted(place);
        } else held.shift()?.leave();
        for (let turn = 0; turn < 3; turn++) await Promise.resolve();
        assert.equal(memory.load.places, held.length);
        assert.equal(order.length + memory.load.waiting, came);
        assert.ok(memory.load.places <= places);
        assert.ok(memory.load.waiting === 0 || memory.load.places === places, 'nobody waits beside a free place');
        // What bodies gather, fetch and have waiting for others: within the memory of all.
        assert.ok(held.length * 4 * memory.group(limits.uploadGroupBytes) <= places * limits.bodyShareBytes);
      }
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
    }),
  );
});

test('too many who wait, and too long a wait, are refused by name; who was refused leaves no trace', async () => {
  const { host, memory } = small();
  const held = Array.from({ length: places }, () => memory.enter() as Place);
  const waiting = Array.from({ length: limits.waitingBodies }, () => Promise.resolve(memory.enter()));
  assert.throws(() => memory.enter(), crowded);
  const refused = waiting.slice(1).map((one) => assert.rejects(one, crowded));
  held.pop()?.leave();
  const first = await (waiting[0] as Promise<Place>);
  host.advance(limits.bodyWaitMs);
  await Promise.all(refused);
  assert.deepEqual(memory.load, { places, waiting: 0 });
  first.leave();
  for (const one of held) one.leave();
  assert.deepEqual(memory.load, { places: 0, waiting: 0 });
});

test('a few bodies move in the largest groups, many in smaller ones, none in less than a frame', () => {
  const host = manualHost();
  const memory = new BodyMemory({ timers: host.timers, bytes: limits.bodyBytes });
  for (let i = 0; i < 8; i++) void memory.enter();
  assert.equal(memory.group(limits.uploadGroupBytes), limits.uploadGroupBytes);
  while (memory.load.waiting === 0) void memory.enter();
  assert.equal(memory.group(limits.uploadGroupBytes), limits.frameBytes);
});

test('many uploads at once on a device that stands still hold no more than the memory for bodies', async () => {
  const { rooms, stripes, plan } = pipeline();
  const memory = new BodyMemory({ timers: rooms.host.timers, bytes: 8 * limits.bodyShareBytes });
  const gate = Promise.withResolvers<void>();
  stripes.gate = () => gate.promise;
  let taken = 0;
  let given = 0;
  const bytes = noise(2 * 1024 * 1024, 1);
  const uploads = Array.from({ length: 40 }, () => {
    const stream = (async function* () {
      for await (const chunk of chunksOf(bytes, [65_536])) {
        taken += chunk.length;
        yield chunk;
      }
    })();
    const body = { stream, release: () => (given += 1), length: bytes.length };
    return takeBody({ ...rooms, memory }, body, plan);
  });
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(memory.load, { places: 8, waiting: 32 });
  assert.ok(taken > 0 && taken <= 8 * limits.bodyShareBytes, `${taken} bytes were taken off the wire`);
  gate.resolve();
  for (const piece of await Promise.all(uploads)) assert.equal(piece.size, bytes.length);
  assert.ok(given > 0);
  assert.deepEqual(memory.load, { places: 0, waiting: 0 });
});

test('a read waits for its place and gives it back, also when it is left early; what lies in its row needs none', async () => {
  const { rooms, plan, version, open, outlet } = pipeline();
  const memory = new BodyMemory({ timers: rooms.host.timers, bytes: limits.bodyShareBytes });
  const bytes = noise(300_000, 2);
  const whole = version([await takeBody(rooms, { stream: chunksOf(bytes, [65_536]), length: bytes.length }, plan)]);
  Object.assign(rooms, { memory });
  const reading = open(whole, 0, bytes.length);
  assert.equal((await reading.next()).value?.length, limits.frameBytes);
  assert.equal(memory.load.places, 1);
  const second = gathered(outlet(whole, 0, bytes.length));
  assert.deepEqual(memory.load, { places: 1, waiting: 1 });
  await reading.return();
  assert.ok((await second).equals(bytes));
  assert.deepEqual(memory.load, { places: 0, waiting: 0 });
});
