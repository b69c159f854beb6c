import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planScenario } from './plan.ts';
import { runScenario } from './world.ts';

/** Which seeds, as `from-to`; and how long each is. Planted bugs name the seeds that find them. */
const [from, to] = (process.env['DSOM_SIMULATE_SEEDS'] ?? '1-6').split('-').map(Number) as [number, number];
const operations = Number(process.env['DSOM_SIMULATE_OPERATIONS'] ?? 100);

describe('a store that a seed decides', () => {
  for (let seed = from; seed <= to; seed++) {
    it(`holds what it promises: seed ${seed}`, async () => {
      const { failure } = await runScenario(planScenario(seed, operations));
      assert.equal(
        failure,
        undefined,
        `${failure?.check}: ${failure?.message}. Replay: npm run simulate -- --from ${seed} --operations ${operations} --trace`,
      );
    });
  }
});
