import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../limits.ts';
import { Cohort, step } from './cohort.ts';

/** Until nothing goes on by itself: what waits for a turn that is not to come is not waited for. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('cohorts', () => {
  it('what arrives in one turn takes each step together; what comes later is another cohort', async () => {
    const turns: (() => void)[] = [];
    const cohort = new Cohort({ soon: (run) => void turns.push(run) });
    const order: string[] = [];
    const request = async (name: string) => {
      await cohort.gathered(() => ({ network: '', key: '' }));
      order.push(`${name} looked up`);
      await step();
      order.push(`${name} answered`);
    };
    for (const name of ['a', 'b']) void request(name);
    await Promise.resolve();
    assert.deepEqual([order, turns.length], [[], 1], 'one turn, in which nothing is handled yet');
    turns[0]?.();
    void request('c');
    await settled();
    assert.deepEqual(order, ['a looked up', 'b looked up', 'a answered', 'b answered']);
    assert.equal(turns.length, 2, 'the late one waits for a turn of its own');
    turns[1]?.();
    await settled();
    assert.deepEqual(order.slice(4), ['c looked up', 'c answered']);
  });

  it('of many at once, as many as make a cohort go in each turn: nobody waits behind all of another network or key', async () => {
    const request = fc.record({
      network: fc.constantFrom('n1', 'n2', 'n3'),
      key: fc.constantFrom('k1', 'k2', 'k3', 'k4'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(request, { maxLength: 150, size: 'max' }), { maxLength: 5 }),
        async (arrivals) => {
          const turns: (() => void)[] = [];
          const cohort = new Cohort({ soon: (run) => void turns.push(run) });
          const waiting = new Map<number, { readonly name: string; readonly network: string; waited: number }>();
          let came = 0;
          for (let turn = 0; turn < arrivals.length || waiting.size > 0; turn++) {
            for (const { network, key } of arrivals[turn] ?? []) {
              const number = came++;
              waiting.set(number, { name: `${network} ${key}`, network, waited: 0 });
              void cohort.gathered(() => ({ network, key })).then(() => waiting.delete(number));
            }
            assert.ok(
              turns.length <= 1 && (turns.length === 1 || waiting.size === 0),
              'one turn is to come while some wait',
            );
            const before = new Map(waiting);
            turns.shift()?.();
            await new Promise((resolve) => setImmediate(resolve));
            const went = [...before].filter(([number]) => !waiting.has(number));
            assert.equal(went.length, Math.min(before.size, limits.cohortRequests));
            const names = new Map<string, number>();
            for (const [number, { name }] of before) {
              // In order within a key, but for those that made the cohort of their own turn.
              if (!waiting.has(number)) names.set(name, (names.get(name) ?? 0) + 1);
            }
            for (const one of waiting.values()) {
              one.waited++;
              // Twelve origins at most, 32 a turn: the first of each has gone two turns after it came.
              const ofKey = [...waiting.values()].filter(({ name }) => name === one.name);
              if (ofKey[0] === one && one.waited >= 2)
                assert.ok((names.get(one.name) ?? 0) > 0, 'every origin has its turn');
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('whoever names many keys waits with his own network alone', async () => {
    const turns: (() => void)[] = [];
    const cohort = new Cohort({ soon: (run) => void turns.push(run) });
    for (let i = 0; i < 1000; i++) void cohort.gathered(() => ({ network: 'noisy', key: `k${i}` }));
    let served = false;
    void cohort.gathered(() => ({ network: 'quiet', key: 'k0' })).then(() => (served = true));
    for (let turn = 0; turn < 2; turn++) turns.shift()?.();
    await Promise.resolve();
    assert.ok(served, 'in the turn after its own');
  });
});
