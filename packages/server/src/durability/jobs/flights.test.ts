import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flights } from './flights.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('so many are under way side by side, and of a name one at a time, in the order in which they came', async () => {
  const flights = new Flights(3);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const all = (async () => {
    for (const name of ['a', 'b', 'a', 'c', 'd', 'e']) await flights.start(name, work(name));
    await flights.drain();
  })();
  await turn();
  assert.deepEqual(begun, ['a', 'b']);
  ends[0]?.();
  await turn();
  assert.deepEqual(begun, ['a', 'b', 'a', 'c']);
  ends[1]?.();
  await turn();
  assert.deepEqual(begun, ['a', 'b', 'a', 'c', 'd']);
  for (const end of ends) end();
  await turn();
  for (const end of ends) end();
  await all;
  assert.equal(begun.length, 6);
});

test('a failure is told by the next start or at the end, when all others have ended', async () => {
  const flights = new Flights(2);
  await flights.start('a', async () => Promise.reject(new Error('broken')));
  await turn();
  await assert.rejects(
    flights.start('b', async () => {}),
    { message: 'broken' },
  );
  await flights.landed();
  await assert.rejects(flights.drain(), { message: 'broken' });
});
