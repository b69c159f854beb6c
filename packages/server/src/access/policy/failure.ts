/** Where something stands in the text of a policy: both count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** A policy that is not taken. The message says where, what is wrong, and what to write instead. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  /** `Statement[1].Condition.StringEquals`; empty for the document itself. */
  readonly place: string;
  readonly position: TextPosition;
  /** What is wrong and what to do, without the place. */
  readonly problem: string;

  constructor(place: string, position: TextPosition, problem: string) {
    super(`${place === '' ? 'the policy' : place} (line ${position.line}, column ${position.column}): ${problem}`);
    this.place = place;
    this.position = position;
    this.problem = problem;
  }
}

/** Counts line and column of an offset into `text`. */
export function positionOf(text: string, at: number): TextPosition {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  return { line, column: at - before.lastIndexOf('\n') };
}

/** How many changes of one character lead from `a` to `b`, case not counted; for names, which are short. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** `: did you mean X?`, or nothing when no name is near. */
export function nearest(given: string, names: Iterable<string>): string {
  // A text that is far longer than any name is near to none: nothing is computed for it.
  if (given.length > 100) return '';
  const wanted = given.toLowerCase();
  let best: string | undefined;
  let least = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of names) {
    const far = distance(wanted, name.toLowerCase());
    if (far < least) {
      least = far;
      best = name;
    }
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}
