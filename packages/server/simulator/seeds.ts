/* A process that runs the seeds that run.ts sends it, one after the other. Every so many it runs one twice, and compares the traces. */
import type { Sometimes } from './coverage.ts';
import { planScenario } from './plan.ts';
import { type RunResult, runScenario } from './world.ts';

export interface SeedReport {
  readonly seed: number;
  readonly failure: RunResult['failure'];
  readonly events: number;
  readonly cpuMs: number;
  readonly coverage: readonly (readonly [Sometimes, number])[];
  /** False when a second run went another way. */
  readonly equal: boolean;
}

const twiceEvery = 20;

async function run({ seed, operations }: { readonly seed: number; readonly operations: number }): Promise<void> {
  const before = process.cpuUsage();
  const result = await runScenario(planScenario(seed, operations));
  const { user, system } = process.cpuUsage(before);
  let equal = true;
  if (seed % twiceEvery === 0) {
    const again = await runScenario(planScenario(seed, operations));
    equal = again.hash === result.hash && again.events === result.events;
  }
  const { failure, events, coverage } = result;
  const report: SeedReport = { seed, failure, events, cpuMs: (user + system) / 1000, coverage: [...coverage], equal };
  process.send?.(report);
}

process.on('message', (order: { readonly seed: number; readonly operations: number }) => void run(order));
