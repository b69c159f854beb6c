import type { Planted } from './hook.ts';

/** A bug with a name, and the tests of which at least one must fail with it. */
export interface Plant extends Planted {
  /** Room, colon, what is wrong. */
  readonly name: string;
  /** Test files, relative to packages/server. */
  readonly tests: readonly string[];
  /** Runs only the tests whose names match; all when left out. */
  readonly pattern?: string;
  /** Environment of the tests, besides that of the run. */
  readonly env?: Readonly<Record<string, string>>;
}
