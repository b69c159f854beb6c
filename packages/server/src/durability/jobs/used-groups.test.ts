import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../limits.ts';
import { drive, seededHost } from '../memory.fixture.ts';
import { createUsedGroups } from './used-groups.ts';

const ticks = async (): Promise<void> => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

interface Row {
  readonly stripe: Buffer;
  readonly group: number;
}

const row = (n: number, group: number): Row => {
  const stripe = Buffer.alloc(16);
  stripe.writeUInt32BE(n, 8);
  return { stripe, group };
};

/** A table of stripes in memory, in order of their ids; `before` is called before each page of it. */
function setUp(rows: Row[]) {
  const host = seededHost(3);
  const errors: unknown[] = [];
  const table = { rows, before: (_start: Buffer): void => undefined };
  const reader = {
    stripes(start: Buffer, limit: number) {
      table.before(start);
      return table.rows
        .filter(({ stripe }) => stripe.compare(start) >= 0)
        .slice(0, limit)
        .map((one) => ({ ...one, manifest: Buffer.alloc(1), bucket: 1, key: Buffer.alloc(1) }));
    },
  };
  const used = createUsedGroups({ reader, host, onError: (cause) => void errors.push(cause) });
  const now = async (): Promise<number[] | undefined> => {
    const groups = await drive(host, used.now());
    return groups && [...groups].sort((a, b) => a - b);
  };
  return { host, errors, table, used, now };
}

test('each answer is of the stripes that there are when it is asked for', async () => {
  const { table, now, used } = setUp([row(1, 5), row(2, 7)]);
  assert.deepEqual(await now(), [5, 7]);
  table.rows.push(row(3, 9));
  assert.deepEqual(await now(), [5, 7, 9]);
  table.rows = [row(3, 9)];
  assert.deepEqual(await now(), [9]);
  table.rows = [];
  assert.deepEqual(await now(), []);
  await used.stop();
});

test('a stripe that a walk under way has passed by is in the answer to a question that came after it', async () => {
  const many = Array.from({ length: 3 * limits.jobPage }, (_, n) => row(10 + n, 1));
  const { host, table, used } = setUp(many);
  let pages = 0;
  table.before = () => {
    pages += 1;
    // The walk rests behind this page.
    host.advance(limits.jobSliceMs);
  };
  const first = used.now();
  await ticks();
  assert.equal(pages, 1);
  table.rows = [row(1, 8), ...many];
  const second = used.now();
  assert.deepEqual([...((await drive(host, first)) ?? [])], [1]);
  assert.deepEqual([...((await drive(host, second)) ?? [])], [8, 1]);
  await used.stop();
});

test('what takes long is answered by the walk that ended last, and not when that is long ago', async () => {
  const { host, table, now, used } = setUp(Array.from({ length: 20 * limits.jobPage }, (_, n) => row(1 + n, 5)));
  let slow = true;
  table.before = () => {
    if (slow) host.advance(limits.jobSliceMs);
  };
  const ask = async (): Promise<ReadonlySet<number> | undefined> => {
    const answer = used.now();
    for (let waits = 0; waits < 2; waits++) {
      await ticks();
      host.advance(limits.usedGroupsWaitMs);
    }
    return answer;
  };
  assert.equal(await ask(), undefined);
  slow = false;
  assert.deepEqual(await now(), [5]);
  slow = true;
  assert.deepEqual([...((await ask()) ?? [])], [5]);
  host.advance(limits.usedGroupsAgeMs);
  assert.equal(await ask(), undefined);
  await used.stop();
});

test('a walk that fails is told of and gives no answer; the next question begins another one', async () => {
  const { errors, table, now, used } = setUp([row(1, 5)]);
  table.before = () => {
    throw new Error('broken');
  };
  assert.equal(await now(), undefined);
  assert.match(String(errors), /broken/);
  table.before = () => undefined;
  assert.deepEqual(await now(), [5]);
  await used.stop();
  assert.equal(await now(), undefined);
});
