import type { Case } from './case.ts';
import { Difference } from './expect.ts';
import { Run, Steps, type Store } from './steps.ts';

export interface Result {
  readonly area: string;
  readonly name: string;
  readonly source: string;
  /** `different`: the store does something else; `broken`: no answer, or none that can be understood; `left out`: something that it needs was not given. */
  readonly outcome: 'passed' | 'different' | 'broken' | 'left out';
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** What the store did, in few words. */
  readonly observed: string;
  readonly ms: number;
}

/** What a case needs that the store does not have. */
export const missing = (one: Case, store: Store): string | undefined =>
  one.needs.find((need) => store[need] === undefined);

async function outcomeOf(one: Case, run: Run): Promise<Pick<Result, 'outcome' | 'message' | 'observed'>> {
  const lacking = missing(one, run.store);
  if (lacking !== undefined) return { outcome: 'left out', message: `needs --${lacking}`, observed: '' };
  const steps = new Steps(run);
  try {
    await one.run(steps);
    return { outcome: 'passed', message: '', observed: '' };
  } catch (error) {
    if (error instanceof Difference) return { outcome: 'different', message: error.message, observed: error.observed };
    const message = error instanceof Error ? `${error.message} ${error.stack?.split('\n')[1] ?? ''}` : String(error);
    return { outcome: 'broken', message, observed: 'no answer that could be read' };
  } finally {
    await steps.clean().catch(() => undefined);
  }
}

/** Runs cases, so many at the same time, and gives each result when it is there. */
export async function runCases(
  cases: readonly Case[],
  store: Store,
  atOnce: number,
  report: (result: Result) => void,
): Promise<Result[]> {
  const run = new Run(store);
  const results: Result[] = [];
  const waiting = cases.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const one of waiting) {
        const started = performance.now();
        const { area, name, source } = one;
        const outcome = await outcomeOf(one, run);
        const result = { area, name, source, ...outcome, ms: Math.round(performance.now() - started) };
        results.push(result);
        report(result);
      }
    }),
  );
  await run.keeper.clean().catch(() => undefined);
  return results;
}
