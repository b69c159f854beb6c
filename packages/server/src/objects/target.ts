import { lastUseMs, type ObjectVersion, type Policy, type Redundancy } from '../metadata/index.ts';

/** What a version is to be kept with now. */
export interface Target {
  readonly redundancy: Redundancy;
  /** Only as long as the version stays idle for so long. */
  readonly idleMs?: number;
}

/** Reads that were noted one soon after the other, which make cold bytes hot again. */
const hotAgain = 2;

/**
 * By how long it was not used; what is cold comes back when it is read again and again.
 * @param isCold all its stripes are kept with the cold code
 */
export function targetOf(
  policy: Policy,
  version: Pick<ObjectVersion, 'modifiedMs' | 'use'>,
  isCold: boolean,
  now: number,
): Target {
  if (!('hot' in policy)) return { redundancy: policy };
  const { hot, cold, afterIdleMs } = policy;
  if (now - lastUseMs(version) >= afterIdleMs) return { redundancy: cold, idleMs: afterIdleMs };
  return { redundancy: isCold && (version.use?.heat ?? 0) < hotAgain ? cold : hot };
}
