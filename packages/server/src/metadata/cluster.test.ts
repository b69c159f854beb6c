import { describe, it } from 'node:test';
import fc from 'fast-check';
import { lookingFor } from '../host/patience.support.ts';
import { History, step } from './history.support.ts';

describe('a cluster of replicas', () => {
  const histories = (slow: boolean, numRuns: number) =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(step, { minLength: 20, maxLength: 80 }), async (seed, steps) => {
        const history = new History(seed, slow);
        await history.start();
        for (const each of steps) await history.step(each);
        await history.finish();
      }),
      { numRuns, ...lookingFor(30_000) },
    );

  it('loses no acknowledged change and makes none twice, whoever leads', { timeout: 240_000 }, () =>
    histories(false, 150),
  );

  it('does so with messages that are late', { timeout: 240_000 }, () => histories(true, 60));
});
