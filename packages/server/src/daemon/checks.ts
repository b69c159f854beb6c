import type { Check, CheckReport } from '../durability/index.ts';

/** A finished cross-check as lines: its findings, and a summary at the end. */
export function reportLines({
  findings,
  counts,
  totals,
  unchecked,
}: CheckReport): readonly Readonly<Record<string, unknown>>[] {
  return [
    ...findings.map((finding) => ({ type: 'finding', ...finding })),
    { type: 'summary', counts, totals, unchecked },
  ];
}

/** The cross-check that runs now, as lines that a client fetches piece by piece. One at a time. */
export class CheckRuns {
  readonly #begin: () => Check;
  #id = 0;
  #check: Check | undefined;
  #outcome: { readonly lines: readonly unknown[] } | undefined;

  constructor(begin: () => Check) {
    this.#begin = begin;
  }

  /** Joins the one under way, or starts another. */
  start(): number {
    if (this.#check && !this.#outcome) return this.#id;
    this.#outcome = undefined;
    const check = this.#begin();
    this.#check = check;
    this.#id++;
    check.report.then(
      (report) => {
        this.#outcome = { lines: reportLines(report) };
      },
      (cause: Error) => {
        this.#outcome = { lines: [{ type: 'error', message: cause.message }] };
      },
    );
    return this.#id;
  }

  news(id: number): { readonly lines: readonly unknown[]; readonly done: boolean } {
    if (id !== this.#id || !this.#check)
      return { lines: [{ type: 'error', message: 'this check is over: start another' }], done: true };
    if (this.#outcome) return { lines: this.#outcome.lines, done: true };
    return { lines: [{ type: 'progress', ...this.#check.progress() }], done: false };
  }
}
