import { invariant } from '../../invariant.ts';

interface Range {
  readonly start: number;
  readonly size: number;
}

/** Ranges of a fixed memory, given out and taken back; lowest first, so that what was used before is used again. */
export class Room {
  /** Ascending, none touching the next. */
  readonly #free: Range[];

  constructor(start: number, size: number) {
    this.#free = [{ start, size }];
  }

  /** Where so many bytes are free, or undefined. */
  take(size: number): number | undefined {
    invariant(size > 0, 'nothing needs no room');
    const index = this.#free.findIndex((range) => range.size >= size);
    const range = this.#free[index];
    if (!range) return undefined;
    const rest = { start: range.start + size, size: range.size - size };
    this.#free.splice(index, 1, ...(rest.size > 0 ? [rest] : []));
    return range.start;
  }

  give(start: number, size: number): void {
    const next = this.#free.findIndex((range) => range.start > start);
    const at = next < 0 ? this.#free.length : next;
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    const joinsBefore = before !== undefined && before.start + before.size === start;
    const joinsAfter = after !== undefined && start + size === after.start;
    invariant(!before || before.start + before.size <= start, 'room is given back once');
    invariant(!after || start + size <= after.start, 'room is given back once');
    const joined = {
      start: joinsBefore ? before.start : start,
      size: size + (joinsBefore ? before.size : 0) + (joinsAfter ? after.size : 0),
    };
    this.#free.splice(joinsBefore ? at - 1 : at, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
  }
}
