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
const small = (most = places) => {
  const host = manualHost();
  return { host, memory: new BodyMemory({ timers: host.timers, bytes: most * limits.bodyShareBytes }) };
};
const crowded = (error: unknown) => error instanceof StoreError && error.code === 'SlowDown';

/** Lets what was promised happen. */
const settled = async () => {
  for (let turn = 0; turn < 3; turn++) await Promise.resolve();
};

test('whoever comes and goes: never more places than there is memory for, shared out max-min, and of one tenant in order', async () => {
  const step = fc.record({ enters: fc.boolean(), whose: fc.constantFrom('a', 'b', 'c'), which: fc.nat(20) });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.array(step, { maxLength: 200, size: 'max' }),
      async (most, steps) => {
        const { memory } = small(most);
        const held: { readonly whose: string; readonly place: Place }[] = [];
        const order = { a: [] as number[], b: [] as number[], c: [] as number[] };
        const came = { a: 0, b: 0, c: 0 };
        for (const { enters, whose: drawn, which } of steps) {
          const whose = drawn as keyof typeof came;
          const next: string[] = [];
          if (enters) {
            const number = came[whose]++;
            const place = memory.enter(whose);
            const admitted = (one: Place) => {
              held.push({ whose, place: one });
              order[whose].push(number);
            };
            if (place instanceof Promise) void place.then(admitted);
            else admitted(place);
          } else held.splice(which % Math.max(1, held.length), 1)[0]?.place.leave();
          await settled();
          const of = (one: string) => held.filter((holder) => holder.whose === one).length;
          const waiting = (one: keyof typeof came) => came[one] - order[one].length;
          assert.equal(memory.load.places, held.length);
          assert.equal(memory.load.waiting, waiting('a') + waiting('b') + waiting('c'));
          assert.ok(held.length <= most);
          const free = most - held.length;
          for (const one of ['a', 'b', 'c'] as const) {
            if (waiting(one) > 0)
              assert.ok(free === 0 || (of(one) > 0 && of(one) >= 3 * free), 'nobody waits who may go on');
            const [last = one] = next.slice(-1);
            if (last !== one && waiting(one) > 0) assert.ok(of(last) - 1 <= of(one), 'whoever has fewest is next');
          }
          // What bodies gather, fetch and have waiting for others: within the memory of all, and each can move.
          const bytes = held.map(({ place }) => 4 * place.group(limits.uploadGroupBytes));
          assert.ok(bytes.reduce((sum, one) => sum + one, 0) <= most * limits.bodyShareBytes);
          assert.ok(bytes.every((one) => one >= 4 * limits.frameBytes));
        }
        for (const numbers of Object.values(order))
          assert.deepEqual(
            numbers,
            numbers.toSorted((x, y) => x - y),
          );
      },
    ),
  );
});

test('a tenant with a thousand bodies that do not end leaves places, and half of the memory, to the next one', async () => {
  const memory = new BodyMemory({ timers: manualHost().timers, bytes: limits.bodyBytes });
  const most = Math.floor(limits.bodyBytes / limits.bodyShareBytes);
  for (let i = 0; i < 1000; i++) void memory.enter('noisy');
  assert.deepEqual(memory.load, { places: Math.ceil((3 * most) / 4), waiting: 1000 - Math.ceil((3 * most) / 4) });
  const quiet = Array.from({ length: 4 }, () => memory.enter('quiet') as Place);
  assert.ok(quiet.every((one) => !(one instanceof Promise)));
  assert.ok(quiet.every((one) => one.group(limits.uploadGroupBytes) >= 4 * limits.frameBytes));
  for (const one of quiet) one.leave();
  assert.equal((memory.enter('quiet') as Place).group(limits.uploadGroupBytes), limits.uploadGroupBytes);
});

test('too many who wait, and too long a wait, are refused by name; who was refused leaves no trace', async () => {
  const { host, memory } = small();
  // One alone leaves one of four.
  const held = Array.from({ length: places - 1 }, () => memory.enter() as Place);
  const waiting = Array.from({ length: limits.waitingBodies }, () => Promise.resolve(memory.enter()));
  assert.throws(() => memory.enter(), crowded);
  const refused = waiting.slice(1).map((one) => assert.rejects(one, crowded));
  held.pop()?.leave();
  const first = await (waiting[0] as Promise<Place>);
  host.advance(limits.bodyWaitMs);
  await Promise.all(refused);
  assert.deepEqual(memory.load, { places: places - 1, waiting: 0 });
  first.leave();
  for (const one of held) one.leave();
  assert.deepEqual(memory.load, { places: 0, waiting: 0 });
});

test('a few bodies move in the largest groups, many in smaller ones, none in less than a frame', () => {
  const host = manualHost();
  const memory = new BodyMemory({ timers: host.timers, bytes: limits.bodyBytes });
  const place = memory.enter() as Place;
  for (let i = 0; i < 7; i++) void memory.enter();
  assert.equal(place.group(limits.uploadGroupBytes), limits.uploadGroupBytes);
  for (let i = 0; i < 100; i++) for (const whose of ['', 'a', 'b', 'c']) void memory.enter(whose);
  assert.equal(place.group(limits.uploadGroupBytes), limits.frameBytes);
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
  assert.deepEqual(memory.load, { places: 6, waiting: 34 });
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
