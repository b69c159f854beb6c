import { realHost } from './real.ts';

/*
 * How tests wait. A machine that does much else may stand still for seconds, so no test gives up before a minute; with a bug planted, what is waited
 * for mostly never comes.
 */

export const patienceMs = process.env['DSOM_PLANT'] === undefined ? 60_000 : 2000;
const lookMs = 5;

/** Waits until `condition` holds. @throws Error that names what never came */
export async function until(condition: () => boolean | Promise<boolean>, what: string | (() => string)): Promise<void> {
  const { timers } = realHost();
  // By looks and not by the clock: while the process stands still nothing can come.
  for (let looks = patienceMs / lookMs; !(await condition()); looks--) {
    if (looks <= 0) throw new Error(`never came: ${typeof what === 'string' ? what : what()}`);
    await timers.sleep(lookMs);
  }
}
