import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cohort, step } from './cohort.ts';

describe('cohorts', () => {
  it('what arrives in one turn takes each step together; what comes later is another cohort', async () => {
    const turns: (() => void)[] = [];
    const cohort = new Cohort({ soon: (run) => void turns.push(run) });
    const order: string[] = [];
    const request = async (name: string) => {
      await cohort.gathered();
      order.push(`${name} looked up`);
      await step();
      order.push(`${name} answered`);
    };
    const first = [request('a'), request('b')];
    await Promise.resolve();
    assert.deepEqual([order, turns.length], [[], 1], 'one turn, in which nothing is handled yet');
    turns[0]?.();
    const late = request('c');
    await Promise.all(first);
    assert.deepEqual(order, ['a looked up', 'b looked up', 'a answered', 'b answered']);
    assert.equal(turns.length, 2, 'the late one waits for a turn of its own');
    turns[1]?.();
    await late;
    assert.deepEqual(order.slice(4), ['c looked up', 'c answered']);
  });
});
