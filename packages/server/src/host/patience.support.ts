/*
 * How tests wait. A machine that does much else may stand still for seconds, so no test gives up before a minute; with a bug planted, what is waited
 * for mostly never comes.
 */

const isPlanted = process.env['DSOM_PLANT'] !== undefined;
export const patienceMs = isPlanted ? 4000 : 60_000;
const lookMs = 5;

/** For `fc.assert`: a property looks no longer than so for an example that fails, but with a bug planted until it has found it. */
export const lookingFor = (milliseconds: number): { readonly interruptAfterTimeLimit?: number } =>
  isPlanted ? {} : { interruptAfterTimeLimit: milliseconds };

/** Waits until `condition` holds. @throws Error that names what never came */
export async function until(condition: () => boolean | Promise<boolean>, what: string | (() => string)): Promise<void> {
  // By looks and not by the clock: while the process stands still nothing can come.
  for (let looks = patienceMs / lookMs; !(await condition()); looks--) {
    if (looks <= 0) throw new Error(`never came: ${typeof what === 'string' ? what : what()}`);
    // A timer of its own: those of a host do not keep the process alive.
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
