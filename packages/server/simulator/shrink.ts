import type { Scenario } from './scenario.ts';
import { type RunResult, runScenario } from './world.ts';

/*
 * Makes a failing scenario small: leaves out faults and operations, in ever smaller groups (delta debugging, Zeller and Hildebrandt,
 * IEEE TSE 28(2), 2002), and makes the world simpler, as long as the same check still fails. Greedy and bounded in time: what comes out is
 * small enough to read, not the smallest there is.
 */

export interface Shrunk {
  readonly scenario: Scenario;
  readonly result: RunResult;
  readonly runs: number;
}

/** @param expired whether the time is up */
export async function shrink(scenario: Scenario, result: RunResult, expired: () => boolean): Promise<Shrunk> {
  const check = result.failure?.check;
  let best: Shrunk = { scenario, result, runs: 0 };
  let runs = 0;
  const fails = async (candidate: Scenario): Promise<boolean> => {
    runs++;
    const outcome = await runScenario(candidate);
    if (outcome.failure?.check !== check) return false;
    best = { scenario: candidate, result: outcome, runs };
    return true;
  };
  /** Leaves out as much of a list as can be. */
  const less = async <Item>(
    list: () => readonly Item[],
    replaced: (left: readonly Item[]) => Scenario,
  ): Promise<void> => {
    for (
      let size = Math.ceil(list().length / 2);
      size >= 1 && !expired();
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let at = 0; at < list().length && !expired(); ) {
        const left = list().toSpliced(at, size);
        if (!(await fails(replaced(left)))) at += size;
      }
    }
  };
  const clients = (): string[] => [...new Set(best.scenario.operations.map(({ client }) => client))];
  await less(clients, (left) => ({
    ...best.scenario,
    operations: best.scenario.operations.filter(({ client }) => left.includes(client)),
  }));
  for (let before = Number.POSITIVE_INFINITY; !expired(); ) {
    const size = best.scenario.faults.length + best.scenario.operations.length;
    if (size >= before) break;
    before = size;
    await less(
      () => best.scenario.faults,
      (faults) => ({ ...best.scenario, faults }),
    );
    await less(
      () => best.scenario.operations,
      (operations) => ({ ...best.scenario, operations }),
    );
  }
  for (const simpler of [
    { threads: 1 },
    { cacheBytes: 0 },
    { devices: 1 },
    { devices: 2 },
    { copies: 0 },
    { plain: 1 },
  ]) {
    if (expired()) break;
    const settings = { ...best.scenario.settings, ...simpler };
    await fails({ ...best.scenario, settings });
  }
  return { ...best, runs };
}
